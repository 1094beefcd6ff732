// Encrypted fields: docs/protocols/flexim.md §4. One rule for every type of value.

import { type KeyPair, openSealed, seal } from '../../crypto/sodium.ts';
import { isFleximError } from '../../lib/errors.ts';
import { decode, encode, int64 } from '../../wire/msgpack.ts';

/** Seals the msgpack of a text; null when the recipient's key is weak. */
export function sealText(value: string, recipient: Uint8Array): Uint8Array | null {
  return seal(encode(value), recipient);
}

/** Seals a number as int64, whatever its size; null when the recipient's key is weak. */
export function sealInt64(value: number, recipient: Uint8Array): Uint8Array | null {
  return seal(int64(value), recipient);
}

/** The value in a sealed field; undefined when it does not open or holds no msgpack. */
export function openField(field: Uint8Array, keys: KeyPair): unknown {
  const bytes = openSealed(field, keys);
  if (!bytes) return undefined;
  try {
    return decode(bytes);
  } catch (error) {
    if (isFleximError(error, 'malformed')) return undefined;
    throw error;
  }
}
