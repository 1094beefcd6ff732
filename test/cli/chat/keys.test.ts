// Bytes to keys, in every cut; what is unknown never becomes text.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Key, KeyReader, MAX_PASTE } from '../../../src/cli/chat/keys.ts';
import { count } from '../../count.ts';

const test = suite('chat: keys');
const bytes = (text: string) => new TextEncoder().encode(text);

/** In words: texts in quotes, pastes in guillemets, keys by name; neighbouring texts are one. */
function words(keys: readonly Key[]): string {
  const parts = keys.map((key) =>
    key.kind === 'key' ? ` ${key.name} ` : key.kind === 'text' ? `'${key.text}'` : `«${key.text}»`,
  );
  return parts.join('').replaceAll("''", '').trim().replace(/ +/g, ' ');
}

function read(...chunks: readonly Uint8Array[]): string {
  const reader = new KeyReader();
  return words(chunks.flatMap((chunk) => reader.feed(chunk)));
}

const TABLE: readonly (readonly [string, string])[] = [
  ['abc', "'abc'"],
  ['h\u00e4 \u82b1 \u{1f600}', "'h\u00e4 \u82b1 \u{1f600}'"],
  ['\r', 'enter'],
  ['\n', 'newline'],
  ['\x1b\r', 'newline'],
  ['\x1b[13;2u\x1b[27;2;13~\x1b[13u', 'newline newline enter'],
  ['\t\x1b[Z', 'tab shift-tab'],
  ['\x7f\x08\x1b\x7f', 'backspace backspace alt-backspace'],
  ['\x01\x05\x0b\x15\x17\x19', 'ctrl-a ctrl-e ctrl-k ctrl-u ctrl-w ctrl-y'],
  ['\x02\x06\x0e\x10\x14', 'ctrl-b ctrl-f ctrl-n ctrl-p ctrl-t'],
  ['\x03\x04\x0c\x1a\x12', 'ctrl-c ctrl-d ctrl-l ctrl-z ctrl-r'],
  ['\x1bb\x1bf\x1bd\x1by', 'alt-b alt-f alt-d alt-y'],
  ['\x1b1\x1b9', 'alt-1 alt-9'],
  ['\x1b[A\x1b[B\x1b[C\x1b[D', 'up down right left'],
  ['\x1bOA\x1bOH\x1bOF\x1bOM', 'up home end enter'],
  ['\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~', 'home end home end home end'],
  ['\x1b[3~\x1b[5~\x1b[6~', 'delete page-up page-down'],
  ['\x1b[1;5C\x1b[1;3D\x1b[5;2~', 'ctrl-right alt-left shift-page-up'],
  ['\x1b[200~two\r\nlines\rthree\x1b[201~', '«two\nlines\nthree»'],
  ['\x1b[200~\x1b[A \x1b[20 \x03\x1b[201~x', "«\x1b[A \x1b[20 \x03»'x'"],
  ['\x1b\x1b[A', 'escape up'],
];
// Recognised to the end, and nothing.
const UNKNOWN = [
  '\x1b[<0;10;20M', // mouse
  '\x1b[27;5;65~',
  '\x1b[1;2;3;4x',
  '\x1b[?62;c', // what the terminal is
  '\x1b[12;40R', // where the cursor is
  '\x1b[I',
  '\x1b[[A', // F1 on Linux
  '\x1b[15~',
  '\x1bOP',
  '\x1b]10;rgb:ffff/ffff/ffff\x1b\\',
  '\x1b]11;rgb:0/0/0\x07',
  '\x1bP1$r0m\x1b\\',
  '\x1b_Gi=31;OK\x1b\\',
  '\x9b12;40R',
  '\x9d10;x\x07',
  '\x1b%',
  '\x1b\u00e4',
  '\x00\x1c\x1d\x1e\x1f',
  '\x84\x85',
  '\x1b[201~', // the end of no paste
];

test('each key has its name', () => {
  for (const [typed, expected] of TABLE) assert.is(read(bytes(typed)), expected);
});

test('unknown sequences are ignored to their end', () => {
  for (const typed of UNKNOWN) assert.is(read(bytes(`${typed}z`)), "'z'", JSON.stringify(typed));
});

test('bytes that are no UTF-8 are no text', () => {
  assert.is(read(Uint8Array.of(0x61, 0xff, 0xc3, 0x28, 0x62)), "'a(b'");
});

test('in every cut the same', () => {
  const all = [...TABLE.map(([typed]) => typed), ...UNKNOWN].join('-');
  const whole = read(bytes(all));
  const one = [...bytes(all)].map((byte) => Uint8Array.of(byte));
  assert.is(read(...one), whole);
  for (const typed of [...TABLE.map(([each]) => each), ...UNKNOWN]) {
    const raw = bytes(typed);
    for (let cut = 1; cut < raw.length; cut++)
      assert.is(read(raw.subarray(0, cut), raw.subarray(cut)), read(raw), JSON.stringify(typed));
  }
});

test('any bytes in any cut: the same keys, no control characters in texts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...[...'\x1b[O]P~;2013AuMZ\\ax\r\n\x07\x03é'].map(bytes)), {
        maxLength: 40,
      }),
      fc.integer({ min: 0, max: 40 }),
      (pieces, at) => {
        const raw = Buffer.concat(pieces);
        const whole = read(raw);
        assert.is(read(raw.subarray(0, at), raw.subarray(at)), whole);
        const keys = new KeyReader().feed(raw);
        for (const key of keys) if (key.kind === 'text') assert.not.match(key.text, /\p{Cc}/u);
      },
    ),
    { numRuns: count(300, 2000) },
  );
});

test('Escape alone is a key after a while; what is half there is nothing', () => {
  const reader = new KeyReader();
  assert.is(reader.wait, null);
  assert.equal(reader.feed(bytes('\x1b')), []);
  assert.ok(reader.wait);
  assert.is(words(reader.flush()), 'escape');
  assert.is(reader.wait, null);
  for (const half of ['\x1b[', '\x1b[1;', '\x1bO', '\x1b]10;']) {
    assert.equal(reader.feed(bytes(half)), []);
    assert.equal(reader.flush(), []);
  }
  assert.is(words(reader.feed(bytes('a'))), "'a'");
});

test('a sequence without end costs little and takes Enter with it no further', () => {
  const reader = new KeyReader();
  reader.feed(bytes('\x1b]'));
  for (let i = 0; i < 100; i++) assert.equal(reader.feed(bytes('x'.repeat(1000))), []);
  assert.is(words(reader.feed(bytes('\r'))), 'enter');
});

test('a paste is bounded, and one that does not end can be left', () => {
  const reader = new KeyReader();
  reader.feed(bytes('\x1b[200~'));
  for (let i = 0; i < 3; i++) reader.feed(bytes('x'.repeat(MAX_PASTE / 2)));
  const [key] = reader.feed(bytes('\x1b[201~'));
  assert.is(key?.kind === 'paste' && key.text.length, MAX_PASTE);
  reader.feed(bytes('\x1b[200~ab\r'));
  assert.is(words(reader.flush()), '«ab\n»');
  assert.equal(reader.feed(bytes('\r')), []); // still pasted, not sent
  reader.flush();
  assert.equal(reader.feed(bytes('\x03')), []);
  assert.is(words(reader.feed(bytes('a\r'))), "'a' enter");
});

test.run();
