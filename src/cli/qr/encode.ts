// QR codes (ISO/IEC 18004): bytes, error level M, versions 1 to 9, which take up to 180 bytes. Built in
// the order of the standard: codewords, blocks with their correction, function patterns, data, mask.

import { correction } from './correction.ts';
import { bestMask, masked } from './mask.ts';
import type { Matrix } from './matrix.ts';

interface Version {
  readonly correction: number; // codewords in each block
  readonly blocks: readonly number[]; // data codewords of each
  readonly centres: readonly number[]; // of alignment patterns
}

const VERSIONS: readonly Version[] = [
  { correction: 10, blocks: [16], centres: [] },
  { correction: 16, blocks: [28], centres: [6, 18] },
  { correction: 26, blocks: [44], centres: [6, 22] },
  { correction: 18, blocks: [32, 32], centres: [6, 26] },
  { correction: 24, blocks: [43, 43], centres: [6, 30] },
  { correction: 16, blocks: [27, 27, 27, 27], centres: [6, 34] },
  { correction: 18, blocks: [31, 31, 31, 31], centres: [6, 22, 38] },
  { correction: 22, blocks: [38, 38, 39, 39], centres: [6, 24, 42] },
  { correction: 22, blocks: [36, 36, 36, 37, 37], centres: [6, 26, 46] },
];
const HEAD = 2; // 4 bits of mode and 8 of length before the bytes, 4 bits of end behind
const BYTE_MODE = 0b0100;
const PADDING = [0xec, 0x11];
const LEVEL_M = 0b00;
const FORMAT = { generator: 0x537, mask: 0x5412 };
const VERSION_GENERATOR = 0x1f25;

/** Throws a RangeError for more than 180 bytes. The mask is the best one unless it is given. */
export function encodeQr(bytes: Uint8Array, mask?: number): Matrix {
  const index = VERSIONS.findIndex(({ blocks }) => sum(blocks) >= bytes.length + HEAD);
  const version = VERSIONS[index];
  if (!version) throw new RangeError('a QR code of these versions takes 180 bytes');
  const grid = new Grid(index + 1, version.centres);
  grid.fill(interleave(codewords(bytes, sum(version.blocks)), version));
  const finish = (n: number) => grid.finished(n);
  return finish(mask ?? bestMask(finish));
}

function codewords(bytes: Uint8Array, count: number): Uint8Array {
  const out = new Uint8Array(count);
  // Half a byte of mode shifts everything by half a byte.
  const nibbles = [BYTE_MODE, bytes.length >> 4, bytes.length & 15];
  for (const byte of bytes) nibbles.push(byte >> 4, byte & 15);
  nibbles.push(0);
  for (let i = 0; i < nibbles.length; i += 2)
    out[i / 2] = ((nibbles[i] as number) << 4) | (nibbles[i + 1] as number);
  for (let i = nibbles.length / 2, n = 0; i < count; i++, n++) out[i] = PADDING[n % 2] as number;
  return out;
}

/** First codeword of each block, then the second of each …, and so the correction behind. */
function interleave(data: Uint8Array, { blocks, correction: extra }: Version): number[] {
  const parts = blocks.map((length, i) => {
    const at = sum(blocks.slice(0, i));
    return data.subarray(at, at + length);
  });
  const checks = parts.map((part) => correction(part, extra));
  return [...columns(parts), ...columns(checks)];
}

function columns(parts: readonly Uint8Array[]): number[] {
  const longest = Math.max(...parts.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => parts.map((part) => part[i]))
    .flat()
    .filter((byte) => byte !== undefined);
}

class Grid {
  readonly #size: number;
  readonly #version: number;
  readonly #dark: boolean[][];
  readonly #fixed: boolean[][]; // modules that no mask changes

