// A short run of the crash model; 200 seeds and the planted mistakes: npm run test:long.

import { suite } from 'uvu';
import { REAL } from './real.ts';
import { runModel } from './world.ts';

const test = suite('FE1 crash model, short');

test('12 seeds: no key twice, nothing twice, nothing lost, all pairs converge', () => {
  for (let seed = 1; seed <= 12; seed++) runModel({ seed });
});

test("6 seeds with the messenger's own rules and sealed stores", () => {
  for (let seed = 1; seed <= 6; seed++) runModel({ seed, clients: REAL });
});

test.run();
