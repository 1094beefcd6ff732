// msgpack of Flexim's Message and User: our encode and decode beside three libraries' functions.

import * as library from '@msgpack/msgpack';
import { pack, unpack } from 'msgpackr';
import notepack from 'notepack.io';
import { decode, encode } from '../src/wire/msgpack.ts';
import type { Contest, Contestant } from './measure.ts';

const BATCH = 2_000;

const DATUMS = {
  Message: {
    to: 'ab'.repeat(32),
    from: 'cd'.repeat(32),
    flags: ['NOTIFY'],
    date: 1539890190,
    msg: 'HEY, LISTEN! '.repeat(16),
  },
  User: {
    aliases: ['alice', 'Alice', 'FooBar'],
    key: new Uint8Array(32).fill(179),
    last_seen: 1539890190,
  },
} as const;

interface Codec {
  readonly name: string;
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const CODECS: readonly Codec[] = [
  { name: 'flexim', encode, decode },
  { name: '@msgpack/msgpack', encode: library.encode, decode: library.decode },
  { name: 'msgpackr', encode: pack, decode: unpack },
  { name: 'notepack.io', encode: notepack.encode, decode: notepack.decode },
];

/** Bytes and texts alike, whatever kind of array they come in. */
function plain(value: unknown): string {
  return JSON.stringify(value, (_, each) => {
    const buffer = each?.type === 'Buffer' && Array.isArray(each.data) ? each.data : each;
    return buffer instanceof Uint8Array ? [...buffer] : buffer;
  });
}

function encoding(codec: Codec, datum: unknown): Contestant {
  if (plain(library.decode(codec.encode(datum))) !== plain(datum))
    throw new Error(`${codec.name} encodes something else`);
  return {
    name: codec.name,
    run: () => {
      let bytes = 0;
      for (let i = 0; i < BATCH; i++) bytes += codec.encode(datum).length;
      if (bytes < BATCH) throw new Error(`${codec.name} encoded nothing`);
      return BATCH;
    },
  };
}

function decoding(codec: Codec, datum: unknown): Contestant {
  const bytes = Buffer.from(library.encode(datum)); // as bytes come from a socket
  if (plain(codec.decode(bytes)) !== plain(datum))
    throw new Error(`${codec.name} decodes something else`);
  return {
    name: codec.name,
    run: () => {
      let decoded = 0;
      for (let i = 0; i < BATCH; i++) if (codec.decode(bytes) !== null) decoded++;
      return decoded;
    },
  };
}

export function datums(): Contest[] {
  return Object.entries(DATUMS).flatMap(([name, datum]): Contest[] => [
    {
      title: `datums: encode ${name}`,
      unit: 'datums',
      atLeast: [],
      contestants: CODECS.map((codec) => encoding(codec, datum)),
    },
    {
      title: `datums: decode ${name}`,
      unit: 'datums',
      atLeast: [],
      contestants: CODECS.map((codec) => decoding(codec, datum)),
    },
  ]);
}
