// Inputs for fuzzing: random bytes, and seeds that were mutated. The same seed gives the same inputs
// on every machine.

/** A number from 0 up to, but not including, `below`. */
export type Random = (below: number) => number;

/** mulberry32: small, quick, and good enough to pick bits to flip. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export function randomBytes(next: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => next(256));
}

type Mutation = (bytes: Uint8Array, next: Random, seeds: readonly Uint8Array[]) => Uint8Array;

function changed(bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice();
  if (copy.length > 0) change(copy);
  return copy;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

const flip: Mutation = (bytes, next) =>
  changed(bytes, (copy) => {
    const at = next(copy.length);
    copy[at] = (copy[at] as number) ^ (1 << next(8));
  });

const overwrite: Mutation = (bytes, next) =>
  changed(bytes, (copy) => {
    copy[next(copy.length)] = next(256);
  });

const truncate: Mutation = (bytes, next) => bytes.slice(0, next(bytes.length + 1));

const insert: Mutation = (bytes, next) => {
  const at = next(bytes.length + 1);
  return joined(bytes.subarray(0, at), randomBytes(next, 1 + next(8)), bytes.subarray(at));
};

const repeat: Mutation = (bytes, next) => {
  const at = next(bytes.length + 1);
  const part = bytes.subarray(at, at + 1 + next(16));
  const parts = Array.from({ length: 1 + next(40) }, () => part);
  return joined(bytes.subarray(0, at), ...parts, bytes.subarray(at));
};

const splice: Mutation = (bytes, next, seeds) => {
  const other = seeds[next(seeds.length)] ?? bytes;
  return joined(bytes.subarray(0, next(bytes.length + 1)), other.subarray(next(other.length + 1)));
};

// Lengths that parsers get wrong: none, all ones, the sign bit, one more or less than there is.
const tamper: Mutation = (bytes, next) =>
  changed(bytes, (copy) => {
    const width = [1, 2, 4][next(3)] as number;
    if (copy.length < width) return;
    const at = next(copy.length - width + 1);
    const rest = copy.length - at - width;
    const value = [0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), rest, rest + 1, rest - 1][
      next(7)
    ];
    const wrapped = ((value as number) + 2 ** 32) % 2 ** (8 * width);
    const view = Buffer.from(copy.buffer, copy.byteOffset);
    if (next(2) === 0) view.writeUIntBE(wrapped, at, width);
    else view.writeUIntLE(wrapped, at, width);
  });

const MUTATIONS = [flip, overwrite, truncate, insert, repeat, splice, tamper, tamper];
const MAX_INPUT = 4096; // repeated repeats would grow without end

/** One input: mostly a seed with one to four mutations, sometimes a seed as it is or random bytes. */
export function input(next: Random, seeds: readonly Uint8Array[]): Uint8Array {
  if (seeds.length === 0 || next(10) === 0) return randomBytes(next, next(64));
  let bytes = seeds[next(seeds.length)] as Uint8Array;
  for (let i = next(5); i > 0; i--) {
    const mutate = MUTATIONS[next(MUTATIONS.length)] as Mutation;
    bytes = mutate(bytes, next, seeds).slice(0, MAX_INPUT);
  }
  return bytes.slice();
}
