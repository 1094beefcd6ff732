// Envelopes and padding: docs/protocols/fe1.md §7.
//
//   INIT  "FE1" 01 | EK 32 | ct 1120 | pbox 24 | idbox 72 | hn 24 | eh 57 | ext | eb
//   MSG   "FE1" 02 | hn 24 | eh 57 | ext 0, 1232 or 1136 | eb
//   eb    sealed: type u8 | content | 80 | 00 …      zeros fill the envelope to the next bucket

import { concat, sameBytes } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import {
  BUCKETS,
  HEADER_NONCE_BYTES,
  INIT_PREFIX_BYTES,
  MAGIC,
  MAX_CONTENT,
  MAX_ENVELOPE,
  SEALED_HEADER_BYTES,
  TYPE_INIT,
  TYPE_MSG,
} from './constants.ts';

const MIN_TAIL = 17;

/** What an envelope carries: a content type (content.ts) and its bytes. */
export interface Plaintext {
  readonly type: number;
  readonly content: Uint8Array;
}

/** The part that a session opens; views of the envelope. */
export interface Body {
  readonly hn: Uint8Array;
  readonly eh: Uint8Array;
  readonly tail: Uint8Array; // ext and eb
}

export interface Init {
  readonly prefix: Uint8Array; // the first 1252 bytes
  readonly EK: Uint8Array;
  readonly ct: Uint8Array;
  readonly pbox: Uint8Array;
  readonly idbox: Uint8Array;
}

export interface Envelope {
  readonly init: Init | null; // null for MSG
  readonly body: Body;
}

/** The parts of an envelope, or null when it is none. */
export function parseEnvelope(bytes: Uint8Array): Envelope | null {
  if (bytes.length > MAX_ENVELOPE || bytes.length < 4) return null;
  if (!sameBytes(bytes.subarray(0, 3), MAGIC)) return null;
  const type = bytes[3];
  if (type !== TYPE_INIT && type !== TYPE_MSG) return null;
  const from = type === TYPE_INIT ? INIT_PREFIX_BYTES : 4;
  const header = from + HEADER_NONCE_BYTES;
  const tail = header + SEALED_HEADER_BYTES;
  if (bytes.length < tail + MIN_TAIL) return null;
  const body = {
    hn: bytes.subarray(from, header),
    eh: bytes.subarray(header, tail),
    tail: bytes.subarray(tail),
  };
  return { init: type === TYPE_INIT ? parseInit(bytes) : null, body };
}

function parseInit(bytes: Uint8Array): Init {
  return {
    prefix: bytes.subarray(0, INIT_PREFIX_BYTES),
    EK: bytes.subarray(4, 36),
    ct: bytes.subarray(36, 1156),
    pbox: bytes.subarray(1156, 1180),
    idbox: bytes.subarray(1180, 1252),
  };
}

const MSG_PREFIX = concat(MAGIC, Uint8Array.of(TYPE_MSG));

export function frameEnvelope(init: Uint8Array | null, rest: Uint8Array): Uint8Array {
  return concat(init ?? MSG_PREFIX, rest);
}

/** type | content | 80 | zeros, so that with `fixed` other bytes the envelope fills a bucket. */
export function pad({ type, content }: Plaintext, fixed: number): Uint8Array {
  if (content.length > MAX_CONTENT)
    throw new FleximError(
      'content-too-large',
      `a message of ${content.length} bytes; the limit is ${MAX_CONTENT}`,
    );
  const needed = fixed + content.length + 2;
  const bucket = BUCKETS.find((size) => size >= needed);
  if (bucket === undefined) throw new TypeError('the largest content fits the largest bucket');
  const padded = new Uint8Array(bucket - fixed);
  padded[0] = type;
  padded.set(content, 1);
  padded[1 + content.length] = 0x80;
  return padded;
}

/** Type and content, or null. The bytes are authentic, so looking for the end leaks nothing. */
export function unpad(padded: Uint8Array): Plaintext | null {
  let end = padded.length - 1;
  while (end > 0 && padded[end] === 0) end--;
  if (end < 1 || padded[end] !== 0x80) return null;
  return { type: padded[0] as number, content: padded.slice(1, end) };
}
