// Feeds inputs to targets. A target fails at the first input that makes it throw anything but a
// FleximError, or that takes too long; the input is given as hex so that it can become a test.

import { isFleximError } from '../../src/lib/errors.ts';
import { input, random } from './inputs.ts';
import type { Target } from './targets.ts';

const TOO_LONG_MS = 1000;

export interface Options {
  readonly count: number; // inputs for each target
  readonly seed: number;
  readonly progress?: (target: string, done: number, failure: string | null) => void;
}

export interface Outcome {
  readonly target: string;
  readonly accepted: number; // inputs that did not throw: none means that the seeds are no good
  readonly failure: string | null;
}

export function fuzz(targets: readonly Target[], options: Options): Outcome[] {
  return targets.map((target) => fuzzOne(target, options));
}

function fuzzOne({ name, seeds, parse }: Target, { count, seed, progress }: Options): Outcome {
  const next = random(seed);
  let accepted = 0;
  for (let i = 0; i < count; i++) {
    const bytes = input(next, seeds);
    const given = bytes.slice(); // what is reported, should parse write into its input
    const began = performance.now();
    let problem: string | null = null;
    try {
      parse(bytes);
      accepted++;
    } catch (error) {
      if (!isFleximError(error)) problem = error instanceof Error ? `${error.stack}` : `${error}`;
    }
    const took = performance.now() - began;
    if (took > TOO_LONG_MS) problem ??= `took ${Math.round(took)} ms`;
    if (problem) {
      const failure = `input ${i} (${Buffer.from(given).toString('hex')}): ${problem}`;
      progress?.(name, i, failure);
      return { target: name, accepted, failure };
    }
    if (progress && (i + 1) % 100_000 === 0) progress(name, i + 1, null);
  }
  return { target: name, accepted, failure: null };
}
