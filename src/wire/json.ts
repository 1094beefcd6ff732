// JSON with our limits: depth and UTF-8 are known to be good before a value is made of the bytes. A key
// that stands twice means its last value, as everywhere; what numbers and texts may be is for shape.ts.

import { isUtf8 } from 'node:buffer';
import { malformed } from './msgpack.ts';

export const MAX_JSON_DEPTH = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A value from the whole of bytes[start..end). Throws `malformed`, which repeats nothing of it. */
export function decodeJson(bytes: Buffer, start = 0, end = bytes.length): unknown {
  const part = bytes.subarray(start, end);
  if (!isUtf8(part)) throw malformed('no UTF-8');
  checkDepth(part);
  const text = part.toString('utf8'); // takes no byte order mark away, so JSON.parse refuses one
  try {
    return JSON.parse(text);
  } catch {
    throw malformed('no JSON');
  }
}

/** One line; a lone surrogate leaves as an escape, so that every value has its UTF-8. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value);
}

/** Goes over texts by their quotes; what is no JSON at all may be told so, or left to JSON.parse. */
function checkDepth(bytes: Buffer): void {
  if (bytes.length <= MAX_JSON_DEPTH) return; // each level takes a byte
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = endOfText(bytes, at + 1);
      if (at < 0) return;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) throw malformed(`nested deeper than ${MAX_JSON_DEPTH}`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

/** Where the quote is that ends a text, or -1. */
function endOfText(bytes: Buffer, from: number): number {
  for (let at = from; ; at++) {
    at = bytes.indexOf(QUOTE, at);
    if (at < 0) return -1;
    let escapes = 0;
    while (at - escapes > from && bytes[at - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
}
