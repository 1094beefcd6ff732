// msgpack with our limits: docs/protocols/flexim.md §2. One Encoder and one Decoder serve everybody
// (encoding is 1.6 to 2.7 times as fast as with the library's functions; bench/datums.ts). `measure`
// walks the bytes before any value is made, so that depth, lengths and the end are known to be good
// when memory is spent.

import { isUtf8 } from 'node:buffer';
import { Decoder, Encoder } from '@msgpack/msgpack';
import { FleximError } from '../lib/errors.ts';

export const MAX_DEPTH = 16;

const encoder = new Encoder({ ignoreUndefined: true, maxDepth: MAX_DEPTH + 1 });
// Keys that are no strings are unknown keys like any other. (`__proto__` the library refuses.)
const mapKeyConverter = (key: unknown): string => (typeof key === 'string' ? key : '');
const decoder = new Decoder({ mapKeyConverter });

/** The bytes of a value; valid until the next call, so copy what is kept. */
export function encode(value: unknown): Uint8Array {
  return encoder.encodeSharedRef(value);
}

/**
 * A value from the whole of `bytes`. Throws `malformed`. bin values are views of `bytes`, and no
 * Buffers, whose `slice` makes no copy. Confessed: the library drops a U+FEFF that begins a text of
 * more than 200 bytes.
 */
export function decode(bytes: Uint8Array): unknown {
  const end = measure(bytes, 0, bytes.length);
  if (end !== bytes.length) throw malformed(`${bytes.length - end} bytes behind the value`);
  try {
    return decoder.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : 'no msgpack', error);
  }
}

/** int64 at full width (0xd3), so that the size does not tell the value. */
export function int64(value: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = 0xd3;
  new DataView(bytes.buffer).setBigInt64(1, BigInt(value));
  return bytes;
}

/** Where the value at `start` ends, its structure and its texts checked. Throws `malformed`. */
export function measure(bytes: Uint8Array, start: number, end: number): number {
  return walk(bytes, start, end, true);
}

/** Like `measure`, but texts need not be UTF-8: for what is passed over, not read. */
export function skip(bytes: Uint8Array, start: number, end: number): number {
  return walk(bytes, start, end, false);
}

// How many bytes follow the head bytes 0xc0 to 0xd8.
const V = -1; // carries a length, as 0xd9 and up do
const NEVER = -2;
const FOLLOWING = [0, NEVER, 0, 0, V, V, V, V, V, V, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17];
const SHORT_TEXT = 64;
const open: number[] = new Array(MAX_DEPTH).fill(0); // values still to come, for each open container

function walk(bytes: Uint8Array, start: number, end: number, strict: boolean): number {
  let at = start;
  let depth = 0;
  let left = 1; // values still to come in the innermost container
  for (;;) {
    while (left === 0) {
      if (depth === 0) return at;
      left = open[--depth] as number;
    }
    left--;
    if (at >= end) throw malformed('the bytes end inside a value');
    const head = bytes[at++] as number;
    let inside = -1; // values inside, for a container
    let length = 0; // bytes inside, for anything else
    let text = false;
    if (head < 0x80 || head >= 0xe0) continue;
    if (head < 0x90) inside = (head & 0x0f) * 2;
    else if (head < 0xa0) inside = head & 0x0f;
    else if (head < 0xc0) {
      length = head & 0x1f;
      text = true;
    } else {
      const following = FOLLOWING[head - 0xc0] ?? V;
      if (following === NEVER) throw malformed('0xc1 is no msgpack');
      if (following >= 0) length = following;
      else {
        const width = lengthWidth(head);
        if (at + width > end) throw malformed('the bytes end inside a length');
        const size = unsigned(bytes, at, width);
        at += width;
        if (head >= 0xde) inside = size * 2;
        else if (head >= 0xdc) inside = size;
        else {
          length = head >= 0xc7 && head <= 0xc9 ? size + 1 : size; // ext has a type byte more
          text = head >= 0xd9;
        }
      }
    }
    if (inside >= 0) {
      if (inside > end - at) throw malformed('it holds more values than bytes');
      if (depth === MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
      open[depth++] = left;
      left = inside;
      continue;
    }
    if (length > end - at) throw malformed('a length goes past the end');
    if (text && strict && !isText(bytes, at, at + length)) throw malformed('a text is not UTF-8');
    at += length;
  }
}

/** Most texts are short and ASCII, and a loop over them is faster than a view for isUtf8. */
function isText(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (end - start <= SHORT_TEXT) while (at < end && (bytes[at] as number) < 0x80) at++;
  return at === end || isUtf8(bytes.subarray(at, end));
}

/** Width of the length field behind head bytes c4-c6 c7-c9 d9-db dc-dd de-df. */
function lengthWidth(head: number): 1 | 2 | 4 {
  if (head >= 0xdc) return head & 1 ? 4 : 2;
  const nth = head >= 0xd9 ? head - 0xd9 : head >= 0xc7 ? head - 0xc7 : head - 0xc4;
  return nth === 0 ? 1 : nth === 1 ? 2 : 4;
}

export function unsigned(bytes: Uint8Array, at: number, width: 1 | 2 | 4): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}

export function malformed(why: string, cause?: unknown): FleximError {
  return new FleximError('malformed', why, cause);
}
