// The crash model with the messenger's own rules in the place of the prototype, on sealed stores that a new
// process reads back after each crash; and mistakes planted in it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Mutant } from './client.ts';
import { REAL } from './real.ts';
import { type Check, runModel, Violation } from './world.ts';

const SEEDS = 60;
const test = suite('FE1 crash model, the real rules');
const met = new Set<string>();

test(`${SEEDS} seeds: no key twice, nothing twice, nothing lost, all pairs converge`, () => {
  for (let seed = 1; seed <= SEEDS; seed++)
    try {
      runModel({ seed, clients: REAL, count: (what) => met.add(what) });
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
});

const EXPECTED = [
  ...['crash before commit', 'crash after commit', 'crash after transmit', 'crash after ack'],
  ...['relay restarted', 'queue full', 'replay', 'reorder', 'state lost', 'bundle withheld'],
  ...['old bundle given', 'one-time key given twice', 'INIT', 'INIT without one-time key'],
  ...['INIT of a dropped session', 'envelope-duplicate', 'envelope-rejected', 'known id', 'resent'],
  ...['live', 'no room', 'SPR rotated', 'SPR wiped', 'GEN sent', 'GEN heeded', 'session dropped'],
  ...['new session: none yet', 'new session: GEN', 'new session: lost state'],
  ...['new session: INIT unanswered', 'new session: resend did not help', 'new session: full'],
];

test('every kind of crash, fault and recovery came to pass', () => {
  assert.equal(
    EXPECTED.filter((what) => !met.has(what)),
    [],
  );
});

const CAUGHT_BY: Partial<Readonly<Record<Mutant, readonly Check[]>>> = {
  'transmit before commit': ['message key used twice', 'header number used twice', 'forged'],
  'no id memory': ['delivered twice'],
  'no INIT memory': ['INIT opened twice', 'header number used twice'],
};

for (const [name, checks] of Object.entries(CAUGHT_BY))
  test(`planted: ${name}: ${checks.join(' or ')}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++)
      try {
        runModel({ seed, clients: REAL, mutant: name as Mutant });
      } catch (error) {
        if (error instanceof Violation && checks.includes(error.check)) return;
      }
    assert.unreachable(`${SEEDS} seeds did not see it`);
  });

test.run();
