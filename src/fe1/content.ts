// What is inside an envelope: docs/protocols/fe1.md §8. Unknown types are authentic and ignored.
//
//   00 NOOP  empty                       03 RCPT  1 to 64 ids of 16 bytes
//   01 MSG   {id, date, flags, msg}      04 READ  1 to 64 ids of 16 bytes
//   02 GEN   u32                         05 SIGN  u8: 1 typing, 2 stopped, 3 here, 4 away

import { concat, u32 } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { encode as pack, decode as unpack } from '../wire/msgpack.ts';
import { bin, integer, list, type Of, type Shape, struct, text } from '../wire/shape.ts';
import { MAX_GEN } from './constants.ts';
import type { Plaintext } from './envelope.ts';

export const ID_BYTES = 16;
export const MAX_IDS = 64;
export const SIGNS = ['typing', 'stopped', 'here', 'away'] as const;
export type Sign = (typeof SIGNS)[number];

const anything: Shape<unknown> = (value) => value;
const message = struct({ id: bin(ID_BYTES), date: integer(), flags: list(text()), msg: anything });
export type MessageContent = Of<typeof message>;

export type Content =
  | { readonly kind: 'noop' }
  | { readonly kind: 'message'; readonly message: MessageContent }
  | { readonly kind: 'gen'; readonly gen: number }
  | { readonly kind: 'receipt' | 'read'; readonly ids: readonly Uint8Array[] }
  | { readonly kind: 'sign'; readonly sign: Sign }
  | { readonly kind: 'unknown'; readonly type: number };

export function encodeContent(content: Exclude<Content, { kind: 'unknown' }>): Plaintext {
  switch (content.kind) {
    case 'noop':
      return { type: 0, content: new Uint8Array(0) };
    case 'message': {
      const { id, date, flags, msg } = content.message;
      if (id.length !== ID_BYTES) throw new TypeError('a message id has 16 bytes');
      return { type: 1, content: pack({ id, date, flags, msg }).slice() };
    }
    case 'gen':
      return { type: 2, content: u32(content.gen) };
    case 'receipt':
      return { type: 3, content: joinIds(content.ids) };
    case 'read':
      return { type: 4, content: joinIds(content.ids) };
    case 'sign':
      return { type: 5, content: Uint8Array.of(SIGNS.indexOf(content.sign) + 1) };
  }
}

/** Throws `malformed` for a known type with wrong content; the sender is known by then. */
export function parseContent({ type, content }: Plaintext): Content {
  switch (type) {
    case 0:
      return { kind: 'noop' };
    case 1:
      return { kind: 'message', message: message(unpack(content), '') };
    case 2:
      return { kind: 'gen', gen: parseGen(content) };
    case 3:
      return { kind: 'receipt', ids: splitIds(content) };
    case 4:
      return { kind: 'read', ids: splitIds(content) };
    case 5: {
      const sign = content.length === 1 ? SIGNS[(content[0] as number) - 1] : undefined;
      return sign ? { kind: 'sign', sign } : { kind: 'unknown', type };
    }
    default:
      return { kind: 'unknown', type };
  }
}

function parseGen(content: Uint8Array): number {
  if (content.length !== 4) throw malformed('a generation has 4 bytes');
  const gen = new DataView(content.buffer, content.byteOffset, 4).getUint32(0);
  if (gen >= MAX_GEN) throw malformed('a generation is below 2^31');
  return gen;
}

function joinIds(ids: readonly Uint8Array[]): Uint8Array {
  if (ids.length < 1 || ids.length > MAX_IDS || ids.some((id) => id.length !== ID_BYTES))
    throw new TypeError(`1 to ${MAX_IDS} ids of ${ID_BYTES} bytes`);
  return concat(...ids);
}

function splitIds(content: Uint8Array): readonly Uint8Array[] {
  const count = content.length / ID_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MAX_IDS)
    throw malformed(`1 to ${MAX_IDS} ids of ${ID_BYTES} bytes`);
  return Array.from({ length: count }, (_, i) => content.slice(i * ID_BYTES, (i + 1) * ID_BYTES));
}

function malformed(why: string): FleximError {
  return new FleximError('malformed', why);
}
