// The porter's rests: short ones, after work only, however often it is asked.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rests } from '../../src/cli/porter/rest.ts';

const test = suite('rests');

test('a moment of sleep after enough work, and none before', () => {
  let now = 0;
  const slept: number[] = [];
  const rest = rests({ now: () => now }, (ms) => {
    slept.push(ms);
    now += ms;
  });
  rest();
  now += 0.05;
  rest();
  assert.equal(slept, []);
  now += 0.06;
  rest();
  rest(); // sleep is no work
  assert.equal(slept, [0.05]);
  now += 3;
  rest();
  assert.is(slept.length, 2); // one rest, however long the work was
});

test('it is a real sleep', () => {
  const rest = rests({ now: () => performance.now() });
  let slept = 0;
  for (let n = 0; n < 100; n++) {
    const work = performance.now();
    while (performance.now() - work < 0.11);
    const began = performance.now();
    rest();
    slept += performance.now() - began;
  }
  assert.ok(slept > 4, `${slept} ms`);
});

test.run();
