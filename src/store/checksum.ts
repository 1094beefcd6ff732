// Every value of the store begins with a CRC-32 over its key and itself: a disk that gives back other
// bytes, or the bytes of another row, is noticed before anybody believes them.

import { crc32 } from 'node:zlib';
import { damaged } from './failures.ts';

const SUM = 4;

export function sealValue(key: Uint8Array, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(SUM + value.length);
  sealed.set(value, SUM);
  sealed.writeUInt32BE(crc32(value, crc32(key)));
  return sealed;
}

export function isIntact(key: Uint8Array, sealed: Buffer): boolean {
  if (sealed.length < SUM) return false;
  return crc32(sealed.subarray(SUM), crc32(key)) === sealed.readUInt32BE();
}

/** The value behind its checksum. */
export function unseal(sealed: Buffer): Buffer {
  return sealed.subarray(SUM);
}

/** The value; throws `store-damaged` when it is not what was put there. */
export function openValue(key: Uint8Array, sealed: Buffer, path: string, remedy = ''): Buffer {
  if (!isIntact(key, sealed)) throw damaged(path, 'a value fails its checksum', remedy);
  return unseal(sealed);
}
