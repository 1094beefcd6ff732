// What each shape takes, and that a refusal names the place.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import {
  bin,
  byteArray,
  integer,
  list,
  optional,
  type Shape,
  struct,
  text,
} from '../../src/wire/shape.ts';

const test = suite('shapes');
const utf8 = (value: string) => new TextEncoder().encode(value);

function refuses(shape: Shape<unknown>, value: unknown, message: string, path = 'x.y'): void {
  assert.throws(
    () => shape(value, path),
    (error: Error) => isFleximError(error, 'malformed') && error.message === message,
    `${String(value)} should be refused with: ${message}`,
  );
}

test('text: a str, or a bin of UTF-8, both up to max', () => {
  assert.is(text()('häß', 'x'), 'häß');
  assert.is(text()(utf8('häß'), 'x'), 'häß');
  assert.is(text()(utf8('\ufeffa'), 'x'), '\ufeffa');
  assert.is(text(3)('abc', 'x'), 'abc');
  refuses(text(3), 'abcd', 'x.y: want at most 3 characters');
  refuses(text(3), utf8('abcd'), 'x.y: want a text in UTF-8');
  refuses(text(), Uint8Array.of(0xff), 'x.y: want a text in UTF-8');
  for (const wrong of [1, null, undefined, [], {}, true])
    refuses(text(), wrong, 'x.y: want a text');
});

test('bin: bytes, of one length if given', () => {
  const bytes = Uint8Array.of(1, 2);
  assert.is(bin()(bytes, 'x'), bytes);
  assert.is(bin(2)(bytes, 'x'), bytes);
  refuses(bin(3), bytes, 'x.y: want 3 bytes');
  for (const wrong of ['ab', [1, 2], null, undefined, 2]) {
    refuses(bin(), wrong, 'x.y: want bytes');
    refuses(bin(2), wrong, 'x.y: want 2 bytes');
  }
});

test('byteArray: bytes, or as many integers from 0 to 255', () => {
  const bytes = Uint8Array.of(0, 255);
  assert.is(byteArray(2)(bytes, 'x'), bytes);
  assert.equal(byteArray(2)([0, 255], 'x'), bytes);
  const wrong = [[0], [0, 1, 2], [0, 256], [-1, 0], [0.5, 0], ['0', 0], [null, 0], 'ab', null];
  for (const each of [...wrong, Uint8Array.of(1)]) refuses(byteArray(2), each, 'x.y: want 2 bytes');
});

test('integer: safe integers between its bounds', () => {
  const byte = integer(0, 255);
  for (const n of [0, 1, 255]) assert.is(byte(n, 'x'), n);
  for (const n of [-1, 256, 0.5, Number.NaN, '1', 1n, null, undefined])
    refuses(byte, n, 'x.y: want an integer from 0 to 255');
  assert.is(integer()(Number.MAX_SAFE_INTEGER, 'x'), Number.MAX_SAFE_INTEGER);
  assert.is(integer()(Number.MIN_SAFE_INTEGER, 'x'), Number.MIN_SAFE_INTEGER);
  for (const n of [2 ** 53, -(2 ** 53), Number.POSITIVE_INFINITY])
    assert.throws(() => integer()(n, 'x'), /want an integer/);
});

test('list: each item by its index, at most max', () => {
  assert.equal(list(integer())([1, 2], 'x'), [1, 2]);
  assert.equal(list(text(), 2)([], 'x'), []);
  refuses(list(integer(), 2), [1, 2, 3], 'x.y: want at most 2 items');
  refuses(list(text()), ['a', 1], 'x.y[1]: want a text');
  for (const wrong of [{}, 'ab', null, undefined, Uint8Array.of(1)])
    refuses(list(text()), wrong, 'x.y: want a list');
});

const person = struct({ name: text(), age: integer(0, 200), note: optional(text()) });

test('struct: a map in any order, other keys passed over, or an array in order', () => {
  const both = { name: 'a', age: 7 };
  assert.equal(person({ name: 'a', age: 7 }, ''), both);
  assert.equal(person({ extra: 1, age: 7, name: 'a', '': 0 }, ''), both);
  assert.equal(Object.keys(person({ age: 7, name: 'a' }, '')), ['name', 'age']);
  assert.equal(person(['a', 7], ''), both);
  assert.equal(person(['a', 7, 'n', 'more'], ''), { ...both, note: 'n' });
  refuses(person, [7, 'a'], 'name: want a text', '');
});

test('struct: what is wrong is named by its path', () => {
  refuses(person, { name: 'a' }, 'age: want an integer from 0 to 200', '');
  refuses(person, ['a'], 'age: want an integer from 0 to 200', '');
  refuses(person, { name: 'a', age: 201 }, 'x.y.age: want an integer from 0 to 200');
  refuses(person, { name: null, age: 1 }, 'name: want a text', '');
  refuses(list(person), [['a', 1], { name: 1 }], 'users[1].name: want a text', 'users');
  for (const wrong of [null, undefined, 1, 'ab', Uint8Array.of(1), new Date(), new Map()]) {
    refuses(person, wrong, 'the datum: want a map', '');
    refuses(person, wrong, 'x.y: want a map');
  }
});

test('optional: missing, undefined and null are absent; anything else is checked', () => {
  for (const note of [undefined, null]) {
    const got = person({ name: 'a', age: 1, note }, '');
    assert.not('note' in got);
    assert.not('note' in person(['a', 1, note], ''));
  }
  assert.is(person({ name: 'a', age: 1, note: 'n' }, '').note, 'n');
  refuses(person, { name: 'a', age: 1, note: 5 }, 'note: want a text', '');
});

test('struct reads own keys only', () => {
  const odd = struct({ toString: optional(text()), constructor: optional(text()) });
  assert.equal(Object.keys(odd({}, '')), []);
});

test.run();
