// Wrapping, and where the cursor is in the input.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { widthOf } from '../../../src/cli/chat/graphemes.ts';
import { layInput, wrap } from '../../../src/cli/chat/lay.ts';
import { fill, fit, spansWidth } from '../../../src/cli/chat/paint.ts';
import { graphemesOf, presentable } from '../../../src/lib/text.ts';
import { count } from '../../count.ts';
import { anyText } from '../../texts.ts';

const test = suite('chat: layout');
const FAMILY = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}';
const piece = fc.oneof(
  fc.constantFrom(
    'a',
    'bc',
    ' ',
    '  ',
    '\n',
    FAMILY,
    '\u82b1',
    'e\u0301',
    '\u{1f1e9}\u{1f1ea}',
    '\u200d',
  ),
  anyText({ maxLength: 4 }),
);
const text = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(''));

test('words stay whole where they fit; long ones and wide characters are cut', () => {
  assert.equal(wrap('one two three', 7), ['one two', 'three']);
  assert.equal(wrap('one two three', 7, 4), ['one', 'two', 'three']);
  assert.equal(wrap('abcdefgh', 3), ['abc', 'def', 'gh']);
  assert.equal(wrap('abcdefgh ij', 8, 3), ['', 'abcdefgh', 'ij']);
  assert.equal(wrap('\u82b1\u82b1\u82b1', 5), ['\u82b1\u82b1', '\u82b1']);
  assert.equal(wrap(FAMILY.repeat(3), 4), [FAMILY.repeat(2), FAMILY]);
  assert.equal(wrap('  code\n\nmore', 9), ['  code', '', 'more']);
  assert.equal(wrap('', 9), ['']);
  assert.equal(wrap('\u82b1', 1), ['\ufffd']);
});

test('whatever the text: no line is too wide, no grapheme is torn, nothing is lost', () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 4, max: 20 }), fc.nat(3), (raw, columns, used) => {
      const shown = presentable(raw, { lines: true });
      const lines = wrap(shown, columns, used);
      for (const [i, line] of lines.entries())
        assert.ok(widthOf(line) <= columns - (i === 0 ? used : 0), line);
      const whole = graphemesOf(shown).filter(
        (each) => each.trim() !== '' && widthOf(each) <= columns,
      );
      const kept = lines.flatMap(graphemesOf).filter((each) => each.trim() !== '');
      if (!kept.includes('\ufffd')) assert.equal(kept, whole);
    }),
    { numRuns: count(30, 150) },
  );
});

test('the cursor is in the input area, behind what stands before it', () => {
  fc.assert(
    fc.property(
      text,
      fc.nat(),
      fc.integer({ min: 4, max: 30 }),
      fc.integer({ min: 1, max: 6 }),
      (raw, at, columns, rows) => {
        const starts = [
          0,
          ...graphemesOf(raw).map(
            (
              (sum) => (each: string) =>
                (sum += each.length)
            )(0),
          ),
        ];
        const cursor = starts[at % starts.length] as number;
        const { lines, row, column } = layInput({ text: raw, cursor }, columns, rows);
        assert.ok(lines.length >= 1 && lines.length <= rows);
        assert.ok(row >= 0 && row < lines.length && column >= 0 && column <= columns);
        for (const line of lines) assert.ok(widthOf(line) <= columns);
        for (const line of lines) assert.not.match(line, /\p{Cc}/u);
      },
    ),
    { numRuns: count(30, 150) },
  );
});

test('the input area: places', () => {
  assert.equal(layInput({ text: 'ab\ncd', cursor: 4 }, 10, 3), {
    lines: ['ab', 'cd'],
    row: 1,
    column: 1,
  });
  assert.equal(layInput({ text: 'abcd', cursor: 4 }, 4, 3), {
    lines: ['abcd', ''],
    row: 1,
    column: 0,
  });
  assert.equal(layInput({ text: '1\n2\n3\n4', cursor: 7 }, 4, 2), {
    lines: ['3', '4'],
    row: 1,
    column: 1,
  });
  assert.equal(layInput({ text: '\u82b1\u82b1', cursor: 1 }, 4, 2), {
    lines: ['\u82b1\u82b1'],
    row: 0,
    column: 2,
  });
  assert.equal(layInput({ text: '\x1b[2J', cursor: 0 }, 9, 2).lines, ['\ufffd[2J']);
});

test('a long input costs what its surroundings cost', () => {
  const long = 'line of words\n'.repeat(7000);
  const { lines, row } = layInput({ text: long, cursor: long.length }, 40, 5);
  assert.equal([lines.length, row], [5, 4]);
});

test('fit and fill: exactly so wide', () => {
  assert.is(fit('abc', 3), 'abc');
  assert.is(fit('abcd', 3), 'ab…');
  assert.is(fit('\u82b1\u82b1', 3), '\u82b1…');
  fc.assert(
    fc.property(text, text, fc.integer({ min: 1, max: 20 }), (a, b, columns) => {
      const spans = fill([{ text: presentable(a) }, { text: presentable(b) }], columns);
      assert.is(spansWidth(spans), columns);
    }),
  );
});

test.run();
