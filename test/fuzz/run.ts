// Feeds inputs to targets. A target fails at the first input that makes it throw anything but a
// FleximError, or that takes too long; the input is given as hex so that it can become a test.

import { isFleximError } from '../../src/lib/errors.ts';
import { turn } from '../channel.ts';
import { input, random } from './inputs.ts';
import type { Target } from './targets.ts';

const TOO_LONG_MS = 1000;
const REST = 1000; // inputs, after which the event loop turns and progress is told

export interface Options {
  readonly count: number; // inputs for each target, fewer for one that has a cost
  readonly seed: number;
  readonly progress?: (done: number, inputs: number) => void;
}

export interface Outcome {
  readonly target: string;
  readonly inputs: number;
  readonly accepted: number; // inputs that did not throw: none means that the seeds are no good
  readonly failure: string | null;
}

export async function fuzz(targets: readonly Target[], options: Options): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const target of targets) outcomes.push(await fuzzOne(target, options));
  return outcomes;
}

async function fuzzOne(target: Target, { count, seed, progress }: Options): Promise<Outcome> {
  const { name, seeds, parse, cost = 1 } = target;
  const inputs = Math.ceil(count / cost);
  const next = random(seed);
  let accepted = 0;
  for (let i = 0; i < inputs; i++) {
    const bytes = input(next, seeds);
    const given = bytes.slice(); // what is reported, should parse write into its input
    const began = performance.now();
    let problem: string | null = null;
    try {
      const parsing = parse(bytes);
      if (parsing instanceof Promise) await parsing;
      accepted++;
    } catch (error) {
      if (!isFleximError(error)) problem = error instanceof Error ? `${error.stack}` : `${error}`;
    }
    const took = performance.now() - began;
    if (took > TOO_LONG_MS) problem ??= `took ${Math.round(took)} ms`;
    if (problem) {
      const failure = `input ${i} (${Buffer.from(given).toString('hex')}): ${problem}`;
      return { target: name, inputs, accepted, failure };
    }
    if ((i + 1) % REST !== 0) continue;
    await turn();
    progress?.(i + 1, inputs);
  }
  return { target: name, inputs, accepted, failure: null };
}
