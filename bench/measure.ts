// Measuring side by side: contestants take turns, each round in another order, so that what the
// machine does meanwhile hits all of them; the median counts and the spread is shown.

import { cpus } from 'node:os';

export interface Contestant {
  readonly name: string;
  /** Does the work once, checks what came out, and returns how many operations that was. */
  run(): number;
}

/** Contestants for the same job; the first is ours, the others are held against it. */
export interface Contest {
  readonly title: string;
  readonly unit: string; // of what run() counts
  readonly contestants: readonly Contestant[];
  /** By --check: how fast we must be beside another. */
  readonly atLeast: readonly { readonly name: string; readonly ratio: number }[];
}

export interface Row {
  readonly name: string;
  readonly median: number; // operations a second
  readonly min: number;
  readonly max: number;
  readonly ratio: number; // ours by this one, the median over rounds: above 1 we are faster
}

export interface Result {
  readonly title: string;
  readonly unit: string;
  readonly rows: readonly Row[];
}

/** What a bench found out: for people, and for programs. */
export interface Report {
  readonly title: string;
  readonly text: string;
  readonly data: unknown;
  /** What --check holds it to: ratios and sizes, for machines differ in speed. */
  readonly bounds: readonly { readonly what: string; readonly kept: boolean }[];
}

// Many short rounds: a busy machine disturbs some of them, and neighbours alike.
const ROUNDS = 60;
const ROUND_MS = 25;
const WARM_UP_MS = 400;

/** Operations a second over at least `milliseconds`. */
function rate(contestant: Contestant, milliseconds: number): number {
  let operations = 0;
  const began = performance.now();
  for (;;) {
    operations += contestant.run();
    const took = performance.now() - began;
    if (took >= milliseconds) return (operations / took) * 1000;
  }
}

export function measure({ title, unit, contestants }: Contest): Result {
  const rates = contestants.map((): number[] => []);
  // Twice: the second time around, the compiler has seen what the others do to shared code.
  for (let i = 0; i < 2; i++) for (const each of contestants) rate(each, WARM_UP_MS);
  for (let round = 0; round < ROUNDS; round++)
    for (let i = 0; i < contestants.length; i++) {
      const turn = (i + round) % contestants.length;
      const which = round % 2 === 0 ? turn : contestants.length - 1 - turn;
      rates[which]?.push(rate(contestants[which] as Contestant, ROUND_MS));
    }
  const ours = rates[0] as number[];
  const rows = contestants.map(({ name }, i): Row => {
    const all = rates[i] as number[];
    return {
      name,
      median: median(all),
      min: Math.min(...all),
      max: Math.max(...all),
      ratio: median(all.map((theirs, nth) => (ours[nth] as number) / theirs)),
    };
  });
  return { title, unit, rows };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

export function machine(): string {
  const all = cpus();
  const model = all[0]?.model.trim() ?? 'unknown processor';
  return `${model}, ${all.length} cores, node ${process.version}, ${process.platform} ${process.arch}`;
}

export function table({ title, unit, rows }: Result): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, median: middle, min, max, ratio }, i) => {
    const spread = `(${short(min)}–${short(max)})`.padEnd(19);
    const against = i === 0 ? '' : `${ratio.toFixed(2)} × as fast are we`;
    return `  ${name.padEnd(width)}  ${short(middle).padStart(8)} ${spread} ${against}`.trimEnd();
  });
  return [`${title}, ${unit}/s: median (min–max)`, ...lines].join('\n');
}

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(value >= 1e8 ? 0 : 2)} M`;
  return value >= 1e3 ? `${(value / 1e3).toFixed(0)} k` : value.toFixed(0);
}
