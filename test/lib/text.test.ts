// Text from others: nothing that moves a cursor, reorders or hides gets through.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  graphemesOf,
  presentable,
  printable,
  printableJson,
  segmenter,
} from '../../src/lib/text.ts';
import { count } from '../count.ts';
import { anyText } from '../texts.ts';

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
    fc.property(anyText(), fc.integer({ min: 1, max: 20 }), (text, max) => {
      const shown = printable(text, max);
      assert.ok([...shown].length <= max);
      assert.not.match(shown, /\p{Cs}/u);
      assert.is(printable(shown, max), shown);
      assert.not.match(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: count(60, 400) },
  );
});

const FAMILY = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}';
const ENGLAND = '\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}';

test('messages keep whole emoji, marks, joiners that words need, and lines when asked', () => {
  const words = ['\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645', '\u0915\u094d\u200d\u0937'];
  for (const text of [
    'abc',
    'e\u0301',
    FAMILY,
    '\u2764\u200d\u{1f9cb}',
    ENGLAND,
    '\u2764\ufe0f',
    '1\ufe0f\u20e3',
    '\u1019\u1087\u1088', // Shan tones: marks that join nothing
    ...words,
  ])
    assert.is(presentable(text), text);
  assert.is(presentable('a\r\nb\rc\td', { lines: true }), 'a\nb\nc    d');
  assert.is(presentable('a\nb'), 'a b');
});

test('messages lose what moves, reorders or hides', () => {
  for (const code of [...between(0, 8), 0x0b, 0x0c, ...between(0x0e, 0x1f), ...between(0x7f, 0x9f)])
    assert.is(presentable(`a${point(code)}b`, { lines: true }), 'a\ufffdb');
  for (const code of [
    0x200b, 0x200c, 0x200d, 0x200e, 0x202e, 0x2066, 0x2069, 0x61c, 0xfeff, 0xe0041,
  ])
    assert.is(presentable(`a${point(code)}b`), 'a\ufffdb', `U+${code.toString(16)}`);
  assert.is(presentable('\ud800a\udc00'), '\ufffda\ufffd');
  assert.is(presentable('\u0301a'), '\u25cc\u0301a');
  assert.is(presentable('\u1087a'), '\u25cc\u1087a');
  assert.ok(presentable(`a${'\u0301'.repeat(10_000)}b`).length <= 10);
  assert.is(presentable('abcd', { max: 3 }), 'ab…');
});

test('whatever comes: no control, no reordering, few marks; and again changes nothing', () => {
  const tricky = fc.constantFrom(
    ...'\u200d\u200c\u0301\ufe0f\u0915\u094d\u0937\u0600\u200b\n\x1b\ufdd0',
    ...[FAMILY, ENGLAND, '\u1100', '\u1087', '\u{11720}'],
  );
  const any = fc.array(fc.oneof(anyText({ maxLength: 3 }), tricky));
  fc.assert(
    fc.property(any, (parts) => {
      const clean = presentable(parts.join(''));
      assert.not.match(clean, /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff]/u);
      assert.not.match(clean, /\p{M}{9}/u);
      assert.is(presentable(clean), clean);
    }),
    { numRuns: count(60, 400) },
  );
});

test('a long message takes a moment only', () => {
  for (const unit of ['e\u0301', '\u200d', '\u1100', '\u{1f468}\u200d', '\u0915\u094d', '\t'])
    assert.ok(presentable(unit.repeat(10_000)).length <= 300_000);
});

test('JSON of it: the same value, and nothing that a terminal obeys or hides', () => {
  const hostile = '\x1b[2J\x7f\x9b\u202e\u200b\u{e0041}\ud800 a\n\u2028"ok"';
  for (const value of [hostile, { [hostile]: [hostile, 1, null] }]) {
    const json = printableJson(value);
    assert.not.match(json, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    assert.equal(JSON.parse(json), value);
  }
  assert.is(printableJson({ text: 'häß 😀' }), '{"text":"häß 😀"}');
  fc.assert(fc.property(anyText(), (text) => JSON.parse(printableJson(text)) === text));
});

test('characters are those of the segmenter, whichever way they are found', () => {
  const slow = (text: string) => Array.from(segmenter().segment(text), ({ segment }) => segment);
  const tricky = [
    '\r',
    '\n',
    '\u0301',
    '\u200d',
    '\ufe0f',
    '\ufe0e',
    '\u00a9',
    '\u2194',
    '\u00ad',
    '\u0600',
  ];
  for (const before of [...'aé©·…→↔│✓\u3042\u30a2\u82b1\u0600', '\u{1f468}'])
    for (const behind of [...tricky, ...'aé©↔│✓\u3042\u82b1', '\u{1f3fd}', '\u{1f468}'])
      for (const text of [before + behind, before + behind + before, behind + before])
        assert.equal(graphemesOf(text), slow(text), JSON.stringify(text));
  for (let code = 0x20; code < 0x10000; code++)
    for (const behind of ['\u200d\u{1f468}', '\u0301'].slice(0, code < 0x3400 ? 2 : 0)) {
      const text = point(code) + behind;
      assert.equal(graphemesOf(text), slow(text), code.toString(16));
    }
});

test('characters of whatever comes', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...'\u200d\u200d\ufe0f\u0301\u20e3\u0600\u1100\u2764a1 ',
      ...[
        '\u{1f468}',
        '\u{1f469}',
        '\u{1f3fd}',
        '\u{1f1e9}',
        '\u{1f3f4}',
        '\u{e0067}',
        FAMILY,
        '\u{1f0a0}',
      ],
    ),
    anyText({ maxLength: 2 }),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('').slice(0, 120));
  fc.assert(
    fc.property(text, (each) => {
      const slow = Array.from(segmenter().segment(each), ({ segment }) => segment);
      assert.equal(graphemesOf(each), slow, JSON.stringify(each));
    }),
    { numRuns: count(800, 50_000) },
  );
});

test.run();
