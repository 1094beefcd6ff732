// ChaCha20 (RFC 8439, 2.3) for four blocks at once: each of its sixteen words is a vector with a lane for each block.

import {
  type Code,
  type Definition,
  i32,
  repeatWhile,
  type Variable,
  v128,
  Writer,
} from './wasm.ts';

export const BLOCK_BYTES = 64;
export const BLOCKS = 4; // at a time

const DOUBLE_ROUNDS = 10;
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]; // "expand 32-byte k"
const COUNTER = 12; // the word of the counter; before it the key, behind it the nonce
const WORDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const FOUR = [0, 1, 2, 3];

/** Places of v128.shuffle that take from the first and the second vector in turns, so many bytes of each. */
const halves = (bytes: number, from: number): number[] =>
  Array.from({ length: 16 }, (_, i) => {
    const [item, at] = [Math.floor(i / bytes), i % bytes];
    return (item % 2) * 16 + from + Math.floor(item / 2) * bytes + at;
  });
const LOW_WORDS = halves(4, 0);
const HIGH_WORDS = halves(4, 8);
const LOW_PAIRS = halves(8, 0);
const HIGH_PAIRS = halves(8, 8);

type Quad = readonly [Variable, Variable, Variable, Variable];
const quad = <T>(items: readonly T[], ...at: number[]) =>
  at.map((i) => items[i]) as unknown as readonly [T, T, T, T];

/**
 * (key, counter, at): XORs four blocks, from this counter on, to the 256 bytes there. At `key` are 32 bytes,
 * and the nonce of 12.
 */
export function fourBlocks(): Definition {
  const it = new Writer(3, false);
  const [key, counter, at] = [it.parameter(0), it.parameter(1), it.parameter(2)];
  const words = WORDS.map(() => it.declare('v128'));
  const initial = (word: number): Code => {
    if (word < 4) return v128.each(i32.of(CONSTANTS[word] as number));
    if (word < COUNTER) return v128.loadEach(key.get, 4 * (word - 4));
    if (word > COUNTER) return v128.loadEach(key.get, 4 * (word - 5));
    return v128.add(v128.each(counter.get), v128.of([0, 1, 2, 3]));
  };
  for (const word of WORDS) it.write((words[word] as Variable).set(initial(word)));
  const columns = FOUR.map((i) => quad(words, i, 4 + i, 8 + i, 12 + i));
  const diagonals = FOUR.map((i) =>
    quad(words, i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4)),
  );
  const left = it.declare('i32');
  // A loop, and not one after the other: a message now and then finds nothing of it in the processor's cache.
  it.write(
    left.set(i32.of(DOUBLE_ROUNDS)),
    repeatWhile(left.get, [
      ...[...columns, ...diagonals].flatMap((four) => quarter(four)).flat(),
      ...left.set(i32.sub(left.get, i32.of(1))),
    ]),
  );
  for (const word of WORDS) {
    const sum = words[word] as Variable;
    it.write(sum.set(v128.add(sum.get, initial(word))));
  }
  const between = quad(
    FOUR.map(() => it.declare('v128')),
    0,
    1,
    2,
    3,
  );
  for (const i of FOUR) {
    const four = quad(words, 4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3);
    it.write(...transposed(four, between));
    for (const block of FOUR) {
      const offset = BLOCK_BYTES * block + 16 * i;
      const text = v128.load(at.get, offset);
      it.write(v128.store(at.get, v128.xor(text, (four[block] as Variable).get), offset));
    }
  }
  return it.definition;
}

function quarter([a, b, c, d]: Quad): Code[] {
  const step = (sum: Variable, other: Variable, turned: Variable, bits: number): Code[] => [
    sum.set(v128.add(sum.get, other.get)),
    turned.set(v128.xor(turned.get, sum.get)),
    turned.set(rotated(turned, bits)),
  ];
  return [...step(a, b, d, 16), ...step(c, d, b, 12), ...step(a, b, d, 8), ...step(c, d, b, 7)];
}

/** Each lane to the left; by whole bytes it is a shuffle, which takes one instruction. */
function rotated(word: Variable, bits: number): Code {
  if (bits % 8 > 0) return v128.or(v128.shl(word.get, bits), v128.shr(word.get, 32 - bits));
  const places = WORDS.map((i) => i - (i % 4) + ((i + 4 - bits / 8) % 4));
  return v128.shuffle(word.get, word.get, places);
}

/** Four words of four blocks become four times four words of a block. */
function transposed([a, b, c, d]: Quad, [p, q, r, s]: Quad): Code[] {
  return [
    p.set(v128.shuffle(a.get, b.get, LOW_WORDS)),
    q.set(v128.shuffle(c.get, d.get, LOW_WORDS)),
    r.set(v128.shuffle(a.get, b.get, HIGH_WORDS)),
    s.set(v128.shuffle(c.get, d.get, HIGH_WORDS)),
    a.set(v128.shuffle(p.get, q.get, LOW_PAIRS)),
    b.set(v128.shuffle(p.get, q.get, HIGH_PAIRS)),
    c.set(v128.shuffle(r.get, s.get, LOW_PAIRS)),
    d.set(v128.shuffle(r.get, s.get, HIGH_PAIRS)),
  ];
}