  constructor(version: number, centres: readonly number[]) {
    this.#version = version;
    this.#size = 17 + 4 * version;
    const empty = () => Array.from({ length: this.#size }, () => new Array(this.#size).fill(false));
    this.#dark = empty();
    this.#fixed = empty();
    this.#finders();
    this.#timing();
    this.#alignment(centres);
    this.#formatted(0); // keeps the places; the bits come with the mask
    if (version >= 7) this.#versioned();
  }

  /** Two columns at a time from the right, up and down in turn. */
  fill(words: readonly number[]): void {
    let bit = 0;
    let isUp = true;
    for (let right = this.#size - 1; right > 0; right -= 2) {
      if (right === 6) right--; // the column of the timing pattern
      for (let step = 0; step < this.#size; step++) {
        const y = isUp ? this.#size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.#fixed[y]?.[x]) continue;
          const word = words[bit >> 3] ?? 0; // a few modules may be left over
          (this.#dark[y] as boolean[])[x] = ((word >> (7 - (bit & 7))) & 1) === 1;
          bit++;
        }
      }
      isUp = !isUp;
    }
  }

  finished(mask: number): Matrix {
    this.#formatted(mask);
    return masked(this.#dark, this.#fixed, mask);
  }

  #set(x: number, y: number, dark: boolean): void {
    if (x < 0 || y < 0 || x >= this.#size || y >= this.#size) return;
    (this.#dark[y] as boolean[])[x] = dark;
    (this.#fixed[y] as boolean[])[x] = true;
  }

  /** Squares in squares around a centre; `rings` are the distances that are dark. */
  #square(cx: number, cy: number, rings: readonly number[], reach: number): void {
    for (let y = -reach; y <= reach; y++)
      for (let x = -reach; x <= reach; x++)
        this.#set(cx + x, cy + y, rings.includes(Math.max(Math.abs(x), Math.abs(y))));
  }

  #finders(): void {
    const far = this.#size - 4;
    for (const [x, y] of [
      [3, 3],
      [far, 3],
      [3, far],
    ] as const)
      this.#square(x, y, [0, 1, 3], 4);
  }

  #timing(): void {
    for (let i = 8; i < this.#size - 8; i++) {
      this.#set(i, 6, i % 2 === 0);
      this.#set(6, i, i % 2 === 0);
    }
  }

  #alignment(centres: readonly number[]): void {
    const last = this.#size - 7;
    const isCorner = (x: number, y: number) =>
      (x === 6 && y === 6) || (x === 6 && y === last) || (x === last && y === 6);
    for (const x of centres)
      for (const y of centres) if (!isCorner(x, y)) this.#square(x, y, [0, 2], 2);
  }

  /** Level and mask, twice, and the one module that is always dark. */
  #formatted(mask: number): void {
    const bits = withCheck((LEVEL_M << 3) | mask, 10, FORMAT.generator) ^ FORMAT.mask;
    const { length } = FORMAT_PLACES;
    FORMAT_PLACES.forEach(([x, y], i) => {
      const dark = ((bits >> i) & 1) === 1;
      this.#set(x, y, dark);
      if (i < 8) this.#set(this.#size - 1 - i, 8, dark);
      else this.#set(8, this.#size - length + i, dark);
    });
    this.#set(8, this.#size - 8, true);
  }

  #versioned(): void {
    const bits = withCheck(this.#version, 12, VERSION_GENERATOR);
    for (let i = 0; i < 18; i++) {
      const dark = ((bits >> i) & 1) === 1;
      const [short, long] = [Math.floor(i / 3), this.#size - 11 + (i % 3)];
      this.#set(short, long, dark);
      this.#set(long, short, dark);
    }
  }
}

/** Around the upper left finder, the lowest bit first; x, y. */
const FORMAT_PLACES: readonly (readonly [number, number])[] = [
  ...[0, 1, 2, 3, 4, 5, 7, 8].map((y) => [8, y] as const),
  ...[7, 5, 4, 3, 2, 1, 0].map((x) => [x, 8] as const),
];

/** A value with the check bits of a BCH code behind it. */
function withCheck(value: number, bits: number, generator: number): number {
  let rest = value << bits;
  for (let i = 31 - Math.clz32(rest); i >= bits; i--)
    if ((rest >> i) & 1) rest ^= generator << (i - bits);
  return (value << bits) | rest;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
