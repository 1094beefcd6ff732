// H and KDF: BLAKE2b with a length-prefixed label in front, so that no two uses meet.

import { concat, utf8 } from '../lib/bytes.ts';
import { HASH_BYTES, hash } from './sodium.ts';

/** 64 bytes of BLAKE2b over label and data. */
export function H(label: string, ...data: readonly Uint8Array[]): Uint8Array {
  return hash(HASH_BYTES, concat(prefix(label), ...data), null);
}

/** 64 bytes derived from a key of 32 or 64 bytes, for the purpose that label and data name. */
export function KDF(key: Uint8Array, label: string, ...data: readonly Uint8Array[]): Uint8Array {
  if (key.length !== 32 && key.length !== 64) throw new TypeError('a KDF key has 32 or 64 bytes');
  return hash(HASH_BYTES, concat(prefix(label), ...data), key);
}

function prefix(label: string): Uint8Array {
  const text = utf8(label);
  if (text.length < 1 || text.length > 255) throw new TypeError('a label has 1 to 255 bytes');
  return concat(Uint8Array.of(text.length), text);
}
