// QR codes: against matrices that another encoder made, and read back by a reader of their own.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { leastWidth, qrLines } from '../../../src/cli/qr/blocks.ts';
import { encodeQr } from '../../../src/cli/qr/encode.ts';
import type { Matrix } from '../../../src/cli/qr/matrix.ts';
import { utf8 } from '../../../src/lib/bytes.ts';
import { decodeQr } from './decode.ts';

// Rows as hex numbers, level M, bytes, the mask that it chose.
const KNOWN = {
  flexim: [
    '1fc57f 104241 175f5d 17505d 175b5d 105141 1fd57f 001300 17c57c 120529 0ffe96 08343d 05ee92',
    '001fed 1fc96e 1057cd 175d1a 175d30 175684 10400c 1fd2b2',
  ],
  [`FXSN1:${'0123456789abcdef'.repeat(8)}`]: [
    '1fc200306097f 104d1ccacdf41 175fb139de35d 17523ada2125d 175e78fe6185d 1050f2c68fc41',
    '1fd555555557f 001ef447f0600 17c1c57ccf97c 12be3a304ba62 06c80e1ea748d 073568a152819',
    '1f5dbc5621725 0894635ae9063 0cd06df424c8b 12297b42888f0 05f225b9375cf 1022c6b39324c',
    '09f66a3d7deab 0db8f12d5ab72 16f63fd661101 1a34e09f622ea 1ffccffc9dff1 1b1fbcc7f811b',
    '155c39d40bb57 15114ec479b12 0ff4947f875f5 12963ac152008 0177c65aad277 0e8fe0a5ca301',
    '03d9d60227e43 073ec0ec40980 06c837a2cbe5f 148a0cdc53368 1fe394aaecf67 199761d77a890',
    '1ec89700cdbf9 058728b44010a 08fb29509df7d 0e1b00bdf8089 1c4bcdfe837f7 00102ac65a91c',
    '1fcb8f578575b 10506cc5d231b 175434fe65bf7 17547f63f8171 175bf11a07e8c 104ad762925d9',
    '1fd29fb921237',
  ],
};

const test = suite('cli: qr');

const rows = (matrix: Matrix) => matrix.map((row) => row.map(Number).join(''));

for (const [text, hex] of Object.entries(KNOWN))
  test(`the same matrix as another encoder makes: ${text.slice(0, 8)}`, () => {
    const expected = hex
      .join(' ')
      .split(' ')
      .map((row, _, { length }) => BigInt(`0x${row}`).toString(2).padStart(length, '0'));
    assert.equal(rows(encodeQr(utf8(text))), expected);
  });

test('every length of every version is read back, with every mask', () => {
  for (let length = 0; length <= 180; length++) {
    const text = Array.from({ length }, (_, i) =>
      String.fromCharCode(33 + ((i * 7 + length) % 90)),
    );
    const mask = length % 8;
    const decoded = decodeQr(encodeQr(utf8(text.join('')), mask));
    assert.equal(decoded, { text: text.join(''), mask, level: 0 });
  }
  assert.throws(() => encodeQr(new Uint8Array(181)), /180 bytes/);
});

test('on a terminal: half blocks that are the matrix again, with a border', () => {
  const matrix = encodeQr(utf8('flexim'));
  for (const colours of [true, false])
    for (const columns of [21 + 8, 21 + 6, 21 + 4, 200]) {
      const lines = qrLines(matrix, { columns, colours });
      const border = Math.min(4, Math.floor((columns - 21) / 2));
      assert.equal(
        seen(lines, colours)
          .slice(border, border + 21)
          .map((row) => row.slice(border, -border)),
        rows(matrix),
      );
      assert.match(seen(lines, colours)[0] as string, /^0+$/);
      assert.is(
        lines.some((line) => line.includes('\x1b')),
        colours,
      );
    }
});

test('nothing at all where it does not fit', () => {
  const matrix = encodeQr(utf8('flexim'));
  assert.is(leastWidth(matrix), 25);
  assert.equal(qrLines(matrix, { columns: 24, colours: true }), []);
});

/** Rows of modules as an eye sees them: 1 for dark. */
function seen(lines: readonly string[], colours: boolean): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const bare = lines.map((line) => line.replace(/\x1b\[[\d;]*m/g, ''));
  const half = (drawn: string) => (line: string) =>
    [...line].map((shape) => (drawn.includes(shape) === colours ? '1' : '0')).join('');
  return bare.flatMap((line) => [half('▀█')(line), half('▄█')(line)]);
}

test.run();
