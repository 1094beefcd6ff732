// The directory over a store that is a Map: logins, claims and their refusals. How it lasts is
// told in test/store and, over a whole relay, in test/protocols/flexim/commands.test.ts.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DAY_S } from '../../src/lib/time.ts';
import { Directory } from '../../src/relay/directory.ts';
import { mapStore } from './map-store.ts';

const key = (n: number) => n.toString(16).padStart(64, '0');

function directory() {
  const clock = { time: 1_000_000_000, now: () => 0, wall: () => clock.time };
  const store = mapStore();
  return { clock, store, all: new Directory(store, clock) };
}

const test = suite('directory');

test('a login makes a key known, says when the one before was, and claims a free alias', async () => {
  const { clock, all } = directory();
  assert.equal([all.isKnown(key(1)), all.lastSeen(key(1)), all.find(key(1))], [false, 0, null]);
  const first = { aliases: ['Ann'], lastSeen: 0, refused: null };
  assert.equal(await all.login(key(1), 'Ann'), first);
  clock.time += 5;
  assert.equal(await all.login(key(1), null), { ...first, lastSeen: 1_000_000_000 });
  assert.equal(await all.login(key(2), 'ann'), {
    aliases: [],
    lastSeen: 0,
    refused: 'alias-taken',
  });
  assert.equal(await all.login(key(2), 'a b'), {
    aliases: [],
    lastSeen: 1_000_000_005,
    refused: 'alias-invalid',
  });
  assert.equal(all.lastSeen(key(1)), 1_000_000_005);
  const day = 1_000_000_005 - (1_000_000_005 % DAY_S);
  assert.equal(all.find(key(1)), { key: key(1), aliases: ['Ann'], lastSeen: day });
});

test('an alias leads to its key until it is freed', async () => {
  const { all } = directory();
  await all.login(key(1), 'Ann');
  for (const spelling of ['Ann', 'ANN', 'ａｎｎ']) assert.is(all.keyOf(spelling), key(1));
  for (const none of ['', 'a n', 'anna', 'x'.repeat(99)]) assert.is(all.keyOf(none), null);
  assert.is(await all.unregister(key(2), 'ann'), null, 'somebody else’s');
  assert.equal(await all.unregister(key(1), 'aNN'), []);
  assert.is(await all.unregister(key(1), 'ann'), null, 'twice');
  assert.is(all.keyOf('ann'), null);
});

test('the last five names given up are held back, not any number', async () => {
  const { all } = directory();
  for (let n = 0; n < 7; n++) {
    await all.register(key(1), `name${n}`);
    await all.unregister(key(1), `name${n}`);
  }
  for (const n of [2, 3, 4, 5, 6])
    assert.is(await all.register(key(2), `name${n}`), 'alias-held', `name${n}`);
  for (const n of [0, 1]) assert.ok(Array.isArray(await all.register(key(2), `name${n}`)));
  assert.equal(await all.register(key(1), 'name3'), ['name3'], 'its owner can have it back');
});

test('held back to the second, for others only', async () => {
  const { clock, all } = directory();
  await all.login(key(1), 'ann');
  await all.unregister(key(1), 'ann');
  clock.time += 30 * DAY_S - 1;
  assert.is(await all.register(key(2), 'ann'), 'alias-held');
  assert.equal(await all.register(key(1), 'ann'), ['ann']);
  await all.unregister(key(1), 'ann');
  clock.time += 30 * DAY_S;
  assert.equal(await all.register(key(2), 'Ann'), ['Ann']);
  assert.is(await all.register(key(1), 'ann'), 'alias-taken');
  assert.equal(all.aliasesOf(key(1)), []);
});

test('search and roster show nobody twice and nothing that was freed', async () => {
  const { all } = directory();
  for (const alias of ['b2', 'b1', 'a9']) await all.register(key(1), alias);
  await all.login(key(2), 'b3');
  await all.login(key(3), null);
  await all.login(key(4), 'b0');
  await all.unregister(key(4), 'b0');
  const keys = (users: Iterable<{ key: string }>) => [...users].map((each) => each.key);
  assert.equal(keys(all.roster(null)), [key(1), key(2)]);
  assert.equal(keys(all.roster('a9')), [key(2)]);
  assert.equal(keys(all.search('B')), [key(1), key(2)]);
  assert.equal(keys(all.search('a')), [key(1)]);
  assert.equal(keys(all.search('')), []);
});

test('a store that fails is heard of', async () => {
  const { store, all } = directory();
  store.fail = new Error('the disk is full');
  const calls = [
    all.login(key(1), null),
    all.register(key(1), 'a'),
    all.unregister(key(1), 'a'),
  ].map((call) => call.then(String, (error: Error) => error.message));
  assert.equal(await Promise.all(calls), new Array(3).fill('the disk is full'));
});

test.run();
