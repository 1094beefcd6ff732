// Damaged files of many kinds: this process never dies of them. Either opening says store-damaged, with
// the file and the command, or everything reads back. What recovery saves was all there before.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { type Recovered, recoverStore } from '../../src/store/recover.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryDirectory } from '../relay.ts';

const PAGE = 4096;
const REMEDY = 'flexim-relay db recover --data X';
export const OPENING = { owner: thisProcess(), isAlive, remedy: REMEDY };
const DEAD = `${JSON.stringify({ pid: 1, started: 'in another life' })}\n`;

/** Numbers that look random and are the same at every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 0x8000_0000) * below);
  };
}

function bytesOf(below: (n: number) => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(256)));
}

type Content = ReadonlyMap<string, string>;

function contentOf(store: Store): Content {
  const rows = [...store.bytes('rows').entries(), ...store.bytes('big').entries()];
  return new Map([
    ...rows.map(([key, value]) => [key.toString('hex'), value.toString('hex')] as const),
    ...[...store.table('texts').entries()].map(
      ([key, value]) => [key, JSON.stringify(value)] as const,
    ),
  ]);
}

interface Original {
  readonly content: Content;
  /** What is in it, and what was removed. */
  readonly ever: Content;
}

/** Three tables, values on pages of their own, and pages that were freed. */
export async function makeOriginal(directory: string): Promise<Original> {
  const below = numbers(1);
  const store = await openStore(directory, 'relay', OPENING);
  const [rows, big] = [store.bytes('rows'), store.bytes('big')];
  const keys = Array.from({ length: 3000 }, () => bytesOf(below, 24));
  for (let i = 0; i < keys.length; i += 500)
    await store.batch(() => {
      for (const key of keys.slice(i, i + 500)) rows.put(key, bytesOf(below, 100 + below(400)));
      big.put(bytesOf(below, 8), bytesOf(below, 20_000));
    });
  const before = contentOf(store);
  await store.batch(() => {
    for (const key of keys.slice(0, 1000)) rows.remove(key);
  });
  const texts = store.table<object>('texts');
  await store.transaction(() => {
    for (let i = 0; i < 400; i++) texts.put(`user${i}`, { i, name: `name of ${i}` });
  });
  const content = contentOf(store);
  await store.close();
  return { content, ever: new Map([...before, ...content]) };
}

interface Damage {
  readonly name: string;
  readonly apply: (file: Buffer) => Buffer;
}

export type Kind = 'pages' | 'file';

/** Damage within pages, or of the file as a whole: its heads, its length. */
function damages(pages: number, kind: Kind): Damage[] {
  const below = numbers(2);
  const all: Damage[] = [];
  const add = (name: string, apply: (file: Buffer) => Buffer) => all.push({ name, apply });
  const at = (file: Buffer, page: number, bytes: Uint8Array, offset = 0) => {
    file.set(
      bytes.subarray(0, Math.max(0, file.length - page * PAGE - offset)),
      page * PAGE + offset,
    );
    return file;
  };
  const some = (count: number) => Array.from({ length: count }, () => 2 + below(pages - 2));
  for (const page of [...some(5), pages - 1, pages - 2])
    add(`page ${page} of zeros`, (file) => at(file, page, Buffer.alloc(PAGE)));
  for (const page of some(6)) {
    const noise = bytesOf(below, PAGE);
    add(`page ${page} of noise`, (file) => at(file, page, noise));
  }
  for (const page of some(8)) {
    const [offset, noise] = [below(PAGE - 64), bytesOf(below, 64)];
    add(`64 bytes of noise in page ${page} at ${offset}`, (file) => at(file, page, noise, offset));
  }
  for (const page of some(6)) {
    const offset = below(24);
    add(`the head of page ${page} changed at ${offset}`, (file) => {
      const place = page * PAGE + offset;
      file[place] = (file[place] ?? 0) ^ (1 << below(8));
      return file;
    });
  }
  for (const page of some(4)) {
    const other = 2 + below(pages - 2);
    add(`pages ${page} and ${other} swapped`, (file) => {
      const copy = Buffer.from(file);
      at(copy, page, file.subarray(other * PAGE, (other + 1) * PAGE));
      return at(copy, other, file.subarray(page * PAGE, (page + 1) * PAGE));
    });
  }
  if (kind === 'pages') return all;
  all.length = 0;
  for (const page of [0, 1]) {
    add(`head ${page} of zeros`, (file) => at(file, page, Buffer.alloc(PAGE)));
    add(`head ${page} of noise`, (file) => at(file, page, bytesOf(below, PAGE)));
    for (const offset of [48, 88, 102, 136, 144, 152, 155])
      add(`head ${page} changed at ${offset}`, (file) => {
        const place = page * PAGE + offset;
        // Bit 1 of the number at 152 could make the older head the newer one: nobody can see that.
        file[place] = (file[place] ?? 0) ^ 4;
        return file;
      });
  }
  add('both heads of zeros', (file) => at(file, 0, Buffer.alloc(2 * PAGE)));
  const cuts = [0, 1, 100, PAGE, 2 * PAGE, 2 * PAGE + 1, 3 * PAGE, (pages - 1) * PAGE];
  for (const length of [...cuts, pages * PAGE - 1, ...some(3).map((n) => n * PAGE + below(PAGE))])
    add(`cut to ${length} bytes`, (file) => file.subarray(0, length));
  add('the second half of zeros', (file) => file.fill(0, file.length / 2));
  add('noise in ten places', (file) => {
    for (const page of some(10)) at(file, page, bytesOf(below, 200), below(PAGE - 200));
    return file;
  });
  add('a page of a table named in the list of free ones', (file) => {
    const head = file.readBigUInt64LE(152) > file.readBigUInt64LE(PAGE + 152) ? 0 : PAGE;
    const list = Number(file.readBigUInt64LE(head + 88));
    file.writeBigUInt64LE(file.readBigUInt64LE(head + 136), (list + 1) * PAGE - 8);
    return file;
  });
  add('another kind of file', () => Buffer.from('#!/bin/sh\n'.repeat(5000)));
  return all;
}

