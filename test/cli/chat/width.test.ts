// Widths of characters, beside string-width, which is slow to load and says the same.

import fc from 'fast-check';
import stringWidth from 'string-width';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { widthOf } from '../../../src/cli/chat/graphemes.ts';
import { graphemeWidth } from '../../../src/cli/chat/width.ts';
import { segmenter } from '../../../src/lib/text.ts';
import { count } from '../../count.ts';
import { anyText } from '../../texts.ts';

const test = suite('chat: widths');
const same = (text: string) => {
  for (const { segment } of segmenter().segment(text)) {
    const [ours, theirs] = [graphemeWidth(segment), stringWidth(segment)];
    if (ours !== theirs) assert.is(ours, theirs, [...segment].map(hex).join(' '));
  }
};
const hex = (point: string) => (point.codePointAt(0) ?? 0).toString(16);
const points = (from: number, to: number, step = 1) =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, i) =>
    String.fromCodePoint(from + i * step),
  );

test('each character alone', () => {
  for (const point of points(0x20, 0x3400, count(3, 1))) same(point);
  for (const point of points(0x1f000, 0x20000, count(3, 1))) same(point);
  for (const point of points(0x3400, 0x1f000, count(41, 1))) same(point);
  for (const point of points(0x20000, 0x110000, count(3_001, 7))) same(point);
});

test('pictures: with a variation selector, a colour of skin, a keycap, and flags', () => {
  const pictures = [...points(0x21, 0x3400), ...points(0x1f000, 0x20000)].filter((point) =>
    /\p{Emoji}|\p{Extended_Pictographic}/u.test(point),
  );
  const few = count(5, 1);
  for (const point of pictures.filter((_, i) => i % few === 0))
    for (const behind of [
      '\ufe0f',
      '\ufe0e',
      '\u{1f3fd}',
      '\ufe0f\u20e3',
      '\u20e3',
      '\ufe0f\u{1f3fd}',
    ])
      same(point + behind);
  const letters = points(0x1f1e6, 0x1f200);
  for (const one of letters.slice(0, count(4, 26))) for (const other of letters) same(one + other);
});

test('joined pictures, and syllables of Hangul in letters', () => {
  for (const text of ['\u2764\u200d\u{1f525}', '\u2764\ufe0f\u200d\u{1f525}', '\u26a7\u200da'])
    same(text);
  for (const syllable of ['\u1100\u1161', '\u1100\u1161\u11a8', '\u1100\u1100\u1161\u11a8\u11a8']) {
    same(syllable);
    for (const behind of ['\u1161', '\u11a8', '\u3164', '\u0301', '\u1100'])
      same(syllable + behind);
  }
  assert.is(graphemeWidth('\u1100\u1161\u11a8'), 2);
});

test('whatever comes', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...'\u200d\ufe0f\u20e3\u0301\u0915\u093f\u0e33\uff9e\uff9f\u1100\u1161\u11a8\uac00\ua960\ud7b0\ud7cb#1\u2764\u00a9\u200b',
      ...['\u{1f468}', '\u{1f469}', '\u{1f3fd}', '\u{1f1e9}', '\u{1f1ea}', '\u{1f3f4}'],
      ...['\u{e0067}', '\u{e007f}', '\u26a7', '\u{1f3f3}', '\u115f', '\u1160', '\u3164'],
    ),
    anyText({ maxLength: 2 }),
  );
  const text = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(''));
  const property = fc.property(text, (each) => {
    same(each);
    const seen = each.replace(/\p{C}/gu, '');
    if (seen.length <= 128) assert.is(widthOf(seen), stringWidth(seen), JSON.stringify(seen));
  });
  fc.assert(property, { numRuns: count(500, 20_000) });
});

test.run();
