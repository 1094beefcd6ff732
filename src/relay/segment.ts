// A row of the queue: Messages to one recipient, in a row by number, written in one commit. Keys sort by
// recipient and number, and say how many there are, so that what is done with rows needs no values.
//
//   key      recipient 32 | first number u48 | count u16
//   value    version u8 | time u32 | count × (sender's tag 8 | length u32) | frames
//
// The frames are as they came, and in one piece: many are delivered with one copy.

import { FleximError } from '../lib/errors.ts';

export const KEY_BYTES = 32;
export const TAG_BYTES = 8;
export const MAX_COUNT = 0xffff;
const NUMBER_BYTES = 6;
const ROW_KEY_BYTES = KEY_BYTES + NUMBER_BYTES + 2;
const VERSION = 1;
const HEAD = 5;
const ENTRY = TAG_BYTES + 4;
const NOTHING = Buffer.alloc(0);

/** One Message that is to be written; its frame is block[start..end). */
export interface Entry {
  readonly number: number;
  readonly tag: Buffer;
  readonly block: Buffer;
  readonly start: number;
  readonly end: number;
}

export interface Row {
  readonly first: number;
  readonly count: number;
}

export function rowKey(recipient: Uint8Array, first: number, count: number): Buffer {
  const key = Buffer.allocUnsafe(ROW_KEY_BYTES);
  key.set(recipient);
  key.writeUIntBE(first, KEY_BYTES, NUMBER_BYTES);
  key.writeUInt16BE(count, KEY_BYTES + NUMBER_BYTES);
  return key;
}

/** The first and the last number of a row's key, without its recipient. */
export function parseRowKey(key: Buffer): Row {
  return {
    first: key.readUIntBE(KEY_BYTES, NUMBER_BYTES),
    count: key.readUInt16BE(KEY_BYTES + NUMBER_BYTES),
  };
}

/** The entries are consecutive by number. Frames that lie side by side are copied in one go. */
export function encodeSegment(time: number, entries: readonly Entry[]): Buffer {
  let size = HEAD + ENTRY * entries.length;
  for (const { start, end } of entries) size += end - start;
  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = VERSION;
  bytes.writeUInt32BE(time, 1);
  let at = HEAD;
  let frameAt = HEAD + ENTRY * entries.length;
  let block: Buffer = NOTHING; // what lies side by side so far: block[from..to)
  let from = 0;
  let to = 0;
  for (const entry of entries) {
    bytes.set(entry.tag, at);
    bytes.writeUInt32BE(entry.end - entry.start, at + TAG_BYTES);
    at += ENTRY;
    if (entry.block !== block || entry.start !== to) {
      frameAt += block.copy(bytes, frameAt, from, to);
      block = entry.block;
      from = entry.start;
    }
    to = entry.end;
  }
  block.copy(bytes, frameAt, from, to);
  return bytes;
}

export class Segment {
  readonly first: number;
  readonly count: number;
  readonly #bytes: Buffer;

  constructor(key: Buffer, bytes: Buffer) {
    const { first, count } = parseRowKey(key);
    this.first = first;
    this.count = count;
    this.#bytes = bytes;
    if (bytes[0] !== VERSION)
      throw new FleximError('store-version', 'a row of the queue is of another version of flexim');
  }

  get last(): number {
    return this.first + this.count - 1;
  }

  get time(): number {
    return this.#bytes.readUInt32BE(1);
  }

  tag(i: number): Buffer {
    const at = HEAD + ENTRY * i;
    return this.#bytes.subarray(at, at + TAG_BYTES);
  }

  length(i: number): number {
    return this.#bytes.readUInt32BE(HEAD + ENTRY * i + TAG_BYTES);
  }

  get frames(): Buffer {
    return this.#bytes.subarray(HEAD + ENTRY * this.count);
  }
}