interface Tally {
  damaged: number;
  intact: number;
  saved: number;
  names: string[];
}

/** Opening and recovery judge alike, by a check in a child, which takes time: so not always both. */
async function examine(
  directory: string,
  { content, ever }: Original,
  { name, isOpened }: { readonly name: string; readonly isOpened: boolean },
  tally: Tally,
): Promise<void> {
  const opened = isOpened ? await open(directory, name) : null;
  const result = await recoverStore(directory, 'relay', { ...OPENING, now: new Date(0) });
  if (result.damage === null) {
    assert.ok(opened || !isOpened, `${name}: damaged for one and sound for the other`);
    tally.intact++;
    return same((await open(directory, name)) ?? new Map(), content, name);
  }
  assert.not(opened, `${name}: sound for one and damaged for the other`);
  tally.damaged++;
  tally.names.push(name);
  assert.is(result.kept, join(directory, 'relay.lmdb.damaged-19700101-000000'), name);
  assert.ok(existsSync(result.kept ?? ''), name);
  const saved = await open(directory, name);
  assert.ok(saved, `${name}: damaged again after recovery`);
  if (!saved) return;
  tally.saved += saved.size;
  const isOlder = result.notes.some((note) => note.includes('may be back'));
  for (const [key, value] of saved)
    assert.is(value, (isOlder ? ever : content).get(key), `${name}: ${key}`);
  tells(result, saved, content, name);
}

/** The losses that recovery names are the losses there are, where it claims to know them. */
function tells(result: Recovered, saved: Content, original: Content, name: string): void {
  const tables = [...result.tables].filter(([table]) => table !== 'meta').map(([, loss]) => loss);
  const sum = tables.reduce((total, loss) => total + loss.saved, 0);
  assert.is(sum, saved.size, name);
  if (tables.length < 3 || tables.some(({ expected }) => expected === null)) return;
  const expected = tables.reduce((total, loss) => total + (loss.expected ?? 0), 0);
  if (result.notes.length === 0) assert.is(expected, original.size, name);
}

/** What the store holds; null when it is damaged, which must be said well. */
async function open(directory: string, name: string): Promise<Content | null> {
  try {
    const store = await openStore(directory, 'relay', OPENING);
    try {
      return contentOf(store);
    } finally {
      await store.close();
    }
  } catch (error) {
    assert.ok(isFleximError(error, 'store-damaged'), `${name}: ${error}`);
    const { message } = error as Error;
    assert.ok(message.includes(join(directory, 'relay.lmdb')), message);
    assert.ok(message.endsWith(`To save what can be read: ${REMEDY}`), message);
    return null;
  }
}

function same(found: Content, original: Content, name: string): void {
  assert.is(found.size, original.size, name);
  for (const [key, value] of original) assert.is(found.get(key), value, `${name}: ${key}`);
}

/** Every damage is found, or is none; what is recovered is true. Gives the names of those found. */
export async function examineAll(kind: Kind, least: number): Promise<string[]> {
  const place = temporaryDirectory();
  try {
    const original = await makeOriginal(place);
    const file = readFileSync(join(place, 'relay.lmdb'));
    const tally: Tally = { damaged: 0, intact: 0, saved: 0, names: [] };
    const queue = damages(file.length / PAGE, kind).map((damage, i) => ({ damage, i }));
    const count = queue.length;
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const directory = join(place, `${next.i}`);
        mkdirSync(directory);
        writeFileSync(join(directory, 'relay.lmdb'), next.damage.apply(Buffer.from(file)));
        writeFileSync(join(directory, 'relay.lmdb.open'), DEAD);
        const how = { name: next.damage.name, isOpened: next.i % 4 === 0 };
        await examine(directory, original, how, tally);
        rmSync(directory, { recursive: true });
      }
    };
    await Promise.all([worker(), worker()]);
    const share = tally.saved / tally.damaged / original.content.size;
    console.log(
      `${count} files: ${tally.damaged} damaged, ${tally.intact} read back whole; ` +
        `of a damaged one ${(share * 100).toFixed(1)} % of the rows were saved on average`,
    );
    assert.ok(tally.damaged > count / 2 && tally.intact > 0, JSON.stringify(tally));
    assert.ok(share > least, `${share}`);
    return tally.names;
  } finally {
    rmSync(place, { recursive: true });
  }
}
