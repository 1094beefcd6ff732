// What the processes of one profile say to each other over its socket: the owner, who has store and
// connection, and his guests.
//
//   frame = tag u8 | length u32 big-endian | msgpack of a map with the fields of the table
//
//   tag  from   datum    fields
//    1   guest  hello    house, verbs, key, relay        first, within 10 s
//    2   owner  welcome  house, pid, relay               then he is in; every event follows
//    3   owner  bye      code, message                   instead of a welcome, and then the end
//    4   guest  ask      n, verb, args                   args: msgpack of a list, values.ts
//    5   owner  part     n, bytes                        of an answer that is longer than one frame
//    6   owner  answer   n, bytes                        the rest of it: msgpack of what the verb gave
//    7   owner  refusal  n, code, message, seconds       what the verb threw; code null: no FleximError
//    8   owner  event    bytes                           msgpack of an event, values.ts
//    9   guest  ping                                     whether the owner still runs …
//   10   owner  pong                                     … he does
//
// Each `ask` is answered once, in any order. Neither side reads on while more than its limits waits.
// `hello`, `bye` and the frame itself never change, so that two versions can tell each other apart.

import { createHash } from 'node:crypto';
import { codec, type DatumOf } from '../../wire/datum.ts';
import { lengthPrefixed } from '../../wire/frames.ts';
import { malformed } from '../../wire/msgpack.ts';
import { bin, integer, type Shape, text } from '../../wire/shape.ts';
import { VERBS } from './verbs.ts';

/** Raise it when a datum, or what a verb takes or gives, changes. New verbs show by themselves. */
export const HOUSE = 3;
export const VERBS_MARK = createHash('sha256')
  .update(Object.keys(VERBS).sort().join())
  .digest('hex')
  .slice(0, 16);

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null || value === undefined ? null : shape(value, path));
}

const count = integer(0);
const code = text(64);
const words = text(10_000);
const relay = text(1_000); // as an address

const TABLE = {
  hello: {
    tag: 1,
    fields: { house: count, verbs: text(64), key: text(64), relay: nullable(relay) },
  },
  welcome: { tag: 2, fields: { house: count, pid: count, relay } },
  bye: { tag: 3, fields: { code, message: words } },
  ask: { tag: 4, fields: { n: count, verb: text(64), args: bin() } },
  part: { tag: 5, fields: { n: count, bytes: bin() } },
  answer: { tag: 6, fields: { n: count, bytes: bin() } },
  refusal: {
    tag: 7,
    fields: { n: count, code: nullable(code), message: words, seconds: nullable(count) },
  },
  event: { tag: 8, fields: { bytes: bin() } },
  ping: { tag: 9, fields: {} },
  pong: { tag: 10, fields: {} },
} as const;

const house = codec(TABLE);
const HEAD = 5;

export type HouseName = keyof typeof TABLE;
export type HouseDatum<N extends HouseName> = DatumOf<typeof TABLE, N>;
export type Hello = HouseDatum<'hello'>;
export type Welcome = HouseDatum<'welcome'>;

export const cut = (max: number) => lengthPrefixed({ tag: 1, size: 4, order: 'big', max });

export function frame<N extends HouseName>(name: N, datum: HouseDatum<N>): Buffer {
  const body = house.pack(name, datum);
  const bytes = Buffer.allocUnsafeSlow(HEAD + body.length);
  bytes[0] = TABLE[name].tag;
  bytes.writeUInt32BE(body.length, 1);
  bytes.set(body, HEAD);
  return bytes;
}

/** The name of a frame's datum, and its bytes, which are the reader's. Throws `malformed`. */
export function opened(bytes: Buffer, start: number, end: number) {
  const name = house.nameOf(bytes[start] as number);
  if (!name) throw malformed('an unknown tag');
  return { name, body: bytes.subarray(start + HEAD, end) };
}

/** Throws `malformed`. */
export function unpack<N extends HouseName>(name: N, body: Buffer): HouseDatum<N> {
  return house.unpack(name, body);
}
