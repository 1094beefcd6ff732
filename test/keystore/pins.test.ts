// Known relays: the first line wins, nobody's line is lost, and a damaged file is not trusted at all.
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Pins } from '../../src/keystore/pins.ts';
import { fails, failure, isRoot, modeOf, STRANGER, startChild, withFolder } from './tools.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const C = 'c'.repeat(64);

async function misuse(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error;
  }
}

const pinning = suite('pins');

pinning(
  'add, get, replace, remove, list',
  withFolder(async (folder) => {
    const path = join(folder, 'state', 'known_relays');
    const pins = new Pins(path);
    assert.is(pins.get('relay.example:4321'), null);
    assert.equal(pins.list(), []);
    assert.not.ok(existsSync(join(folder, 'state')), 'asking makes nothing');

    assert.is(await pins.add('relay.example:4321', A), A);
    assert.is(modeOf(path), '600');
    assert.is(modeOf(join(folder, 'state')), '700');
    assert.is(await pins.add('[::1]:5000', B), B);
    assert.is(await pins.add('relay.example:4321', C), A, 'the first one holds');
    assert.is(readFileSync(path, 'utf8'), `relay.example:4321 ${A}\n[::1]:5000 ${B}\n`);

    pins.replace('relay.example:4321', C);
    pins.replace('other:1', B);
    assert.is(pins.get('relay.example:4321'), C);
    assert.is(pins.get('[::1]:5000'), B);
    assert.is(pins.get('other:1'), B);
    assert.is(modeOf(path), '600');
    assert.ok(pins.remove('[::1]:5000'));
    assert.not.ok(pins.remove('[::1]:5000'));
    assert.equal(
      pins.list().map(({ place, hex }) => place + hex[0]),
      ['relay.example:4321c', 'other:1b'],
    );
    assert.equal(readdirSync(join(folder, 'state')), ['known_relays']);
  }),
);

pinning(
  'of several lines for a place the first wins, and removing takes them all',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    writeFileSync(path, `r:1 ${A}\n\nr:1 ${B}\ns:1 ${C.toUpperCase()}`, { mode: 0o600 });
    const pins = new Pins(path);
    assert.is(pins.get('r:1'), A);
    assert.is(pins.get('s:1'), C);
    assert.is(await pins.add('t:1', B), B, 'after a last line without line break');
    assert.is(pins.get('s:1'), C);
    assert.ok(pins.remove('r:1'));
    assert.is(pins.get('r:1'), null);
    assert.is(readFileSync(path, 'utf8'), `s:1 ${C}\nt:1 ${B}\n`);
  }),
);

pinning(
  'a damaged line makes the whole file untrusted, and no call changes it',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const pins = new Pins(path);
    const bad = [
      'r:1',
      `r:1 ${A.slice(1)}`,
      `r:1 ${A}0`,
      `r:1 ${A} `,
      `r:1  ${A}`,
      ` r:1 ${A}`,
      `r:1\t${A}`,
      `r:1 ${A}\r`,
      `r ${A}`,
      `R:1 ${A}`,
      `r:01 ${A}`,
      `r:70000 ${A}`,
      `flexim://r:1 ${A}`,
      `r:1 ${A}s:1 ${B}`,
      `\0r:1 ${A}`,
      ' ',
      '#',
    ];
    for (const line of bad) {
      const text = `first:1 ${A}\n\n${line}\nlast:1 ${B}\n`;
      writeFileSync(path, text, { mode: 0o600 });
      for (const call of [
        () => pins.list(),
        () => pins.get('first:1'),
        () => pins.add('first:1', A),
        () => pins.add('new:1', A),
        () => pins.replace('first:1', B),
        () => pins.remove('first:1'),
      ])
        await fails(call, 'config-invalid', path, 'line 3');
      assert.is(readFileSync(path, 'utf8'), text);
    }
    assert.equal(readdirSync(folder), ['pins'], 'no lock is left');
  }),
);

pinning(
  'a line that was cut anywhere is damage',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const whole = `first:1 ${A}\n`;
    const line = `second:2 ${B}\n`;
    for (let cut = 1; cut < line.length - 1; cut++) {
      writeFileSync(path, `${whole}${line.slice(0, cut)}\n`, { mode: 0o600 });
      await fails(() => new Pins(path).get('first:1'), 'config-invalid', 'line 2');
    }
  }),
);

pinning(
  'a line that another process is just writing is waited for, one that stays torn is damage',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const pins = new Pins(path);
    writeFileSync(path, `first:1 ${A}\nsecond:2 bbbb`, { mode: 0o600 });
    await fails(() => pins.get('first:1'), 'config-invalid', path, 'line 2');
    const writer = startChild(['append', path, `${B.slice(4)}\n`]);
    assert.is(await writer.line(), 'ready');
    writer.say('go');
    assert.is(pins.get('second:2'), B);
    await writer.ended;
  }),
);

