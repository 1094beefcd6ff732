// A reader of QR codes in bytes, level M, written apart from the encoder: it finds its way by the
// standard's own description and checks every codeword by its syndromes.

import { power, times } from '../../../src/cli/qr/correction.ts';
import type { Matrix } from '../../../src/cli/qr/matrix.ts';

const BLOCKS: readonly (readonly number[])[] = [
  ...[[16], [28], [44], [32, 32], [43, 43], [27, 27, 27, 27], [31, 31, 31, 31]],
  ...[
    [38, 38, 39, 39],
    [36, 36, 36, 37, 37],
  ],
];
const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22];

export interface Decoded {
  readonly text: string;
  readonly mask: number;
  readonly level: number;
}

/** Throws what is wrong with it. */
export function decodeQr(matrix: Matrix): Decoded {
  const size = matrix.length;
  const version = (size - 17) / 4;
  const at = (x: number, y: number) => (matrix[y]?.[x] ? 1 : 0);
  const { level, mask } = formatOf(at, size);
  const blocks = BLOCKS[version - 1] as readonly number[];
  const checks = CHECKS[version - 1] as number;
  const words = wordsOf(at, { size, version, mask });
  const data = gather(words, blocks, checks).flat();
  const bits = data.map((word) => word.toString(2).padStart(8, '0')).join('');
  if (bits.slice(0, 4) !== '0100') throw new Error('not in bytes');
  const length = Number.parseInt(bits.slice(4, 12), 2);
  const bytes = Array.from({ length }, (_, i) =>
    Number.parseInt(bits.slice(12 + 8 * i, 20 + 8 * i), 2),
  );
  return { text: Buffer.from(bytes).toString(), mask, level };
}

type At = (x: number, y: number) => number;

function formatOf(at: At, size: number): { level: number; mask: number } {
  let [first, second] = ['', ''];
  for (let x = 0; x < 8; x++) if (x !== 6) first += at(x, 8);
  for (let y = 8; y >= 0; y--) if (y !== 6) first += at(8, y);
  for (let y = size - 1; y > size - 8; y--) second += at(8, y);
  for (let x = size - 8; x < size; x++) second += at(x, 8);
  if (first !== second) throw new Error('the two formats differ');
  const format = Number.parseInt(first, 2) ^ 0x5412;
  let rest = format;
  for (let i = 14; i >= 10; i--) if ((rest >> i) & 1) rest ^= 0x537 << (i - 10);
  if (rest !== 0) throw new Error('the format has a wrong check');
  return { level: format >> 13, mask: (format >> 10) & 7 };
}

interface Layout {
  readonly size: number;
  readonly version: number;
  readonly mask: number;
}

function wordsOf(at: At, { size, version, mask }: Layout): number[] {
  let bits = '';
  for (let pair = 0, right = size - 1; right > 0; right -= 2, pair++) {
    if (right === 6) right = 5;
    for (let i = 0; i < size; i++) {
      const y = pair % 2 === 0 ? size - 1 - i : i;
      for (const x of [right, right - 1])
        if (!isFunction(x, y, size, version)) bits += at(x, y) ^ flipped(mask, x, y);
    }
  }
  return (bits.match(/.{8}/g) ?? []).map((word) => Number.parseInt(word, 2));
}

function isFunction(x: number, y: number, size: number, version: number): boolean {
  if ((x < 9 && y < 9) || (x >= size - 8 && y < 9) || (x < 9 && y >= size - 8)) return true;
  if (x === 6 || y === 6) return true;
  if (version >= 7 && ((x >= size - 11 && y < 6) || (y >= size - 11 && x < 6))) return true;
  const middle = version >= 7 ? [6, (size - 7 + 6) / 2, size - 7] : [size - 7];
  const near = (a: number) => middle.find((centre) => Math.abs(a - centre) <= 2);
  if (version === 1 || near(x) === undefined || near(y) === undefined) return false;
  const atEdge = (a: number) => near(a) === 6 || near(a) === size - 7;
  // In the three corners with finders there is none.
  return !(atEdge(x) && atEdge(y) && (near(x) === 6 || near(y) === 6));
}

function flipped(mask: number, x: number, y: number): number {
  const [sum, product] = [x + y, x * y];
  const zero = [
    ...[sum % 2, y % 2, x % 3, sum % 3, ((y >> 1) + Math.floor(x / 3)) % 2],
    ...[(product % 2) + (product % 3), (product + (product % 3)) % 2, (sum + (product % 3)) % 2],
  ][mask];
  return zero === 0 ? 1 : 0;
}

function gather(words: readonly number[], blocks: readonly number[], checks: number): number[][] {
  const parts = blocks.map((): number[] => []);
  let next = 0;
  const deal = (to: number[][], lengths: readonly number[]) => {
    for (let i = 0; i < Math.max(...lengths); i++)
      lengths.forEach((length, n) => {
        if (i < length) to[n]?.push(words[next++] as number);
      });
  };
  deal(parts, blocks);
  const all = parts.map((part) => [...part]);
  deal(
    all,
    blocks.map(() => checks),
  );
  for (const block of all)
    for (let n = 0; n < checks; n++) {
      const syndrome = block.reduce((sum, word) => times(sum, power(n)) ^ word, 0);
      if (syndrome !== 0) throw new Error('a codeword is wrong');
    }
  return parts;
}
