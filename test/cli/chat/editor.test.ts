// The input line: emacs keys, whole graphemes, kill ring, history, completion.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Complete, Editor, MAX_INPUT } from '../../../src/cli/chat/editor.ts';

const test = suite('chat: editor');
const FAMILY = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}';

/** Types: <name> is a key, the rest is text; gives the text with | as the cursor. */
function type(script: string, editor = new Editor()): string {
  for (const [, name, text] of script.matchAll(/<([\w-]+)>|([^<]+)/g))
    editor.press(name ? { kind: 'key', name } : { kind: 'text', text: text as string });
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`;
}

const TABLE: readonly (readonly [string, string])[] = [
  ['abc', 'abc|'],
  ['abc<left><left>x', 'ax|bc'],
  ['abc<ctrl-a>x<ctrl-e>y', 'xabcy|'],
  ['one two<alt-b><alt-b><alt-f>', 'one| two'],
  ['one two<alt-b><alt-d>', 'one |'],
  ['one two<ctrl-w><ctrl-y><ctrl-y>', 'one twotwo|'],
  ['one two three<ctrl-w><ctrl-w><ctrl-y>', 'one two three|'],
  ['ab<ctrl-u>cd<ctrl-u><ctrl-y><alt-y>', 'ab|'],
  ['ab<ctrl-a><ctrl-k>', '|'],
  ['a<newline>b<up><ctrl-e><ctrl-k>', 'a|b'],
  ['a<newline>b<ctrl-a><ctrl-u>', 'a|b'],
  ['abc<newline>d<up>x<down>y', 'axbc\ndy|'],
  ['ab<ctrl-t>', 'ba|'],
  ['abc<left><ctrl-t>', 'acb|'],
  ['a<ctrl-t>', 'a|'],
  ['abc<ctrl-a><delete><ctrl-d>', '|c'],
  [`${FAMILY}<backspace>`, '|'],
  [`a${FAMILY}b<left><left>x`, `ax|${FAMILY}b`],
  ['e\u0301x<left><backspace>', '|x'],
  ['\u{1f468}\u200d<left>x', 'x|\u{1f468}\u200d'],
  ['ab<left>\u0301', 'a\u0301|b'],
];

test('each key does its thing', () => {
  for (const [script, expected] of TABLE) assert.is(type(script), expected, script);
});

test('history: up and down, and back to the draft', () => {
  const editor = new Editor();
  for (const text of ['one', 'two', 'two', ' ']) {
    editor.set(text);
    assert.is(editor.take(), text);
  }
  assert.is(type('dra<up>', editor), 'two|');
  assert.is(type('<up><up>', editor), 'one|');
  assert.is(type('<ctrl-n><ctrl-n><down>', editor), 'dra|');
  editor.clear();
  assert.is(type('o<ctrl-r>', editor), 'two|');
  assert.is(type('<ctrl-r><ctrl-r>', editor), 'one|');
});

test('Tab: one word is finished, several up to where they differ', () => {
  const words = ['/search', '/send', '/status', 'anna', 'annika', '\u82b1\u5b50'];
  const complete: Complete = (text, cursor) => {
    const from = text.lastIndexOf(' ', cursor - 1) + 1;
    return { from, words: words.filter((word) => word.startsWith(text.slice(from, cursor))) };
  };
  const editor = new Editor(complete);
  assert.is(type('/st<tab>', editor), '/status |');
  assert.is(type('a<tab>', editor), '/status ann|');
  assert.equal(editor.choices, ['anna', 'annika']);
  assert.is(type('i<tab>', editor), '/status annika |');
  assert.equal(editor.choices, []);
  assert.is(type('\u82b1<tab>', editor), '/status annika \u82b1\u5b50 |');
  assert.is(type('zz<tab>', editor), '/status annika \u82b1\u5b50 zz|');
});

test('a paste is one piece with its lines; what does not fit is refused whole', () => {
  const editor = new Editor();
  assert.is(editor.press({ kind: 'paste', text: 'a\nb' }), 'done');
  assert.is(type('', editor), 'a\nb|');
  assert.is(editor.press({ kind: 'paste', text: 'x'.repeat(MAX_INPUT - 2) }), 'full');
  assert.is(type('', editor), 'a\nb|');
});

test('what is not its key is left alone, and does not break a chain of kills', () => {
  const editor = new Editor();
  assert.is(editor.press({ kind: 'key', name: 'page-up' }), 'other');
  assert.is(editor.press({ kind: 'key', name: 'enter' }), 'other');
});

const KEYS =
  'left right home end up down backspace delete newline ctrl-k ctrl-u ctrl-w ctrl-y alt-y alt-b alt-f alt-d alt-backspace ctrl-t ctrl-p ctrl-n ctrl-r tab';
const press = fc.oneof(
  fc.constantFrom(...KEYS.split(' ')).map((name) => ({ kind: 'key', name }) as const),
  fc
    .constantFrom(
      'a',
      ' ',
      'e\u0301',
      '\u0301',
      FAMILY,
      '\u200d',
      '\u82b1',
      '\u{1f1e9}',
      '\u{1f1ea}',
      '\r',
    )
    .map((text) => ({ kind: 'text', text }) as const),
);

test('whatever is pressed: the cursor stands between graphemes', () => {
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
  fc.assert(
    fc.property(fc.array(press, { maxLength: 60 }), (keys) => {
      const editor = new Editor();
      for (const key of keys) {
        editor.press(key);
        const { text, cursor } = editor;
        const starts = [...segmenter.segment(text)].map(({ index }) => index);
        assert.ok([...starts, text.length].includes(cursor), JSON.stringify([text, cursor]));
      }
    }),
    { numRuns: 500 },
  );
});

test('what is killed in one go comes back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.nat(30), (text, back) => {
      const editor = new Editor();
      editor.set(text);
      for (let i = 0; i < back; i++) editor.press({ kind: 'key', name: 'left' });
      for (const name of ['ctrl-k', 'ctrl-y']) editor.press({ kind: 'key', name });
      assert.is(editor.text, text);
    }),
  );
});

test.run();