pinning(
  'what could not be read back is not written',
  withFolder(async (folder) => {
    const pins = new Pins(join(folder, 'pins'));
    for (const place of [
      '',
      'host',
      'host:0',
      'Host:1',
      'a b:1',
      'h:1\nevil:1',
      '::1:1',
      'flexim://h:1',
    ])
      for (const call of [() => pins.add(place, A), () => pins.replace(place, A)])
        await fails(call, 'bad-address');
    for (const hex of ['', A.toUpperCase(), `${A}\n`, A.slice(1)])
      for (const call of [() => pins.add('h:1', hex), () => pins.replace('h:1', hex)])
        assert.instance(await misuse(call), TypeError);
    assert.equal(readdirSync(folder), []);
  }),
);

pinning(
  'a file that others may change is not trusted, nor a link, a directory or a huge file',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const pins = new Pins(path);
    await pins.add('h:1', A);
    for (const mode of [0o620, 0o602]) {
      chmodSync(path, mode);
      await fails(() => pins.get('h:1'), 'key-exposed', path, 'chmod 600');
    }
    chmodSync(path, 0o644);
    assert.is(pins.get('h:1'), A);
    symlinkSync('pins', join(folder, 'link'));
    await fails(() => new Pins(join(folder, 'link')).get('h:1'), 'config-invalid', 'link');
    mkdirSync(join(folder, 'dir'));
    await fails(() => new Pins(join(folder, 'dir')).add('h:1', A), 'config-invalid', 'dir');
    writeFileSync(join(folder, 'huge'), '\n'.repeat((1 << 20) + 1), { mode: 0o600 });
    await fails(() => new Pins(join(folder, 'huge')).list(), 'config-invalid', 'huge');
    if (!isRoot) return;
    chownSync(path, STRANGER, STRANGER);
    await fails(() => pins.get('h:1'), 'key-exposed', path, 'user 1234');
  }),
);

pinning(
  'nobody rewrites or adds past a lock, and one that was left behind is named',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const pins = new Pins(path);
    await pins.add('h:1', A);
    const left = 'of somebody who was killed';
    writeFileSync(`${path}.lock`, left);
    const calls = [
      () => pins.replace('h:1', B),
      () => pins.remove('h:1'),
      () => pins.add('i:1', B),
    ];
    await Promise.all(calls.map((call) => fails(call, 'store-busy', `remove ${path}.lock`)));
    assert.is(readFileSync(`${path}.lock`, 'utf8'), left);
    assert.is(pins.get('h:1'), A);
  }),
);

pinning(
  'an addition that a rewriter did not see is made again, whoever wins',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const pins = new Pins(path);
    await pins.add('h:1', A);
    const seen = readFileSync(path, 'utf8');
    for (const [place, others, winner] of [
      ['i:1', '', B],
      ['j:1', `j:1 ${C}\n`, C],
    ] as const) {
      writeFileSync(`${path}.lock`, seen + others, { mode: 0o600 }); // a rewriter has read the file
      const adding = pins.add(place, B);
      assert.is(pins.get(place), B, 'appended to the file that is going to be replaced');
      renameSync(`${path}.lock`, path);
      assert.is(pins.get(place), others ? C : null);
      assert.is(await adding, winner);
      assert.is(pins.get(place), winner);
    }

    // Another's line is there to see, but the rewriter has not seen it: it does not count yet.
    writeFileSync(`${path}.lock`, readFileSync(path), { mode: 0o600 });
    appendFileSync(path, `k:1 ${C}\n`);
    const adding = pins.add('k:1', B);
    renameSync(`${path}.lock`, path);
    assert.is(await adding, B);
    assert.is(pins.get('k:1'), B);
  }),
);

pinning(
  'processes that add at once agree on who was first, and lose nothing to one that rewrites',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const count = 25;
    const adding = ['a', 'b'].map((mine) => startChild(['addPins', path, mine, `${count}`]));
    const replacing = startChild(['replacePins', path, 'c', `${count * 2}`]);
    const all = [...adding, replacing];
    for (const child of all) assert.is(await child.line(), 'ready');
    for (const child of all) child.say('go');
    const [first, second, done] = await Promise.all(all.map((child) => child.line()));
    await Promise.all(all.map(({ ended }) => ended));
    assert.is(done, 'done');
    assert.match(first ?? '', new RegExp(`^[ab]{${count}}$`));
    assert.is(first, second, 'both see the same winner for each place');
    const pins = new Pins(path);
    const stored = new Map(pins.list().map(({ place, hex }) => [place, hex[0]]));
    assert.is(stored.size, 3 * count + 1);
    for (let i = 0; i < count; i++) {
      assert.is(stored.get(`a${i}:1`), 'a');
      assert.is(stored.get(`b${i}:1`), 'b');
      assert.is(stored.get(`shared${i}:1`), first?.[i]);
    }
    assert.is(stored.get('moved:1'), 'c');
  }),
);

pinning(
  'a line that somebody appends by hand counts as any other',
  withFolder(async (folder) => {
    const path = join(folder, 'pins');
    const pins = new Pins(path);
    await pins.add('h:1', A);
    appendFileSync(path, `i:1 ${B}\n`);
    assert.is(pins.get('i:1'), B);
    appendFileSync(path, 'torn:1 0123');
    assert.is((await failure(() => pins.get('h:1'))).code, 'config-invalid');
  }),
);

pinning.run();
