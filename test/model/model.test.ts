// A short run of the crash model; 200 seeds, 60 with the real rules, and the planted mistakes: npm run test:long.

import { suite } from 'uvu';
import { REAL } from './real.ts';
import { runModel } from './world.ts';

const test = suite('FE1 crash model, short');

test('4 seeds: no key twice, nothing twice, nothing lost, all pairs converge', () => {
  for (let seed = 1; seed <= 4; seed++) runModel({ seed });
});

test("2 seeds with the messenger's own rules and sealed stores", () => {
  for (let seed = 1; seed <= 2; seed++) runModel({ seed, clients: REAL });
});

test.run();
