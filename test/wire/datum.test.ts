// A table of datums: codec, order of fields on the wire, and types that hold handlers to the table.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { codec, type DatumOf, type Handlers } from '../../src/wire/datum.ts';
import { decode, encode } from '../../src/wire/msgpack.ts';
import { byteArray, integer, list, optional, text } from '../../src/wire/shape.ts';

const TABLE = {
  Note: { tag: 3, fields: { to: text(), flags: list(text()), date: integer(), msg: text() } },
  Person: { tag: 5, fields: { key: byteArray(32), seen: integer(), proof: optional(text()) } },
} as const;
const wire = codec(TABLE);
const test = suite('datums');

const note = fc.record(
  {
    to: fc.string({ unit: 'grapheme' }),
    flags: fc.array(fc.string()),
    date: fc.maxSafeInteger(),
    msg: fc.string({ unit: 'grapheme' }),
  },
  { noNullPrototype: true },
);
const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));

test('what is packed is unpacked', () => {
  fc.assert(
    fc.property(note, key, fc.option(fc.string()), (datum, bytes, proof) => {
      assert.equal(wire.unpack('Note', wire.pack('Note', datum).slice()), datum);
      const person = { key: bytes, seen: datum.date, ...(proof === null ? {} : { proof }) };
      assert.equal(wire.unpack('Person', wire.pack('Person', person).slice()), person);
    }),
  );
});

test('on the wire fields stand in the order of the table, and no others', () => {
  const datum = { msg: 'm', extra: 1, date: 1, flags: [], to: 't' };
  const bytes = wire.pack('Note', datum).slice();
  assert.equal(Object.keys(decode(bytes) as object), ['to', 'flags', 'date', 'msg']);
  assert.is(
    Buffer.from(bytes).toString('hex'),
    '84a2746fa174a5666c61677390a46461746501a36d7367a16d',
  );
  const person = wire.pack('Person', { seen: 0, key: new Uint8Array(32) }).slice();
  assert.equal(Object.keys(decode(person) as object), ['key', 'seen']);
});

test('maps in any order, arrays, and keys as bin or as 32 integers are read', () => {
  const key32 = new Array(32).fill(9);
  const expected = { key: Uint8Array.from(key32), seen: 4 };
  for (const value of [{ seen: 4, more: [1], key: key32 }, [key32, 4], [Uint8Array.from(key32), 4]])
    assert.equal(wire.unpack('Person', encode(value).slice()), expected);
});

test('malformed datums say what is wrong', () => {
  const refuses = (value: unknown, message: RegExp) =>
    assert.throws(
      () => wire.unpack('Note', encode(value).slice()),
      (error: Error) => isFleximError(error, 'malformed') && message.test(error.message),
    );
  refuses({ to: 't', flags: [], date: 1 }, /^msg: want a text$/);
  refuses({ to: 't', flags: ['a', 2], date: 1, msg: '' }, /^flags\[1\]: want a text$/);
  refuses('note', /^the datum: want a map$/);
  assert.throws(() => wire.unpack('Note', Uint8Array.of(0x90, 0)), /1 bytes behind/);
});

test('names and tags', () => {
  assert.is(wire.nameOf(3), 'Note');
  assert.is(wire.nameOf(5), 'Person');
  assert.is(wire.nameOf(4), null);
  const fields = { a: text() };
  assert.throws(
    () => codec({ A: { tag: 1, fields }, B: { tag: 1, fields } }),
    /two datums have tag 1/,
  );
});

// tsc checks what follows: an expected error that does not come is an error.
const both: Handlers<typeof TABLE, string[]> = {
  Note: (seen, { to }) => seen.push(to),
  Person: (seen, { proof }) => seen.push(proof ?? 'none'),
};
// @ts-expect-error a handler is missing
const missing: Handlers<typeof TABLE, string[]> = { Note: () => {} };
// @ts-expect-error a datum of the wrong type
const wrong: DatumOf<typeof TABLE, 'Note'> = { to: 1, flags: [], date: 0, msg: '' };
// @ts-expect-error a needed field is missing
const short: DatumOf<typeof TABLE, 'Note'> = { to: '', flags: [], date: 0 };

test('handlers take what the codec gives', () => {
  const seen: string[] = [];
  both.Note(seen, { to: 'bob', flags: [], date: 0, msg: '' });
  both.Person(seen, { key: new Uint8Array(32), seen: 0 });
  assert.equal(seen, ['bob', 'none']);
  assert.ok(missing && wrong && short);
});

test.run();
