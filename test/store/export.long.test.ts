// Exports: every row comes back byte by byte; nothing that was changed or cut is taken.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { exportStore, linesOf } from '../../src/store/dump.ts';
import { importStore } from '../../src/store/import.ts';
import { openStore } from '../../src/store/open.ts';
import { readStats, readStore } from '../../src/store/read.ts';
import { temporaryDirectory } from '../relay.ts';

const OPENING = { owner: thisProcess(), isAlive };

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Keys and values that are hard to write down. */
const BYTES = ['00', 'ff', '61', '0a', 'c3a9', 'c3', 'efbfbd', '7b7d', '31', '312e30', '2231220a'];
const TEXTS: Readonly<Record<string, unknown>> = {
  a: 1,
  é: 'ü\u0000\n"',
  [String.fromCharCode(0x202e, 65)]: { b: [1, null, 'x'], a: 1.5 },
  '{"key":1}': '\u2028',
  '\u0001': {},
};

async function fill(directory: string): Promise<void> {
  const store = await openStore(directory, 'relay', OPENING);
  const rows = store.bytes('rows');
  await store.batch(() => {
    for (const key of BYTES)
      for (const value of ['', ...BYTES, '00'.repeat(9000)])
        rows.put(Buffer.from(`${key}${value.slice(0, 20)}`, 'hex'), Buffer.from(value, 'hex'));
  });
  await store.transaction(() => {
    for (const [key, value] of Object.entries(TEXTS)) store.table('texts').put(key, value);
  });
  await store.close();
}

async function exported(directory: string): Promise<string> {
  const reader = await readStore(directory, 'relay', OPENING);
  let text = '';
  await exportStore(reader, async (more) => {
    text += more;
  });
  await reader.close();
  return text;
}

async function* chunks(text: string, size: number) {
  const bytes = Buffer.from(text);
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

const load = (directory: string, text: string, size = 65_536) =>
  importStore(directory, 'relay', OPENING, linesOf(chunks(text, size)));

const test = suite('store export');

test('what was exported and imported is exported again, byte by byte', () =>
  withDirectory(async (place) => {
    const directory = join(place, 'a');
    await fill(directory);
    const text = await exported(directory);
    const lines = text.trimEnd().split('\n');
    assert.equal(JSON.parse(lines[0] ?? ''), { 'flexim-store': 1, format: 1 });
    assert.not.match(text, /"owner"|\p{Cf}/u);
    for (const size of [1, 7, 65_536]) {
      const copy = join(place, `${size}`);
      const { rows, tables } = await load(copy, text, size);
      assert.is(rows, lines.length - 2);
      assert.is(tables.texts, Object.keys(TEXTS).length);
      assert.is(await exported(copy), text);
      const store = await openStore(copy, 'relay', OPENING);
      for (const [key, value] of Object.entries(TEXTS))
        assert.equal(store.table('texts').get(key), value);
      await store.close();
      assert.equal(readdirSync(copy).sort(), ['relay.lmdb', 'relay.lmdb-lock']);
    }
  }));

test('the snapshot is of one moment, though the store goes on', () =>
  withDirectory(async (directory) => {
    const store = await openStore(directory, 'relay', OPENING);
    const [a, b] = [store.bytes('a'), store.bytes('b')];
    const put = (n: number) =>
      store.batch(() => {
        for (let i = 0; i < 1500; i++)
          for (const table of [a, b]) table.put(Buffer.from(`${i}`), Buffer.from(`x${n}`));
      });
    await put(0);
    const reader = await readStore(directory, 'relay', OPENING);
    assert.is(reader.owner?.pid, process.pid);
    let [text, n] = ['', 0];
    await exportStore(reader, async (more) => {
      text += more;
      await put(++n);
    });
    assert.ok(n >= 2, 'it was written in parts');
    const values = text.split('\n').flatMap((line) => /"value64":"([^"]*)"/.exec(line)?.[1] ?? []);
    assert.is(values.length, 3000);
    assert.is(new Set(values).size, 1);
    assert.is(readStats(reader).tables.find(({ name }) => name === 'a')?.rows, 1500);
    await reader.close();
    await store.close();
  }));

test('an export that was cut, changed or mixed up is refused, and nothing is there afterwards', () =>
  withDirectory(async (place) => {
    const directory = join(place, 'a');
    await fill(directory);
    const text = await exported(directory);
    const lines = text.trimEnd().split('\n');
    const some = lines.slice(1, 4);
    const wrong: Readonly<Record<string, string>> = {
      empty: '',
      'no export': 'hello\n',
      'other JSON': '{"a":1}\n',
      'no header': lines.slice(1).join('\n'),
      'cut in the last line': text.slice(0, -20),
      'cut before the last line': lines.slice(0, -1).join('\n'),
      'cut in the middle': text.slice(0, text.length / 2),
      'a row less': [lines[0], ...lines.slice(2)].join('\n'),
      'a row twice': [lines[0], lines[1], ...lines.slice(1)].join('\n'),
      'two rows exchanged': [lines[0], lines[2], lines[1], ...lines.slice(3)].join('\n'),
      'another value': text.replace('"value":1}', '"value":2}'),
      'something behind': `${text}x\n`,
      'two exports': text + text,
      'a line of something else': [lines[0], '{"x":1}', ...lines.slice(1)].join('\n'),
      'no JSON': [lines[0], ...some, '{', ...lines.slice(4)].join('\n'),
      'a list': [lines[0], '[]', ...lines.slice(1)].join('\n'),
      'an empty key': [lines[0], '{"table":"a","key":"","value":1}'].join('\n'),
    };
    for (const [what, content] of Object.entries(wrong)) {
      const copy = join(place, what);
      let error: unknown;
      await load(copy, content).catch((reason: unknown) => {
        error = reason;
      });
      assert.ok(isFleximError(error, 'bad-input'), `${what}: ${error}`);
      assert.match((error as Error).message, /Nothing was imported$/);
      const store = await openStore(copy, 'relay', OPENING);
      assert.ok(store.isEmpty, what);
      await store.close();
      assert.not(existsSync(join(copy, 'relay.lmdb.new')), what);
    }
  }));

test('an export of a later version is refused by its name', () =>
  withDirectory(async (directory) => {
    for (const line of ['{"flexim-store":2,"format":1}', '{"flexim-store":1,"format":2}'])
      await load(directory, line).then(
        () => assert.unreachable(),
        (error: unknown) => assert.ok(isFleximError(error, 'store-version'), `${error}`),
      );
  }));

test('a store that holds something is not replaced', () =>
  withDirectory(async (directory) => {
    await fill(directory);
    const text = await exported(directory);
    await load(directory, text).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /is not empty.*--data/),
    );
    assert.is(await exported(directory), text);
  }));

test.run();
