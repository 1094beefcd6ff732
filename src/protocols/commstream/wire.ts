// The records of CommStream, bytes <-> values: docs/protocols/commstream.md §2 and §3.
//
//   record        u8 type | u32 length | body                   big-endian
//   REQ_ENCRYPT   "CS1" | u8 n + name | 32 random | 32 EKc | 1216 X-Wing public
//   ACK_ENCRYPT   from the server: an offer of what was asked; from the client: 32 confirm
//   CHG_ENCRYPT   an offer of something else
//   INV_ENCRYPT   empty
//   offer         u8 n + name | 32 random | 32 S | 32 EKs | 1120 ct, x25519-xwing-1 only | 32 confirm
//   SEALED        24 header, the first one only | crypto_secretstream of (u8 inner type | body)

import { KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES, KEY_BYTES } from '../../crypto/sodium.ts';
import { concat, NO_BYTES, u32, view } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import { type Delimiter, lengthPrefixed } from '../../wire/frames.ts';
import { isHybrid } from './schemes.ts';

export const TYPE = {
  request: 1,
  ack: 2,
  change: 3,
  invalid: 4,
  data: 5,
  close: 6,
  sealed: 7,
} as const;

export const HEAD = 5;
export const MAX_RECORD = 1024 * 1024; // a body
export const EARLY_RECORD = 8 * 1024; // a body, until the stream is established
export const MAX_MESSAGE = 1_048_000;
export const RANDOM_BYTES = 32;
export const CONFIRM_BYTES = 32;
const MAGIC = 'CS1';
const MAX_NAME = 255;

/** A record as it came; the memory is the reader's own. */
export interface Received {
  readonly type: number;
  readonly body: Buffer;
  /** Head and body. */
  readonly bytes: Buffer;
}

export function records(max: number): Delimiter {
  return lengthPrefixed({ tag: 1, size: 4, order: 'big', max });
}

export function encodeRecord(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat(Uint8Array.of(type), u32(length), ...parts);
}

/** A copy of one record. */
export function receive(record: Uint8Array): Received {
  const bytes = Buffer.from(record);
  return { type: bytes[0] as number, body: bytes.subarray(HEAD), bytes };
}

export interface Request {
  readonly name: string;
  readonly random: Uint8Array;
  readonly exchange: Uint8Array;
  readonly kem: Uint8Array;
}

export function encodeRequest({ name, random, exchange, kem }: Request): Uint8Array {
  return encodeRecord(TYPE.request, ascii(MAGIC), named(name), random, exchange, kem);
}

/** Null for a version that this one does not know. */
export function decodeRequest(body: Buffer): Request | null {
  if (body.toString('latin1', 0, MAGIC.length) !== MAGIC) return null;
  const take = fields(body, MAGIC.length);
  const name = take.name();
  const request = {
    name,
    random: take.bytes(RANDOM_BYTES),
    exchange: take.bytes(KEY_BYTES),
    kem: take.bytes(KEM_PUBLIC_BYTES),
  };
  take.end();
  return request;
}

export interface Offer {
  readonly name: string;
  readonly random: Uint8Array;
  readonly server: Uint8Array;
  readonly exchange: Uint8Array;
  /** Of the hybrid scheme, else empty. */
  readonly ciphertext: Uint8Array;
}

/** The record without its confirm, which its length counts. */
export function encodeOffer(type: number, offer: Offer): Uint8Array {
  const { name, random, server, exchange, ciphertext } = offer;
  const whole = encodeRecord(
    type,
    ...[named(name), random, server, exchange, ciphertext],
    new Uint8Array(CONFIRM_BYTES),
  );
  return whole.subarray(0, whole.length - CONFIRM_BYTES);
}

/** The name that an offer begins with. */
export function offeredName(body: Buffer): string {
  return fields(body, 0).name();
}

/** The offer of a scheme that we know, so that its length is known too. */
export function decodeOffer(body: Buffer): Offer & { readonly confirm: Uint8Array } {
  const take = fields(body, 0);
  const name = take.name();
  const offer = {
    name,
    random: take.bytes(RANDOM_BYTES),
    server: take.bytes(KEY_BYTES),
    exchange: take.bytes(KEY_BYTES),
    ciphertext: take.bytes(isHybrid(name) ? KEM_CIPHERTEXT_BYTES : 0),
    confirm: take.bytes(CONFIRM_BYTES),
  };
  take.end();
  return offer;
}

export const INVALID = encodeRecord(TYPE.invalid, NO_BYTES);

/** What the client's ACK_ENCRYPT begins with. */
export const ACK_HEAD = concat(Uint8Array.of(TYPE.ack), u32(CONFIRM_BYTES));

export function badHandshake(why: string, cause?: unknown): FleximError {
  return new FleximError('bad-handshake', `the encryption could not be negotiated: ${why}`, cause);
}

export function unsupported(why: string): FleximError {
  return new FleximError('unsupported-encryption', why);
}

function named(name: string): Uint8Array {
  const bytes = ascii(name);
  if (bytes.length < 1 || bytes.length > MAX_NAME)
    throw new RangeError('a name has 1 to 255 bytes');
  return concat(Uint8Array.of(bytes.length), bytes);
}

function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** Takes a body apart; what is missing, or too much, is no handshake. */
function fields(body: Buffer, from: number) {
  let at = from;
  const bytes = (length: number): Uint8Array => {
    if (body.length - at < length) throw badHandshake('a message is too short');
    at += length;
    return new Uint8Array(view(body.subarray(at - length, at)));
  };
  const name = (): string => {
    const [length = 0] = bytes(1);
    if (length === 0) throw badHandshake('a message names no scheme');
    return Buffer.from(bytes(length)).toString('latin1');
  };
  const end = (): void => {
    if (at !== body.length) throw badHandshake('a message is too long');
  };
  return { bytes, name, end };
}
