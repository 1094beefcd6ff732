// Two processes at once, and one that is killed in the middle. Each stops where it matters until it
// gets a word, so the outcome does not depend on speed.
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Keys } from '../../src/keystore/keys.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { content, startChild, withFolder } from './tools.ts';

const nobody = () => Promise.resolve(null);
const race = suite('keys: processes');

race(
  'of two that make one key at once, exactly one does, and its key is the one that stays',
  withFolder(async (folder) => {
    const children = [1, 2].map(() => startChild(['create', folder, 'alice']));
    for (const child of children) assert.is(await child.line(), 'written');
    for (const child of children) child.say('go');
    const said = await Promise.all(children.map((child) => child.line()));
    await Promise.all(children.map(({ ended }) => ended));
    const [made = '', refused = ''] = said.sort().reverse();
    assert.match(made, /^made [0-9a-f]{64}$/);
    assert.match(refused, /^key-exists .*alice\.fxk/);
    assert.equal(readdirSync(folder), ['alice.fxk']);
    const { content: kept } = await new Keys(folder).load('alice', nobody);
    assert.is(`made ${toHex(kept.seed)}`, made);
  }),
);

race(
  'one that is killed before the key has its name leaves no half key, and nothing in the way',
  withFolder(async (folder) => {
    const child = startChild(['create', folder, 'alice']);
    assert.is(await child.line(), 'written');
    child.process.kill('SIGKILL');
    await child.ended;
    const [left = '', ...more] = readdirSync(folder);
    assert.match(left, /^\.alice\.fxk\.[0-9a-f]{16}\.tmp$/);
    assert.equal(more, []);
    const keys = new Keys(folder);
    assert.equal(await keys.list(), []);
    assert.equal(keys.names(), []);
    await keys.create('alice', content(), null);
    assert.is((await keys.load('alice', nobody)).content.label, 'alice');
  }),
);

race(
  'two relays that start at once have one key',
  withFolder(async (folder) => {
    const children = [1, 2].map(() => startChild(['relayKey', folder]));
    for (const child of children) assert.is(await child.line(), 'ready');
    for (const child of children) child.say('go');
    const said = await Promise.all(children.map((child) => child.line()));
    await Promise.all(children.map(({ ended }) => ended));
    const seeds = said.map((line) => /^(?:true|false) ([0-9a-f]{64})$/.exec(line)?.[1]);
    assert.ok(seeds[0] !== undefined, said.join());
    assert.is(seeds[0], seeds[1]);
    assert.is(said.filter((line) => line.startsWith('true')).length, 1, said.join());
  }),
);

race.run();
