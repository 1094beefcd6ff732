// The crash model with 200 fixed seeds (more and random ones: npm run model), and that these runs met
// what they are for.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runModel } from './world.ts';

const SEEDS = 200;
const test = suite('FE1 crash model');
const met = new Map<string, number>();

test(`${SEEDS} seeds: no key twice, nothing twice, nothing lost, all pairs converge`, () => {
  const count = (what: string) => met.set(what, (met.get(what) ?? 0) + 1);
  for (let seed = 1; seed <= SEEDS; seed++)
    try {
      runModel({ seed, count });
    } catch (error) {
      throw new Error(`npm run model -- --count 1 --seed ${seed}`, { cause: error });
    }
});

const EXPECTED = [
  'crash before commit',
  'crash after commit',
  'crash after transmit',
  'crash after ack',
  'relay restarted',
  'queue full',
  'expired in the queue',
  'replay',
  'reorder',
  'state lost',
  'bundle withheld',
  'old bundle given',
  'one-time key given twice',
  'INIT',
  'INIT without one-time key',
  'INIT of a dropped session',
  'envelope-duplicate',
  'envelope-rejected',
  'known id',
  'resent',
  'live',
  'no room',
  'SPR rotated',
  'GEN sent',
  'GEN heeded',
  'session dropped',
  'new session: none yet',
  'new session: GEN',
  'new session: lost state',
  'new session: INIT unanswered',
  'new session: resend did not help',
  'new session: full',
];

test('every kind of crash, fault and recovery came to pass', () => {
  const missing = EXPECTED.filter((what) => !met.has(what));
  assert.equal(missing, []);
});

test('a seed is a run: the same events each time', () => {
  const events = () => {
    const lines: string[] = [];
    runModel({ seed: 7, trace: (line) => void lines.push(line) });
    return lines;
  };
  const first = events();
  assert.ok(first.length > 100);
  assert.equal(events(), first);
});

test.run();
