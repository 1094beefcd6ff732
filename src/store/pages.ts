// An LMDB file read page by page, without LMDB: for the check before use and for recovery, because
// LMDB trusts its pages, and a damaged one can kill the process that reads it. The layout is that of
// lmdb 3.5.6 (data version 2) on little-endian machines of 64 bits: mdb.c, MDB_page, MDB_node, MDB_meta.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { arch, endianness } from 'node:os';
import { systemCode } from '../lib/errors.ts';

export const KNOWS_PAGES = endianness() === 'LE' && !/^(arm|ia32|mips|mipsel|ppc)$/.test(arch());

const HEADER = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_END = 168;
const NODE = 8;
const TREE = 48;
const MAX_DEPTH = 32;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;
const BIG_DATA = 1;
const SUB_TREE = 2;

/** What is wrong with a page, in words. */
export class PageProblem extends Error {}

/** The root of a table, of the list of tables, or of the list of free pages. */
export interface Tree {
  readonly flags: number;
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  readonly root: number | null; // an empty tree has none
}

export interface Meta {
  readonly pageSize: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly last: number; // the last page that was ever used
  readonly transaction: number;
}

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
  /** The row is the root of a table; the key is its name. */
  readonly isTable: boolean;
}

export interface Leaf {
  readonly rows: readonly Row[];
}

/** What becomes of a problem: a check throws, a recovery counts and goes on without the page. */
export type Found = (problem: PageProblem) => void;

/** Part of a tree that is still to be read: its keys lie from `low` to before `high`. */
interface Part {
  readonly page: number;
  readonly level: number;
  readonly low: Buffer | null;
  readonly high: Buffer | null;
}

export class PageFile {
  readonly path: string;
  readonly size: number; // in bytes
  readonly meta: Meta;
  readonly #fd: number;
  readonly #seen: Uint8Array; // a bit for each page

