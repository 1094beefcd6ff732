// Tables of bytes: order, ranges, batches that are kept as a whole even under kill -9, and checksums.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { open } from 'lmdb';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { Store } from '../../src/store/store.ts';
import type { ByteRange, ByteTable } from '../../src/store/tables.ts';
import { count } from '../count.ts';
import { temporaryDirectory } from '../relay.ts';

const test = suite('store bytes');

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function withStore(body: (store: Store) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const store = new Store(directory, 'relay');
    try {
      await body(store);
    } finally {
      await store.close();
    }
  });
}

const bytesOf = (...values: number[]) => Buffer.from(values);
const keysOf = (table: ByteTable, range?: ByteRange) =>
  [...table.entries(range)].map(([key]) => key.toString('hex'));

test('what entries gives is the caller’s: nothing that is read or written later changes it', () =>
  withStore(async (store) => {
    const rows = store.bytes('rows');
    const fill = (first: number) =>
      store.batch(() => {
        for (let i = 0; i < 20; i++) rows.put(bytesOf(i), Buffer.alloc(3_000, first + i));
      });
    await fill(1);
    const all = [...rows.entries()];
    await fill(101);
    for (const _ of rows.entries({ from: bytesOf(0), to: bytesOf(255), backwards: true }));
    for (const [i, [key, value]] of all.entries()) {
      assert.equal(key, bytesOf(i));
      assert.equal(value, Buffer.alloc(3_000, 1 + i));
    }
  }));

test('bytes of every kind come back; nothing changes outside a batch', () =>
  withStore(async (store) => {
    const rows = store.bytes('rows');
    const values = [bytesOf(), bytesOf(0), Buffer.alloc(70_000, 3), bytesOf(255, 0, 1)];
    await store.batch(() => {
      for (const [i, value] of values.entries()) rows.put(bytesOf(i, 0), value);
    });
    for (const [i, value] of values.entries()) assert.equal(rows.get(bytesOf(i, 0)), value);
    assert.is(rows.get(bytesOf(9)), undefined);
    assert.throws(() => rows.put(bytesOf(1), bytesOf(1)), /batch only/);
    assert.throws(() => rows.remove(bytesOf(1)), /batch only/);
    await store.batch(() => {
      rows.remove(bytesOf(0, 0));
      rows.remove(bytesOf(77));
    });
    assert.equal(keysOf(rows), ['0100', '0200', '0300']);
    assert.is(store.isBusy, false);
  }));

test('ranges go in the order of bytes, both ways, from the first that counts to before the last', () =>
  withStore(async (store) => {
    const rows = store.bytes('rows');
    const keys = ['00', '0001', '01', '0100', '0101', '01ff', '02', 'ff', 'ffff'];
    await store.batch(() => {
      for (const key of keys.toReversed()) rows.put(Buffer.from(key, 'hex'), bytesOf(1));
    });
    assert.equal(keysOf(rows), keys);
    const bounds = ['00', '0001', '0002', '01', '0101', '0102', '03', 'ff', 'ffffff'];
    for (const from of bounds)
      for (const to of bounds) {
        const range = { from: Buffer.from(from, 'hex'), to: Buffer.from(to, 'hex') };
        const wanted = keys.filter((key) => key >= from && key < to);
        assert.equal(keysOf(rows, range), wanted, `${from}..${to}`);
        assert.equal(
          keysOf(rows, { ...range, backwards: true }),
          wanted.toReversed(),
          `${to}..${from}`,
        );
      }
  }));

test('batches of one turn are kept in order, and what a later one says holds', () =>
  withStore(async (store) => {
    const rows = store.bytes('rows');
    const kept: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.batch(() => rows.put(bytesOf(1), bytesOf(i))).then(() => kept.push(i)),
      ),
    );
    assert.equal(
      kept,
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal(rows.get(bytesOf(1)), bytesOf(19));
  }));

test('kill -9 between batches: each is there as a whole or not at all, told ones are there', () =>
  withDirectory(async (directory) => {
    for (let round = 0; round < count(2, 4); round++) {
      const script = join(import.meta.dirname, 'child.ts');
      const child = spawn(process.execPath, ['--import', 'tsx', script, 'batch', directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let told = -1;
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        told = Number(line);
        if (++lines === 3 + round) child.kill('SIGKILL');
      }
      const store = new Store(directory, 'relay');
      const rows = [...store.bytes('rows').entries()].length;
      const counted = store.bytes('count').get(Buffer.alloc(8))?.readUIntBE(2, 6) ?? 0;
      assert.is(rows, counted);
      assert.ok(rows >= told, `told ${told}, found ${rows}`);
      await store.close();
    }
  }));

test('a changed byte of a value, or a value under another key, is store-damaged', () =>
  withDirectory(async (directory) => {
    const store = new Store(directory, 'relay');
    await store.batch(() => store.bytes('rows').put(bytesOf(1), Buffer.from('value')));
    await store.transaction(() => store.table('texts').put('a', { b: 1 }));
    await store.close();

    const raw = open({ path: join(directory, 'relay.lmdb'), noSubdir: true });
    const rows = raw.openDB<Buffer, Uint8Array>({
      name: 'rows',
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    const texts = raw.openDB<Buffer, string>({ name: 'texts', encoding: 'binary' });
    const sealed = rows.get(bytesOf(1)) as Buffer;
    await rows.put(bytesOf(2), sealed);
    await rows.put(bytesOf(3), Buffer.from('abc'));
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] as number) ^ 0x10;
      await rows.put(bytesOf(10, i), changed);
    }
    await texts.put('b', texts.get('a') as Buffer);
    await raw.close();

    const again = new Store(directory, 'relay');
    const isDamaged = (error: unknown) => isFleximError(error, 'store-damaged');
    assert.equal(again.bytes('rows').get(bytesOf(1)), Buffer.from('value'));
    for (const key of [bytesOf(2), bytesOf(3), ...[...sealed].map((_, i) => bytesOf(10, i))])
      assert.throws(() => again.bytes('rows').get(key), isDamaged, key.toString('hex'));
    assert.throws(() => keysOf(again.bytes('rows')), isDamaged);
    assert.equal(again.table('texts').get('a'), { b: 1 });
    assert.throws(() => again.table('texts').get('b'), isDamaged);
    await again.close();
  }));

test.run();
