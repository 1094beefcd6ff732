// Random histories of steps, each run on a world of its own. The shortest that fails is shown with what
// went wrong in it, and how to run it again.

import fc from 'fast-check';

export interface Runs {
  readonly seed: number;
  readonly numRuns: number;
}

export async function histories<T>(
  arbitrary: fc.Arbitrary<T>,
  run: (history: T) => Promise<void>,
  { seed, numRuns }: Runs,
): Promise<void> {
  const result = await fc.check(fc.asyncProperty(arbitrary, run), { seed, numRuns });
  if (!result.failed) return;
  const { counterexample, counterexamplePath, errorInstance } = result;
  const shown = JSON.stringify(counterexample?.[0]);
  const again = `seed ${seed}, path ${counterexamplePath}`;
  const why = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
  throw new Error(`${why}\n    in ${shown}\n    ${again}`);
}