  /** Throws `PageProblem`, or the system's error. Without `meta`, the newer one of the file counts. */
  constructor(path: string, meta?: Meta) {
    this.path = path;
    this.#fd = openSync(path, 'r');
    try {
      this.size = fstatSync(this.#fd).size;
      this.meta = meta ?? readMeta(this.#fd);
      const pages = Math.min(this.meta.last + 1, Math.ceil(this.size / this.meta.pageSize));
      this.#seen = new Uint8Array(Math.ceil(pages / 8));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** The leaves of a tree in order. What cannot be read is told to `found` and left out. */
  *leaves(tree: Tree, compare: Compare, found: Found): Generator<Leaf> {
    if (tree.root === null) return;
    const parts: Part[] = [{ page: tree.root, level: 1, low: null, high: null }];
    for (let part = parts.pop(); part; part = parts.pop()) {
      try {
        const page = this.#treePage(part.page);
        if (flagsOf(page) === BRANCH) parts.push(...this.#children(page, part, tree).toReversed());
        else yield { rows: [...this.#rows(page, part, tree, compare, found)] };
      } catch (error) {
        if (!(error instanceof PageProblem)) throw error;
        found(error);
      }
    }
  }

  /** Marks pages as free; throws when one of them belongs to a tree. */
  free(first: number, count: number): void {
    for (let page = first; page < first + count; page++) {
      if (page < 2 || page > this.meta.last)
        throw new PageProblem(`the list of free pages names page ${page}, which is not there`);
      if (this.#isSeen(page)) throw new PageProblem(`page ${page} is in use and free at once`);
    }
  }

  /** Pages as they are; null when they are not all there. */
  raw(number: number, count = 1): Buffer | null {
    const { pageSize } = this.meta;
    const pages = Buffer.allocUnsafeSlow(count * pageSize);
    return this.#read(pages, number * pageSize) === pages.length ? pages : null;
  }

  #treePage(number: number): Buffer {
    const page = this.#page(number);
    const flags = flagsOf(page);
    const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)];
    const isTree = flags === BRANCH || flags === LEAF;
    if (!isTree || lower % 2 !== 0 || lower > upper || upper > page.length - HEADER)
      throw new PageProblem(`page ${number} is no page of a table`);
    return page;
  }

  /** Reads a page that something points to, once. */
  #page(number: number): Buffer {
    const page = this.raw(this.#once(number));
    if (!page)
      throw new PageProblem(`page ${number} cannot be read, or lies behind the end of the file`);
    if (page.readBigUInt64LE(0) !== BigInt(number))
      throw new PageProblem(`page ${number} holds something else`);
    if (page.readBigUInt64LE(8) > BigInt(this.meta.transaction))
      throw new PageProblem(`page ${number} is of a later time than the store`);
    return page;
  }

  #children(page: Buffer, part: Part, tree: Tree): Part[] {
    if (part.level >= Math.min(tree.depth, MAX_DEPTH))
      throw new PageProblem(`page ${part.page} lies deeper than its table`);
    const count = countOf(page);
    if (count < 1) throw new PageProblem(`page ${part.page} is empty`);
    const nodes = Array.from({ length: count }, (_, i) => {
      const at = nodeAt(page, i, part.page);
      const end = at + NODE + page.readUInt16LE(at + 6);
      if (end > page.length) throw new PageProblem(`page ${part.page} has a broken entry`);
      const child = page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
      return { child, key: page.subarray(at + NODE, end) };
    });
    return nodes.map(({ child, key }, i) => ({
      page: child,
      level: part.level + 1,
      low: i === 0 ? part.low : key,
      high: nodes[i + 1]?.key ?? part.high,
    }));
  }

  *#rows(page: Buffer, part: Part, tree: Tree, compare: Compare, found: Found): Generator<Row> {
    if (part.level !== tree.depth)
      throw new PageProblem(`page ${part.page} lies less deep than its table`);
    const count = countOf(page);
    if (count < 1) throw new PageProblem(`page ${part.page} is empty`);
    let before: Buffer | null = null;
    for (let i = 0; i < count; i++) {
      try {
        const row = this.#row(page, i, part.page);
        const isLow = part.low !== null && compare(row.key, part.low) < 0;
        const isHigh = part.high !== null && compare(row.key, part.high) >= 0;
        if (isLow || isHigh || (before && compare(before, row.key) >= 0))
          throw new PageProblem(`page ${part.page} has a key in the wrong place`);
        before = row.key;
        yield row;
      } catch (error) {
        if (!(error instanceof PageProblem)) throw error;
        found(error);
      }
    }
  }

  #row(page: Buffer, i: number, number: number): Row {
    const broken = () => new PageProblem(`page ${number} has a broken entry`);
    const at = nodeAt(page, i, number);
    const size = page.readUInt32LE(at);
    const flags = page.readUInt16LE(at + 4);
    const start = at + NODE + page.readUInt16LE(at + 6);
    if (start === at + NODE || start > page.length) throw broken();
    const key = page.subarray(at + NODE, start);
    if (flags === BIG_DATA) {
      if (start + 24 > page.length) throw broken();
      return { key, value: this.#overflow(page.subarray(start), size), isTable: false };
    }
    if ((flags !== 0 && flags !== SUB_TREE) || start + size > page.length) throw broken();
    return { key, value: page.subarray(start, start + size), isTable: flags === SUB_TREE };
  }

  /** A value that fills pages of its own. */
  #overflow(pointer: Buffer, size: number): Buffer {
    const { pageSize } = this.meta;
    const first = Number(pointer.readBigUInt64LE(0));
    const count = Number(pointer.readBigUInt64LE(16));
    const wanted = Math.ceil((HEADER + size) / pageSize);
    const page = this.#page(first);
    if (flagsOf(page) !== OVERFLOW || count < wanted || page.readUInt32LE(20) !== count)
      throw new PageProblem(`page ${first} is not the large value it should be`);
    for (let i = 1; i < count; i++) this.#once(first + i);
    const value = Buffer.allocUnsafe(size);
    if (this.#read(value, first * pageSize + HEADER) !== size)
      throw new PageProblem(`page ${first} cannot be read, or lies behind the end of the file`);
    return value;
  }

  #once(number: number): number {
    if (!(number >= 2 && number <= this.meta.last))
      throw new PageProblem(`page ${number} is asked for, which is not there`);
    if (this.#isSeen(number)) throw new PageProblem(`page ${number} is used twice`);
    this.#seen[number >> 3] = (this.#seen[number >> 3] ?? 0) | (1 << (number & 7));
    return number;
  }

  #isSeen(number: number): boolean {
    return ((this.#seen[number >> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  #read(into: Buffer, position: number): number {
    return readAll(this.#fd, into, position);
  }
}

export type Compare = (a: Buffer, b: Buffer) => number;
export const byBytes: Compare = (a, b) => a.compare(b);

/** The list of free pages is ordered by the number of the transaction that freed them. */
export const byNumber: Compare = (a, b) => {
  const [x, y] = [numberOf(a), numberOf(b)];
  return x < y ? -1 : x > y ? 1 : 0;
};

function numberOf(key: Buffer): bigint {
  if (key.length !== 8) throw new PageProblem('the list of free pages has a broken entry');
  return key.readBigUInt64LE(0);
}

/** The record of a table as it stands in the list of tables. */
export function readTree(bytes: Buffer): Tree {
  if (bytes.length !== TREE) throw new PageProblem('the list of tables has a broken entry');
  const number = (at: number) => Number(bytes.readBigUInt64LE(at));
  return {
    flags: bytes.readUInt16LE(4),
    depth: bytes.readUInt16LE(6),
    branches: number(8),
    leaves: number(16),
    overflows: number(24),
    entries: number(32),
    root: bytes.readBigUInt64LE(40) === NO_PAGE ? null : number(40),
  };
}

/** Whether a page looks like the list of tables, and the transaction that wrote it; else null. */
export function tableListTime(page: Buffer, number: number): number | null {
  if (page.readBigUInt64LE(0) !== BigInt(number) || flagsOf(page) !== LEAF) return null;
  const count = countOf(page);
  if (count < 1 || HEADER + 2 * count > page.length) return null;
  try {
    const isList = Array.from({ length: count }, (_, i) => nodeAt(page, i, number)).every(
      (at) => page.readUInt16LE(at + 4) === SUB_TREE && page.readUInt32LE(at) === TREE,
    );
    return isList ? Number(page.readBigUInt64LE(8)) : null;
  } catch (error) {
    if (error instanceof PageProblem) return null;
    throw error;
  }
}

/** Pages that an entry of the list of free pages names, as runs of first page and count. */
export function* freeRuns(value: Buffer): Generator<readonly [number, number]> {
  const broken = () => new PageProblem('the list of free pages has a broken entry');
  const words = Math.floor(value.length / 8);
  const count = words > 0 ? Number(value.readBigUInt64LE(0)) : Number.NaN;
  if (!(count < words)) throw broken();
  for (let i = 1; i <= count; i++) {
    const entry = Number(value.readBigInt64LE(8 * i));
    if (entry > 0) yield [entry, 1];
    if (entry >= 0) continue; // 0 is an empty place
    if (++i > count) throw broken();
    yield [Number(value.readBigInt64LE(8 * i)), -entry];
  }
}

/** Checks what LMDB reads first, so that it can be opened without danger to the process. */
export function checkHead(path: string): void {
  new PageFile(path).close();
}

function readMeta(fd: number): Meta {
  const first = oneMeta(fd, 0, 0);
  const second = oneMeta(fd, first.pageSize, 1);
  // They are written in turn, so one is a transaction behind the other; but not in a new file or copy.
  const apart = Math.abs(first.transaction - second.transaction);
  const isFresh = first.transaction === 0 && first.main.root === null && first.free.root === null;
  if (second.pageSize !== first.pageSize || (apart !== 1 && !isFresh))
    throw new PageProblem('the two heads of the file contradict each other');
  return first.transaction >= second.transaction ? first : second;
}

function oneMeta(fd: number, position: number, number: number): Meta {
  const head = Buffer.alloc(META_END);
  const broken = () => new PageProblem(`page ${number}, a head of the file, is damaged`);
  if (readAll(fd, head, position) !== META_END) throw broken();
  const isMeta = head.readBigUInt64LE(0) === BigInt(number) && (flagsOf(head) & META) !== 0;
  const version = head.readUInt32LE(28) & 0xffff;
  const pageSize = head.readUInt32LE(48);
  const isSize = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0;
  if (!isMeta || head.readUInt32LE(24) !== MAGIC || version !== DATA_VERSION || !isSize)
    throw broken();
  const transaction = Number(head.readBigUInt64LE(152));
  const last = Number(head.readBigUInt64LE(144));
  const mapped = Number(head.readBigUInt64LE(40));
  // Transaction n is kept in head n mod 2, and 0 in both at the beginning.
  if ((transaction & 1) !== number && transaction !== 0) throw broken();
  if (last < 1 || !(last < 2 ** 40) || !(mapped < 2 ** 52)) throw broken();
  const free = readTree(head.subarray(48, 96));
  return { pageSize, free, main: readTree(head.subarray(96, 144)), last, transaction };
}

/** Reads what is there; what the disk cannot read counts as not there. */
export function readAll(fd: number, into: Buffer, position: number): number {
  let done = 0;
  try {
    while (done < into.length) {
      const count = readSync(fd, into, done, into.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
  } catch (error) {
    if (systemCode(error) !== 'EIO') throw error;
  }
  return done;
}

function flagsOf(page: Buffer): number {
  return page.readUInt16LE(18);
}

function countOf(page: Buffer): number {
  return page.readUInt16LE(20) >> 1;
}

function nodeAt(page: Buffer, i: number, number: number): number {
  const at = HEADER + page.readUInt16LE(HEADER + 2 * i);
  if (at < HEADER + page.readUInt16LE(22) || at % 2 !== 0 || at + NODE > page.length)
    throw new PageProblem(`page ${number} has a broken entry`);
  return at;
}
