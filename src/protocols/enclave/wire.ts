// The wire of Enclave: docs/protocols/enclave.md §2 and §3.
//
//   packet = u32 length, big-endian | a JSON object in UTF-8
//
//   attribute        value                          who sends it
//   alias            text, 1 to 128                 handshake, and when it changes
//   status           integer; 0 offline … 3 busy    handshake, and when it changes
//   status-message   text, at most 1,024            handshake, and when it changes
//   message          text                           somebody who has no key, or writes to such a one
//   timestamp        Unix seconds                   every packet of ours; others may leave it out
//   flexim-key       64 hex digits                  handshake of one who encrypts
//   fe1-spr          base64url                      with flexim-key, and when it changes
//   fe1              base64url                      an FE1 envelope, opaque here

import { parseKey } from '../../lib/address.ts';
import { fromBase64url, toBase64url } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import { type Delimiter, lengthPrefixed } from '../../wire/frames.ts';
import { decodeJson, encodeJson } from '../../wire/json.ts';
import { malformed } from '../../wire/msgpack.ts';
import { integer, type Of, type Shape } from '../../wire/shape.ts';

export const DEFAULT_PORT = 7776;
export const MAX_PACKET = 2 ** 20;
/** Of one who was not accepted yet. */
export const MAX_HANDSHAKE = 2 ** 16;
/** Of FE1 and one byte more than it uses: what fits here fits everywhere. */
export const MAX_ENVELOPE = 65_535;
const MAX_SPR = 16_384;
const HEAD = 4;

export const STATUS = { offline: 0, available: 1, away: 2, busy: 3 } as const;

const words =
  (least: number, most: number): Shape<string> =>
  (value, path) => {
    if (typeof value !== 'string') throw malformed(`${path}: want a text`);
    if (value.length >= least && value.length <= most) return value;
    throw malformed(`${path}: want ${least} to ${most} characters`);
  };
const key: Shape<string> = (value, path) => {
  const hex = typeof value === 'string' ? parseKey(value) : null;
  if (hex !== null) return hex;
  throw malformed(`${path}: want 64 hex digits`);
};
const blob =
  (most: number): Shape<Uint8Array> =>
  (value, path) => {
    const bytes =
      typeof value === 'string' && value.length <= Math.ceil((most * 4) / 3)
        ? fromBase64url(value)
        : null;
    if (bytes !== null && bytes.length > 0) return bytes;
    throw malformed(`${path}: want base64url of at most ${most} bytes`);
  };

const ATTRIBUTES = {
  alias: words(1, 128),
  status: integer(0),
  'status-message': words(0, 1_024),
  message: words(0, MAX_PACKET),
  timestamp: integer(),
  'flexim-key': key,
  'fe1-spr': blob(MAX_SPR),
  fe1: blob(MAX_ENVELOPE),
};
type Attributes = typeof ATTRIBUTES;
const SHAPES = new Map<string, Shape<unknown>>(Object.entries(ATTRIBUTES));

export type Packet = { readonly [N in keyof Attributes]?: Of<Attributes[N]> };
/** What others put in beside that, for whoever knows what it means; null: nothing. */
export type More = Readonly<Record<string, unknown>> | null;

export const packetDelimiter = (max: number): Delimiter =>
  lengthPrefixed({ tag: 0, size: 4, order: 'big', max });

/** The packet bytes[start..end), with its head. Throws `malformed`. */
export function decodePacket(
  bytes: Buffer,
  start = 0,
  end = bytes.length,
): { readonly packet: Packet; readonly more: More } {
  const value = decodeJson(bytes, start + HEAD, end);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('a packet is an object');
  const packet: Record<string, unknown> = {};
  let more: Record<string, unknown> | null = null;
  for (const [name, given] of Object.entries(value)) {
    const shape = SHAPES.get(name);
    if (shape) packet[name] = shape(given, name);
    else {
      more ??= Object.create(null) as Record<string, unknown>; // __proto__ is a name like any other
      more[name] = given;
    }
  }
  return { packet, more };
}

/** A packet with its head. Throws `frame-too-large`. */
export function encodePacket(packet: Packet): Buffer {
  const { fe1, 'fe1-spr': spr } = packet;
  const shown =
    fe1 || spr
      ? {
          ...packet,
          ...(spr && { 'fe1-spr': toBase64url(spr) }),
          ...(fe1 && { fe1: toBase64url(fe1) }),
        }
      : packet;
  const text = encodeJson(shown);
  const length = Buffer.byteLength(text);
  if (length > MAX_PACKET)
    throw new FleximError(
      'frame-too-large',
      `a packet of ${length} bytes; the limit is ${MAX_PACKET}`,
    );
  const bytes = Buffer.allocUnsafe(HEAD + length);
  bytes.writeUInt32BE(length, 0);
  bytes.write(text, HEAD);
  return bytes;
}
