// Sealed records: they open under their own name and key only, and names tell nothing but order.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Vault } from '../../src/client/vault.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { utf8, view } from '../../src/lib/bytes.ts';
import { FleximError } from '../../src/lib/errors.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryDirectory } from '../relay.ts';
import { MemoryStore } from './memory.ts';

const KEY = new Uint8Array(32).fill(7);
const test = suite('client: vault');

const isDamaged = (error: unknown) =>
  error instanceof FleximError && error.code === 'store-damaged';
const vaultOf = (store: MemoryStore, key = KEY) => new Vault(store, key, randomBytes);

test('what was written is read, and goes', async () => {
  const vault = vaultOf(new MemoryStore());
  const name = vault.name('h', 'somebody', 3);
  assert.is(vault.read(name), undefined);
  await vault.write([{ name, bytes: utf8('hello') }]);
  assert.equal(vault.read(name), utf8('hello'));
  await vault.write([{ name, bytes: null }]);
  assert.is(vault.read(name), undefined);
});

test('a value is FXST1, a nonce, and sealed bytes; the same twice is not the same', async () => {
  const store = new MemoryStore();
  const vault = vaultOf(store);
  const name = vault.name('p', 'x');
  const write = () => vault.write([{ name, bytes: utf8('a secret text') }]);
  await write();
  const [first] = store.rows.values();
  await write();
  const [second] = store.rows.values();
  assert.is(view(first as Uint8Array).toString('latin1', 0, 5), 'FXST1');
  assert.is((first as Uint8Array).length, 5 + 24 + 13 + 16);
  assert.not.equal(first, second);
  assert.not.ok(view(first as Uint8Array).includes('secret'));
});

test('a record in the place of another, a changed one, and one of another key do not open', async () => {
  const store = new MemoryStore();
  const vault = vaultOf(store);
  const [a, b] = [vault.name('p', 'a'), vault.name('p', 'b')];
  await vault.write([a, b].map((name) => ({ name, bytes: utf8('value') })));
  assert.throws(() => vaultOf(store, new Uint8Array(32)).read(a), isDamaged);
  const keys = [...store.rows.keys()];
  assert.is(keys.length, 2);
  const [one, two] = keys as [string, string];
  const kept = store.rows.get(one) as Uint8Array;
  store.rows.set(one, store.rows.get(two) as Uint8Array);
  assert.throws(() => [vault.read(a), vault.read(b)], isDamaged);
  for (let at = 0; at < kept.length; at++) {
    const changed = kept.slice();
    changed[at] = (changed[at] as number) ^ 1;
    store.rows.set(one, changed);
    assert.throws(() => [vault.read(a), vault.read(b)], isDamaged, `byte ${at}`);
  }
  for (const short of [new Uint8Array(0), kept.subarray(0, 20), kept.subarray(0, 40)]) {
    store.rows.set(one, short);
    assert.throws(() => [...vault.all('p')], isDamaged);
  }
});

test('names differ by table, id, place and key, and hide the id', () => {
  const vault = vaultOf(new MemoryStore());
  const id = 'ab'.repeat(32);
  const names = [
    ...[vault.name('h', id), vault.name('p', id), vault.name('h', 'cd'), vault.name('h', id, 1)],
    vaultOf(new MemoryStore(), new Uint8Array(32)).name('h', id),
  ].map((name) => view(name).toString('hex'));
  assert.is(new Set(names).size, names.length);
  for (const name of names) assert.not.ok(name.includes('abab'));
});

test('in the real store: lines of one person come backwards, below a place, nobody else among them', async () => {
  const store = new Store(temporaryDirectory(), 'client');
  const vault = new Vault(store, KEY, randomBytes);
  const places = [1, 2, 255, 256, 70_000, 2 ** 33];
  await vault.write(
    ['alice', 'bob', 'carol'].flatMap((who) =>
      places.map((n) => ({ name: vault.name('h', who, n), bytes: utf8(`${who} ${n}`) })),
    ),
  );
  const texts = (rows: Iterable<readonly [number, Uint8Array]>) =>
    [...rows].map(([, row]) => view(row).toString());
  const down = [...places].reverse();
  assert.equal(
    texts(vault.placed('h', 'bob', { backwards: true })),
    down.map((n) => `bob ${n}`),
  );
  const below = vault.placed('h', 'bob', { before: 256, backwards: true });
  assert.equal(texts(below), ['bob 255', 'bob 2', 'bob 1']);
  const middle = vault.placed('h', 'bob', { from: 2, before: 256 });
  assert.equal(texts(middle), ['bob 2', 'bob 255']);
  assert.equal(texts(vault.placed('h', 'bob', { from: 2 ** 33 })), ['bob 8589934592']);
  assert.equal([...vault.places('h', 'bob', { from: 255 })], [255, 256, 70_000, 2 ** 33]);
  assert.is([...vault.all('h')].length, 18);
  assert.equal([...vault.all('i')], []);
  await store.close();
});

test.run();
