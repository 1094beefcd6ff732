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

test('it is a real sleep, and soon over', () => {
  const rest = rests({ now: () => performance.now() });
  const before = process.cpuUsage();
  const began = performance.now();
  for (let n = 0; n < 200; ) {
    const at = performance.now();
    while (performance.now() - at < 0.11);
    rest();
    n++;
  }
  const { user, system } = process.cpuUsage(before);
  assert.ok(performance.now() - began > (user + system) / 1_000 + 200 * 0.03);
});

test.run();
