// What a client may acknowledge: docs/protocols/flexim.md §7.3.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Acks } from '../../../src/protocols/flexim/acks.ts';

const test = suite('flexim acks');

const received = (count: number): Acks => {
  const acks = new Acks();
  for (let n = 1; n <= count; n++) assert.is(acks.next(), n);
  return acks;
};

test('in order, each is one more', () => {
  const acks = received(3);
  assert.is(acks.safe, 0);
  for (let n = 1; n <= 3; n++) {
    assert.is(acks.done(n), true);
    assert.is(acks.safe, n);
  }
});

test('up to the first gap, and on when it is filled', () => {
  const acks = received(5);
  for (const n of [2, 5, 3]) assert.is(acks.done(n), false);
  assert.is(acks.safe, 0);
  assert.is(acks.done(1), true);
  assert.is(acks.safe, 3);
  assert.is(acks.done(4), true);
  assert.is(acks.safe, 5);
});

test('twice is once, and what never came is not done', () => {
  const acks = received(2);
  assert.is(acks.done(1), true);
  assert.is(acks.done(1), false);
  for (const n of [0, -1, 4, 2.5, Number.NaN, Number.POSITIVE_INFINITY]) acks.done(n);
  assert.is(acks.safe, 1);
  assert.is(acks.done(2), true);
  for (let n = 3; n <= 5; n++) assert.is(acks.next(), n);
  assert.is(acks.safe, 2, 'and nothing was done before it came');
  assert.is(acks.done(3), true);
  assert.is(acks.safe, 3);
});

test('in any order, mixed with arrivals, it is the longest beginning that is done', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -2, max: 12 }), { maxLength: 60 }), (moves) => {
      const acks = new Acks();
      const done = new Set<number>();
      let count = 0;
      for (const move of moves) {
        const before = acks.safe;
        // Below 1 another one comes.
        if (move < 1) assert.is(acks.next(), ++count);
        else if (move <= count) {
          done.add(move);
          const isMore = acks.done(move);
          assert.is(isMore, acks.safe > before);
        }
        let safe = 0;
        while (done.has(safe + 1)) safe++;
        assert.is(acks.safe, safe);
      }
    }),
    { seed: 5, numRuns: 2_000 },
  );
});

test.run();
