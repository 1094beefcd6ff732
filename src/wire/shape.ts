// Checks that turn an unknown value into one of a known type, and say what is wrong by its path.
// The table of a protocol's datums is made of these; the TypeScript types follow from it.

import { isUtf8 } from 'node:buffer';
import { malformed } from './msgpack.ts';

/** Returns the value as T, or throws `malformed` naming `path`. */
export type Shape<T> = (value: unknown, path: string) => T;
export type Of<S> = S extends Shape<infer T> ? T : never;

/** May be missing, in a map or at the end of an array. */
export interface Optional<T> {
  readonly optional: Shape<T>;
}

export type Fields = Readonly<Record<string, Shape<unknown> | Optional<unknown>>>;
type Required<F extends Fields> = {
  [K in keyof F as F[K] extends Optional<unknown> ? never : K]: F[K];
};
type Optionals<F extends Fields> = {
  [K in keyof F as F[K] extends Optional<unknown> ? K : never]: F[K];
};
export type Struct<F extends Fields> = {
  readonly [K in keyof Required<F>]: Of<F[K]>;
} & { readonly [K in keyof Optionals<F>]?: F[K] extends Optional<infer T> ? T : never };

const decodeText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A str, or a bin that holds UTF-8. */
export function text(max = 0xffff): Shape<string> {
  return (value, path) => {
    if (typeof value === 'string') {
      if (value.length > max) throw wrong(path, `at most ${max} characters`);
      return value;
    }
    if (!(value instanceof Uint8Array)) throw wrong(path, 'a text');
    if (value.length > max || !isUtf8(value)) throw wrong(path, 'a text in UTF-8');
    return decodeText.decode(value);
  };
}

/** A bin; `length` bytes if given. */
export function bin(length?: number): Shape<Uint8Array> {
  return (value, path) => {
    if (value instanceof Uint8Array && (length === undefined || value.length === length))
      return value;
    throw wrong(path, length === undefined ? 'bytes' : `${length} bytes`);
  };
}

/** A bin of `length` bytes, or an array of as many integers from 0 to 255. */
export function byteArray(length: number): Shape<Uint8Array> {
  const isByte = (n: unknown) => Number.isInteger(n) && (n as number) >= 0 && (n as number) <= 255;
  return (value, path) => {
    if (value instanceof Uint8Array && value.length === length) return value;
    if (Array.isArray(value) && value.length === length && value.every(isByte))
      return Uint8Array.from(value);
    throw wrong(path, `${length} bytes`);
  };
}

export function integer(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  return ((value, path) => {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    throw wrong(path, `an integer from ${min} to ${max}`);
  }) satisfies Shape<number>;
}

export function list<T>(item: Shape<T>, max = 0xffff): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw wrong(path, 'a list');
    if (value.length > max) throw wrong(path, `at most ${max} items`);
    return value.map((each, i) => item(each, `${path}[${i}]`));
  };
}

export function optional<T>(shape: Shape<T>): Optional<T> {
  return { optional: shape };
}

/** A map with these keys (others are passed over), or an array in this order. */
export function struct<const F extends Fields>(fields: F): Shape<Struct<F>> {
  const entries = Object.entries(fields);
  return (value, path) => {
    const read = reader(value, path);
    const result: Record<string, unknown> = {};
    entries.forEach(([name, field], i) => {
      const given = read(name, i);
      const where = path ? `${path}.${name}` : name;
      if (typeof field === 'function') result[name] = field(given, where);
      else if (given !== undefined && given !== null) result[name] = field.optional(given, where);
    });
    return result as Struct<F>;
  };
}

function reader(value: unknown, path: string): (name: string, index: number) => unknown {
  if (Array.isArray(value)) return (_, index) => value[index];
  if (
    typeof value !== 'object' ||
    value === null ||
    Object.getPrototypeOf(value) !== Object.prototype
  )
    throw wrong(path || 'the datum', 'a map');
  const map = value as Readonly<Record<string, unknown>>;
  return (name) => (Object.hasOwn(map, name) ? map[name] : undefined);
}

function wrong(path: string, wanted: string) {
  return malformed(`${path}: want ${wanted}`);
}
