// Text from others: nothing that moves a cursor, reorders or hides gets through.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { printable } from '../../src/lib/text.ts';

const test = suite('printable text');
const point = (code: number) => String.fromCodePoint(code);
const between = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

test('plain text of any script passes unchanged', () => {
  for (const text of ['abc', 'häß €', 'Ольга', '花子', 'שלום', 'e\u0301', '😀', '❤\ufe0f', ''])
    assert.is(printable(text), text);
});

test('each control, mark and filler character is replaced', () => {
  const bad = [
    ...between(0x00, 0x1f), // C0
    ...between(0x7f, 0x9f), // DEL, C1
    ...between(0x200b, 0x200f), // zero-width, left-to-right marks
    ...between(0x2028, 0x202e), // separators, embeddings
    ...between(0x2060, 0x2064),
    ...between(0x2066, 0x206f), // isolates
    ...between(0xd800, 0xdfff), // lone surrogates
    ...between(0xe0020, 0xe007f), // tags
    ...[0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x180e, 0x3164, 0xfeff, 0xffa0, 0xfff9],
  ];
  for (const code of bad)
    assert.is(printable(`a${point(code)}b`), 'a\ufffdb', `U+${code.toString(16)}`);
});

test('at most max characters, whatever comes', () => {
  assert.is(printable('abcd', 4), 'abcd');
  assert.is(printable('abcde', 4), 'abc…');
  assert.is(printable('😀😀😀', 2), '😀…');
  assert.is([...printable('a'.repeat(1000))].length, 200);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 20 }), (text, max) => {
      const shown = printable(text, max);
      assert.ok([...shown].length <= max);
      assert.not.match(shown, /\p{Cs}/u);
      assert.is(printable(shown, max), shown);
      assert.not.match(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: 1000 },
  );
});

test.run();
