// Five mistakes, planted in the model's client: the model must see each of them within its fixed seeds.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Mutant } from './client.ts';
import { type Check, runModel, Violation } from './world.ts';

const SEEDS = 200;
const test = suite('FE1 crash model, planted mistakes');

const CAUGHT_BY: Readonly<Record<Exclude<Mutant, 'no resend'>, readonly Check[]>> = {
  'transmit before commit': ['message key used twice', 'header number used twice'],
  'acknowledge before commit, no resend': ['lost'],
  'no id memory': ['delivered twice'],
  'no INIT memory': ['INIT opened twice', 'header number used twice'],
  'insertion order': ['not converged'],
};

function violation(seed: number, mutant: Mutant): Check | null {
  try {
    runModel({ seed, mutant });
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.check;
    throw error;
  }
}

for (const [name, checks] of Object.entries(CAUGHT_BY))
  test(`${name}: ${checks.join(' or ')}`, () => {
    const mutant = name as keyof typeof CAUGHT_BY;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const check = violation(seed, mutant);
      if (!check || !checks.includes(check)) continue;
      // Without resending something is lost anyhow; the mistake must be the early acknowledgement.
      if (mutant.endsWith('no resend') && violation(seed, 'no resend')) continue;
      console.log(`${mutant}: seed ${seed}, ${check}`);
      return;
    }
    assert.unreachable(`${SEEDS} seeds did not see: ${mutant}`);
  });

test.run();
