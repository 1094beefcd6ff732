// The Flexim wire: docs/protocols/flexim.md §2, §3 and §6.
//
//   hello    a4 46 4c 45 58                      client to relay, once
//   frame    u8 type | u16 length | msgpack      both ways, ever after
//
//   0 Auth          {date, challenge, last_seen}           each sealed; relay to client
//   1 AuthResponse  {challenge, nonce?, invite?}           each sealed; client to relay
//   2 Command       {cmd, payload}                         both ways
//   3 Message       {to, from, flags, date, msg}           both ways; the relay reads `to` alone
//   4 Roster        {users}                                relay to client
//   5 User          {aliases, key, last_seen, proof?}      relay to client
//   6 Status        {status, payload}                      relay to client

import { FleximError } from '../../lib/errors.ts';
import { STRANGER_BODY } from '../../relay/limits.ts';
import { codec, type DatumOf } from '../../wire/datum.ts';
import { type Delimiter, lengthPrefixed, NEED_MORE } from '../../wire/frames.ts';
import { malformed, skip, unsigned } from '../../wire/msgpack.ts';
import {
  bin,
  byteArray,
  integer,
  list,
  optional,
  type Shape,
  struct,
  text,
} from '../../wire/shape.ts';

export const HELLO = Uint8Array.of(0xa4, 0x46, 0x4c, 0x45, 0x58);
export const FRAME_HEAD = 3;
export const MAX_BODY = 0xffff;
export const MESSAGE = 3;

const sealed = bin();
const user = {
  aliases: list(text()),
  key: byteArray(32),
  last_seen: integer(),
  proof: optional(text()),
};
const envelope: Shape<string | Uint8Array> = (value, path) =>
  value instanceof Uint8Array ? value : text()(value, path);

export const DATUMS = {
  Auth: { tag: 0, fields: { date: sealed, challenge: sealed, last_seen: sealed } },
  AuthResponse: {
    tag: 1,
    fields: { challenge: sealed, nonce: optional(sealed), invite: optional(sealed) },
  },
  Command: { tag: 2, fields: { cmd: text(), payload: list(text()) } },
  Message: {
    tag: MESSAGE,
    fields: {
      to: text(),
      from: optional(text()),
      flags: optional(list(text())),
      date: optional(integer()),
      msg: envelope,
    },
  },
  Roster: { tag: 4, fields: { users: list(struct(user)) } },
  User: { tag: 5, fields: user },
  Status: { tag: 6, fields: { status: integer(-128, 127), payload: text() } },
} as const;

export type Datums = typeof DATUMS;
export type DatumName = keyof Datums;
export type AuthResponse = DatumOf<Datums, 'AuthResponse'>;
export type User = DatumOf<Datums, 'User'>;
export type Status = DatumOf<Datums, 'Status'>;
export type Command = DatumOf<Datums, 'Command'>;
export type Message = DatumOf<Datums, 'Message'>;

export const datums = codec(DATUMS);

/** A whole frame. Throws `frame-too-large` for a body over 65,535 bytes; it never wraps. */
export function encodeFrame<N extends DatumName>(name: N, datum: DatumOf<Datums, N>): Buffer {
  const body = datums.pack(name, datum);
  if (body.length > MAX_BODY)
    throw new FleximError(
      'frame-too-large',
      `a ${name} of ${body.length} bytes does not fit a frame; the limit is ${MAX_BODY}`,
    );
  const frame = Buffer.allocUnsafe(FRAME_HEAD + body.length);
  frame[0] = DATUMS[name].tag;
  frame.writeUInt16BE(body.length, 1);
  frame.set(body, FRAME_HEAD);
  return frame;
}

/** For what is kept: bin values are views of memory that is used again. */
export function copied<T extends object>(datum: T): T {
  const entries = Object.entries(datum).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? value.slice() : value,
  ]);
  return Object.fromEntries(entries) as T;
}

export const frameDelimiter: Delimiter = lengthPrefixed({
  tag: 1,
  size: 2,
  order: 'big',
  max: MAX_BODY,
});

