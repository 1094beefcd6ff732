// JSON with limits: what is refused before a value is made, and that nothing else is.

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { decodeJson, encodeJson, MAX_JSON_DEPTH } from '../../src/wire/json.ts';

const test = suite('json');
const read = (text: string) => decodeJson(Buffer.from(text));
const malformed = (work: () => unknown, why: RegExp) =>
  assert.throws(
    work,
    (error: unknown) => isFleximError(error, 'malformed') && why.test(error.message),
  );

test('any value of JSON survives', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = encodeJson(value);
      assert.equal(read(text), JSON.parse(text));
    }),
  );
});

test('only the part that was named is read', () => {
  assert.equal(decodeJson(Buffer.from('xx{"a":1}yy'), 2, 9), { a: 1 });
});

test('nested as deep as allowed, and not deeper, whatever stands in texts', () => {
  const nested = (depth: number, inside = '') => '['.repeat(depth) + inside + ']'.repeat(depth);
  assert.ok(read(nested(MAX_JSON_DEPTH)));
  malformed(() => read(nested(MAX_JSON_DEPTH + 1)), /deeper/);
  malformed(() => read(`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`), /deeper/);
  malformed(() => read('['.repeat(1_000_000)), /deeper/);
  const brackets = '[{'.repeat(100);
  for (const text of [brackets, `\\"${brackets}`, `\\\\\\"${brackets}`, `"${brackets}`])
    assert.equal(read(encodeJson({ text })), { text });
});

test('a text whose quote is escaped hides no depth', () => {
  const deep = '['.repeat(20) + ']'.repeat(20);
  malformed(() => read(`["\\\\",${deep}]`), /deeper/);
  malformed(() => read(`["a\\"",${deep}]`), /deeper/);
});

test('no UTF-8, no JSON, more than one value, a byte order mark', () => {
  malformed(() => decodeJson(Buffer.from([0x22, 0xff, 0x22])), /UTF-8/);
  malformed(() => decodeJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), /UTF-8/);
  for (const text of ['', ' ', '{', '"', '"a', '{"a":}', '1 2', 'NaN', "{'a':1}", '\ufeff{}', '01'])
    malformed(() => read(text), /no JSON/);
});

test('what it says repeats nothing of what came', () => {
  malformed(() => read('{"secret": oops}'), /^no JSON$/);
});

test('__proto__ is a key like any other', () => {
  const value = read('{"__proto__": {"polluted": 1}}') as object;
  assert.ok(Object.hasOwn(value, '__proto__'));
  assert.is(({} as Record<string, unknown>).polluted, undefined);
});

test.run();
