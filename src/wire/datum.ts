// Datums: a table gives each a tag and its fields; types, encoder, decoder and the map of handlers
// follow from it. A handler that is missing in a map does not compile.

import { encode as pack, decode as unpack } from './msgpack.ts';
import { type Fields, type Shape, type Struct, struct } from './shape.ts';

export interface Datum {
  readonly tag: number;
  readonly fields: Fields;
}
export type DatumTable = Readonly<Record<string, Datum>>;
export type DatumOf<T extends DatumTable, N extends keyof T> = Struct<T[N]['fields']>;
export type Handlers<T extends DatumTable, Context> = {
  readonly [N in keyof T]: (context: Context, datum: DatumOf<T, N>) => void;
};

export interface Codec<T extends DatumTable> {
  /** The name behind a tag, or null. */
  nameOf(tag: number): (keyof T & string) | null;
  /** The msgpack of a datum, fields in the table's order; valid until the next call. */
  pack<N extends keyof T & string>(name: N, datum: DatumOf<T, N>): Uint8Array;
  /** Throws `malformed` with what is wrong. */
  unpack<N extends keyof T & string>(name: N, bytes: Uint8Array): DatumOf<T, N>;
}

export function codec<const T extends DatumTable>(table: T): Codec<T> {
  const names = new Map<number, keyof T & string>();
  const shapes = new Map<string, Shape<unknown>>();
  const orders = new Map<string, readonly string[]>();
  for (const [name, { tag, fields }] of Object.entries(table)) {
    if (names.has(tag)) throw new Error(`two datums have tag ${tag}`);
    names.set(tag, name);
    shapes.set(name, struct(fields));
    orders.set(name, Object.keys(fields));
  }
  return {
    nameOf: (tag) => names.get(tag) ?? null,
    pack: (name, datum) => {
      const ordered: Record<string, unknown> = {};
      const given = datum as Record<string, unknown>;
      for (const field of orders.get(name) as readonly string[]) ordered[field] = given[field];
      return pack(ordered);
    },
    unpack: (name, bytes) =>
      (shapes.get(name) as Shape<unknown>)(unpack(bytes), '') as DatumOf<T, typeof name>,
  };
}