/** Before login: a head whose body would be too long comes alone, and its body is not gathered. */
export const strangerDelimiter: Delimiter = (bytes, start, end) => {
  const stop = frameDelimiter(bytes, start, end);
  return stop !== NEED_MORE && stop - start > FRAME_HEAD + STRANGER_BODY
    ? start + FRAME_HEAD
    : stop;
};

// Made once: a stack for each would cost a flooded relay more than reading the hello.
const NO_CLIENT = new FleximError('protocol-violation', 'this is no Flexim client');

/** The hello, refused at the first byte that differs (§3.1). */
export const helloDelimiter: Delimiter = (bytes, start, end) => {
  const known = Math.min(end - start, HELLO.length);
  for (let i = 0; i < known; i++) if (bytes[start + i] !== HELLO[i]) throw NO_CLIENT;
  return known === HELLO.length ? start + known : NEED_MORE;
};

/** Where the value of `to` lies in the bytes last looked at by `findTo`. */
export const found = { start: 0, end: 0 };

/**
 * Finds the first `to` of a Message body in `bytes[start..end)` without decoding the rest (§6.1), and
 * leaves its bytes' place in `found`. Throws `malformed` when there is none up to the end of it.
 */
export function findTo(bytes: Uint8Array, start: number, end: number): void {
  if (start >= end) throw malformed('the Message is empty');
  const head = bytes[start] as number;
  if (head === 0xdc || head === 0xdd || (head & 0xf0) === 0x90) {
    const { at, count } = containerHead(bytes, start, end);
    if (count === 0) throw malformed('to: want a text');
    readText(bytes, at, end);
    return;
  }
  if (head !== 0xde && head !== 0xdf && (head & 0xf0) !== 0x80)
    throw malformed('the Message: want a map');
  let { at, count } = containerHead(bytes, start, end);
  for (; count > 0; count--) {
    // The common case, `to` as a two-letter fixstr, is compared without a call.
    const isTo =
      (bytes[at] === 0xa2 && bytes[at + 1] === 0x74 && bytes[at + 2] === 0x6f && at + 3 <= end) ||
      isKeyTo(bytes, at, end);
    at = skip(bytes, at, end);
    if (isTo) {
      readText(bytes, at, end);
      return;
    }
    at = skip(bytes, at, end);
  }
  throw malformed('to: want a text');
}

function containerHead(bytes: Uint8Array, start: number, end: number) {
  const head = bytes[start] as number;
  if (head < 0xa0) return { at: start + 1, count: head & 0x0f };
  const width = head & 1 ? 4 : 2;
  if (start + 1 + width > end) throw malformed('the bytes end inside a length');
  return { at: start + 1 + width, count: unsigned(bytes, start + 1, width) };
}

/** A key may be written as str of any width. */
function isKeyTo(bytes: Uint8Array, at: number, end: number): boolean {
  const head = at < end ? (bytes[at] as number) : 0;
  const width = head === 0xd9 ? 1 : head === 0xda ? 2 : head === 0xdb ? 4 : 0;
  const from = at + 1 + width;
  if (width === 0 || from + 2 > end || unsigned(bytes, at + 1, width) !== 2) return false;
  return bytes[from] === 0x74 && bytes[from + 1] === 0x6f;
}

function readText(bytes: Uint8Array, at: number, end: number): void {
  const head = at < end ? (bytes[at] as number) : 0;
  let width: 0 | 1 | 2 | 4 = 0;
  if (head === 0xd9 || head === 0xc4) width = 1;
  else if (head === 0xda || head === 0xc5) width = 2;
  else if (head === 0xdb || head === 0xc6) width = 4;
  else if ((head & 0xe0) !== 0xa0) throw malformed('to: want a text');
  if (at + 1 + width > end) throw malformed('the bytes end inside a length');
  const length = width === 0 ? head & 0x1f : unsigned(bytes, at + 1, width);
  found.start = at + 1 + width;
  found.end = found.start + length;
  if (found.end > end) throw malformed('a length goes past the end');
}
