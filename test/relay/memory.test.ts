// The budget for what waits in all connections: docs/protocols/flexim.md §7.6.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Memory } from '../../src/relay/memory.ts';

const test = suite('memory');

test.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
test.after.each(() => mock.timers.reset());

function memory(budget: number, most: number, used = 0) {
  const calls: number[] = [];
  const limits = { memoryBytes: budget, waitingBytes: most };
  const it = new Memory({ limits, relieve: () => calls.push(it.used) });
  it.account(used);
  return { it, calls };
}

test('to half of it everybody may hold much, then each an equal part of a half', () => {
  for (const [used, connections, share] of [
    [0, 1, 100],
    [500, 1_000, 100], // half is not more than half
    [501, 1, 100], // not more than that in any case
    [501, 5, 100],
    [501, 6, 500 / 6],
    [501, 1_000, 0.5],
    [501, 0, 100],
    [10_000, 50, 10],
  ] as const) {
    const { it } = memory(1_000, 100, used);
    assert.is(it.share(connections), share, `${used} by ${connections}`);
    assert.is(it.isShort, used > 500);
    assert.is(it.excess, used - 500);
  }
});

test('changes add up, down to nothing', () => {
  const { it } = memory(1_000, 100);
  for (const change of [5, 10, -3, 0, -12]) it.account(change);
  assert.is(it.used, 0);
});

test('past three quarters room is made, a little later, and once for many changes', () => {
  const { it, calls } = memory(1_000, 100);
  it.account(750);
  mock.timers.tick(1_000);
  assert.equal(calls, [], 'not at three quarters');
  it.account(1);
  it.account(1);
  it.account(1);
  mock.timers.tick(19);
  assert.equal(calls, []);
  mock.timers.tick(1);
  assert.equal(calls, [753]);
  mock.timers.tick(1_000);
  assert.equal(calls, [753], 'nothing has changed since');
  it.account(-1);
  mock.timers.tick(20);
  assert.equal(calls, [753, 752], 'still too much');
  it.account(-2);
  mock.timers.tick(1_000);
  assert.is(calls.length, 2);
});

test('what becomes free while it is looked at starts nothing new', () => {
  let calls = 0;
  const it = new Memory({
    limits: { memoryBytes: 100, waitingBytes: 10 },
    relieve: () => {
      calls++;
      it.account(-80);
    },
  });
  it.account(90);
  mock.timers.tick(20);
  assert.equal([calls, it.used], [1, 10]);
  mock.timers.tick(1_000);
  assert.is(calls, 1);
});

test.run();
