// The slow, obvious twin of measure and skip: recursive, one branch for each format of the spec.

import { isUtf8 } from 'node:buffer';

/** Where the value at `at` ends, or null when it is malformed. */
export function slowMeasure(bytes: Uint8Array, at: number, strict: boolean): number | null {
  try {
    return value(bytes, at, { strict, depth: 0 });
  } catch {
    return null;
  }
}

interface Mode {
  readonly strict: boolean;
  readonly depth: number; // containers around this value
}

function value(bytes: Uint8Array, at: number, mode: Mode): number {
  const head = number(bytes, at, 1);
  const next = at + 1;
  if (head <= 0x7f || head >= 0xe0) return next; // fixint
  if (head <= 0x8f) return values(bytes, next, { ...mode, count: 2 * (head - 0x80) }); // fixmap
  if (head <= 0x9f) return values(bytes, next, { ...mode, count: head - 0x90 }); // fixarray
  if (head <= 0xbf) return text(bytes, next, { ...mode, length: head - 0xa0 }); // fixstr
  switch (head) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return next;
    case 0xc4: // bin
      return raw(bytes, next + 1, number(bytes, next, 1));
    case 0xc5:
      return raw(bytes, next + 2, number(bytes, next, 2));
    case 0xc6:
      return raw(bytes, next + 4, number(bytes, next, 4));
    case 0xc7: // ext
      return raw(bytes, next + 1, number(bytes, next, 1) + 1);
    case 0xc8:
      return raw(bytes, next + 2, number(bytes, next, 2) + 1);
    case 0xc9:
      return raw(bytes, next + 4, number(bytes, next, 4) + 1);
    case 0xcc: // uint8, int8
    case 0xd0:
      return raw(bytes, next, 1);
    case 0xcd: // uint16, int16
    case 0xd1:
      return raw(bytes, next, 2);
    case 0xca: // float32, uint32, int32
    case 0xce:
    case 0xd2:
      return raw(bytes, next, 4);
    case 0xcb: // float64, uint64, int64
    case 0xcf:
    case 0xd3:
      return raw(bytes, next, 8);
    case 0xd4: // fixext: a type byte and 1, 2, 4, 8 or 16 bytes
      return raw(bytes, next, 2);
    case 0xd5:
      return raw(bytes, next, 3);
    case 0xd6:
      return raw(bytes, next, 5);
    case 0xd7:
      return raw(bytes, next, 9);
    case 0xd8:
      return raw(bytes, next, 17);
    case 0xd9: // str
      return text(bytes, next + 1, { ...mode, length: number(bytes, next, 1) });
    case 0xda:
      return text(bytes, next + 2, { ...mode, length: number(bytes, next, 2) });
    case 0xdb:
      return text(bytes, next + 4, { ...mode, length: number(bytes, next, 4) });
    case 0xdc: // array
      return values(bytes, next + 2, { ...mode, count: number(bytes, next, 2) });
    case 0xdd:
      return values(bytes, next + 4, { ...mode, count: number(bytes, next, 4) });
    case 0xde: // map
      return values(bytes, next + 2, { ...mode, count: 2 * number(bytes, next, 2) });
    case 0xdf:
      return values(bytes, next + 4, { ...mode, count: 2 * number(bytes, next, 4) });
    default: // 0xc1
      throw new Error('no msgpack');
  }
}

function number(bytes: Uint8Array, at: number, width: number): number {
  if (at + width > bytes.length) throw new Error('too short');
  return Buffer.from(bytes).readUIntBE(at, width);
}

function raw(bytes: Uint8Array, at: number, length: number): number {
  if (at + length > bytes.length) throw new Error('too short');
  return at + length;
}

function text(bytes: Uint8Array, at: number, mode: Mode & { length: number }): number {
  const end = raw(bytes, at, mode.length);
  if (mode.strict && !isUtf8(bytes.subarray(at, end))) throw new Error('no UTF-8');
  return end;
}

function values(bytes: Uint8Array, start: number, mode: Mode & { count: number }): number {
  if (mode.depth === 16) throw new Error('too deep');
  let at = start;
  for (let i = 0; i < mode.count; i++)
    at = value(bytes, at, { strict: mode.strict, depth: mode.depth + 1 });
  return at;
}
