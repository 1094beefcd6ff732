// Poly1305 (RFC 8439, 2.5): numbers of 130 bits are five limbs of 26, so that a product of two limbs, and the sum of
// five such, has room in 64 bits. Nothing branches on, or is looked up by, what is secret.

import {
  type Code,
  type Definition,
  i32,
  i64,
  repeatWhile,
  type Variable,
  Writer,
} from './wasm.ts';

export const MAC_BYTES = 16;

const FIVE = [0, 1, 2, 3, 4];
const LIMB = 26n;
const LIMB_MASK = (1n << LIMB) - 1n;
const WORD_MASK = (1n << 32n) - 1n;
/** r has some bits that are always zero; these are its limbs. */
const R_MASKS = [0x3ffffffn, 0x3ffff03n, 0x3ffc0ffn, 0x3f03fffn, 0x00fffffn];

type Limbs = readonly [Variable, Variable, Variable, Variable, Variable];

/** Limb i of the 16 bytes there, with the bits of the next one above it. */
const limbAt = (at: Code, i: number): Code =>
  i === 0 ? i64.load32(at) : i64.shr(i64.load32(at, 3 * i), i64.of(BigInt(2 * i)));

/**
 * (key, at, length, mac): the MAC of so many bytes there. The 16 bytes behind them are overwritten. What is at
 * `key` are r and s, 16 bytes each.
 */
export function authenticate(): Definition {
  const it = new Writer(4, false);
  const [key, at, left, mac] = quad(FIVE.map((i) => it.parameter(i)));
  const limbs = () => FIVE.map(() => it.declare('i64')) as unknown as Limbs;
  const [r, r5, h, sum] = [limbs(), limbs(), limbs(), limbs()];
  const over = it.declare('i64');

  // Behind the last byte stands a 1, as it would above each whole block.
  const end = i32.add(at.get, left.get);
  it.write(i64.store(end, i64.of(1n)), i64.store(end, i64.of(0n), 8));
  for (const i of FIVE) {
    const [one, five] = [r[i] as Variable, r5[i] as Variable];
    it.write(one.set(i64.and(limbAt(key.get, i), i64.of(R_MASKS[i] as bigint))));
    it.write(five.set(i64.mul(one.get, i64.of(5n))));
  }
  it.write(
    repeatWhile(
      i32.isLess(i32.of(0), left.get),
      [
        ...added(h, at.get, i32.isLess(i32.of(15), left.get)),
        ...multiplied({ h, r, r5, sum }),
        at.set(i32.add(at.get, i32.of(16))),
        left.set(i32.sub(left.get, i32.of(16))),
      ].flat(),
    ),
    ...reduced(h, sum, over),
    ...written(h, i32.add(key.get, i32.of(16)), mac.get, over),
  );
  return it.definition;
}

const quad = <T>(items: readonly T[]) => items as unknown as readonly [T, T, T, T];

/** h + the block there, with a bit above it when it is a whole one. */
function added(h: Limbs, at: Code, isWhole: Code): Code[] {
  return FIVE.map((i) => {
    const limb = h[i] as Variable;
    const part =
      i < 4
        ? i64.and(limbAt(at, i), i64.of(LIMB_MASK))
        : i64.or(limbAt(at, i), i64.shl(i64.from(isWhole), i64.of(24n)));
    return limb.set(i64.add(limb.get, part));
  });
}

/** To h goes h × r modulo 2^130 − 5, but for what has to be carried on from limb 1. */
function multiplied(of: { h: Limbs; r: Limbs; r5: Limbs; sum: Limbs }): Code[] {
  const { h, r, r5, sum } = of;
  const products = FIVE.map((i) => {
    const terms = FIVE.map((j) => {
      const factor = (j <= i ? r[i - j] : r5[5 + i - j]) as Variable;
      return i64.mul((h[j] as Variable).get, factor.get);
    });
    return (sum[i] as Variable).set(terms.reduce((a, b) => i64.add(a, b)));
  });
  return [
    ...products,
    ...[0, 1, 2, 3].map((i) => carried(sum[i] as Variable, sum[i + 1] as Variable)),
    ...aroundTo(sum[0], sum[4]),
    ...FIVE.map((i) => (h[i] as Variable).set((sum[i] as Variable).get)),
    carried(h[0], h[1]),
  ];
}

/** What is above the limb goes to the next one. */
function carried(from: Variable, to: Variable): Code {
  return [
    ...to.set(i64.add(to.get, i64.shr(from.get, i64.of(LIMB)))),
    ...from.set(i64.and(from.get, i64.of(LIMB_MASK))),
  ];
}

/** What is above bit 130 counts five times at the bottom. */
const aroundTo = (lowest: Variable, highest: Variable): Code[] => [
  lowest.set(i64.add(lowest.get, i64.mul(i64.shr(highest.get, i64.of(LIMB)), i64.of(5n)))),
  highest.set(i64.and(highest.get, i64.of(LIMB_MASK))),
];

/** To h goes h modulo 2^130 − 5, fully. */
function reduced(h: Limbs, less: Limbs, mask: Variable): Code[] {
  return [
    ...[1, 2, 3].map((i) => carried(h[i] as Variable, h[i + 1] as Variable)),
    ...aroundTo(h[0], h[4]),
    carried(h[0], h[1]),
    // h + 5 − 2^130, which is negative when h is smaller than the modulus.
    less[0].set(i64.add(h[0].get, i64.of(5n))),
    ...[1, 2, 3, 4].flatMap((i) => {
      const [lower, limb] = [less[i - 1] as Variable, less[i] as Variable];
      return [limb.set((h[i] as Variable).get), carried(lower, limb)];
    }),
    less[4].set(i64.sub(less[4].get, i64.of(1n << LIMB))),
    mask.set(i64.sub(i64.shr(less[4].get, i64.of(63n)), i64.of(1n))), // all ones when it is not
    ...FIVE.map((i) => {
      const [one, other] = [h[i] as Variable, less[i] as Variable];
      return one.set(i64.xor(one.get, i64.and(i64.xor(one.get, other.get), mask.get)));
    }),
  ];
}

/** The low 128 bits of h + s. */
function written(h: Limbs, s: Code, mac: Code, carry: Variable): Code[] {
  const words = [0, 1, 2, 3].flatMap((i) => {
    const low = i64.shr((h[i] as Variable).get, i64.of(BigInt(6 * i)));
    const high = i64.shl((h[i + 1] as Variable).get, i64.of(BigInt(26 - 6 * i)));
    const word = i64.and(i64.or(low, high), i64.of(WORD_MASK));
    return [
      carry.set(i64.add(i64.add(word, i64.load32(s, 4 * i)), carry.get)),
      i64.store32(mac, carry.get, 4 * i),
      carry.set(i64.shr(carry.get, i64.of(32n))),
    ];
  });
  return [carry.set(i64.of(0n)), ...words];
}
