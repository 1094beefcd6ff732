// What a table of the store can do, and how ranges of its rows are read.

import type { Rows } from './environment.ts';

export interface Range {
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** Only keys behind this one. */
  readonly after?: string;
}

export interface Table<V> {
  get(key: string): V | undefined;
  /** In key order. The table must not change while it is read. */
  entries(range?: Range): Iterable<readonly [string, V]>;
  /** Inside a transaction only. */
  put(key: string, value: V): void;
  /** Inside a transaction only. */
  remove(key: string): void;
}

export interface ByteRange {
  /** The first key that counts. */
  readonly from: Uint8Array;
  /** The first key behind the range. */
  readonly to: Uint8Array;
  /** From the last key to the first. */
  readonly backwards?: boolean;
}

/** Keys and values are bytes. What is written in a batch can be read once the batch is kept. */
export interface ByteTable {
  get(key: Uint8Array): Buffer | undefined;
  /** In key order; what changes while it is read is not seen. */
  entries(range?: ByteRange): Iterable<readonly [Buffer, Buffer]>;
  /** Inside a batch only. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Inside a batch only. */
  remove(key: Uint8Array): void;
}

export function* textEntries<V>(
  db: Rows | undefined,
  { prefix = '', after }: Range = {},
  read: (key: Uint8Array, value: Buffer) => V,
) {
  const behind = after === undefined ? null : Buffer.from(after);
  const first = Buffer.from(prefix);
  const start = behind && behind.compare(first) > 0 ? behind : first;
  for (const { key, value } of db?.getRange(start.length > 0 ? { start } : {}) ?? []) {
    const text = Buffer.from(key).toString();
    if (!text.startsWith(prefix)) return;
    if (text !== after) yield [text, read(key, value)] as const;
  }
}

export function* byteEntries(
  db: Rows | undefined,
  range: ByteRange | undefined,
  read: (key: Uint8Array, value: Buffer) => Buffer,
) {
  const { from, to, backwards = false } = range ?? {};
  const options = backwards
    ? {
        reverse: true,
        ...(to ? { start: to, exclusiveStart: true } : {}),
        ...(from ? { end: from, inclusiveEnd: true } : {}),
      }
    : { ...(from ? { start: from } : {}), ...(to ? { end: to } : {}) };
  for (const { key, value } of db?.getRange(options) ?? [])
    yield [key as Buffer, read(key, value)] as const;
}
