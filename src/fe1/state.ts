// Session state as bytes: docs/protocols/fe1.md §11.3. What seals them at rest is the store's matter.

import { FleximError, isFleximError } from '../lib/errors.ts';
import { decode, encode } from '../wire/msgpack.ts';
import { bin, integer, list, type Shape, struct } from '../wire/shape.ts';
import { MAX_CHAINS, MAX_GEN, MAX_STORED } from './constants.ts';
import type { Session } from './ratchet.ts';

const VERSION = 1;
const U32 = integer(0, 0xffff_ffff);
const key = bin(32);

const flag: Shape<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value;
  throw new FleximError('malformed', `${path}: want true or false`);
};
const nullable =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (value, path) =>
    value === null ? null : shape(value, path);
const pair = (size: number) => struct({ publicKey: bin(size), privateKey: key });
const chainShape = struct({
  hk: key,
  keys: list(struct({ n: U32, mk: key, at: integer(0) }), MAX_STORED),
});

const fields = {
  sid: key,
  h1: bin(64),
  gen: integer(0, MAX_GEN - 1),
  initiator: flag,
  init: nullable(bin(1252)),
  peerX: key,
  peerE: key,
  peerInstall: bin(16),
  DHs: pair(32),
  DHr: nullable(key),
  RK: key,
  CKs: nullable(key),
  CKr: nullable(key),
  Ns: U32,
  Nr: U32,
  PN: U32,
  HKs: nullable(key),
  HKr: nullable(key),
  NHKs: key,
  NHKr: key,
  pending: flag,
  kemSelf: nullable(pair(1216)),
  kemPeer: nullable(bin(1216)),
  kemCt: nullable(bin(1120)),
  since: U32,
  skipped: list(chainShape, MAX_CHAINS + 1),
} satisfies Readonly<Record<keyof Session, Shape<unknown>>>;
const shape: Shape<Session> = struct(fields);
const names = Object.keys(fields) as (keyof Session)[];

/** The same bytes for the same session, however its value was put together. */
export function encodeSession(session: Session): Uint8Array {
  const ordered = Object.fromEntries(names.map((name) => [name, session[name]]));
  return encode([VERSION, ordered]).slice();
}

/** Throws `state-version` for one of a later version, `state-damaged` for what is no session. */
export function decodeSession(bytes: Uint8Array): Session {
  let value: unknown;
  try {
    value = decode(new Uint8Array(bytes)); // the session is views of this copy
  } catch (error) {
    throw isFleximError(error, 'malformed') ? damaged() : error;
  }
  if (!Array.isArray(value) || value.length !== 2) throw damaged();
  if (value[0] !== VERSION)
    throw Number.isSafeInteger(value[0])
      ? new FleximError('state-version', 'this session was written by another version of flexim')
      : damaged();
  try {
    return shape(value[1], 'session');
  } catch (error) {
    throw isFleximError(error, 'malformed') ? damaged() : error;
  }
}

function damaged(): FleximError {
  return new FleximError('state-damaged', 'a stored session is damaged');
}
