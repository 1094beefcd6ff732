// Every value of the store begins with a CRC-32 over its key and itself: a disk that gives back other
// bytes, or the bytes of another row, is noticed before anybody believes them.

import { crc32 } from 'node:zlib';
import { FleximError } from '../lib/errors.ts';

const SUM = 4;

export function sealValue(key: string | Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(SUM + value.length);
  sealed.set(value, SUM);
  sealed.writeUInt32BE(crc32(value, crc32(key)));
  return sealed;
}

export function isIntact(key: string | Uint8Array, sealed: Buffer): boolean {
  if (sealed.length < SUM) return false;
  return crc32(sealed.subarray(SUM), crc32(key)) === sealed.readUInt32BE();
}

/** The value; throws `store-damaged` when it is not what was put there. */
export function openValue(key: string | Uint8Array, sealed: Buffer, path: string): Buffer {
  if (!isIntact(key, sealed))
    throw new FleximError(
      'store-damaged',
      `the store ${path} is damaged: a value fails its checksum`,
    );
  return sealed.subarray(SUM);
}
