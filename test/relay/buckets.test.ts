// Token buckets on a clock of our own: the rate, the burst, the wait that is told, and what is kept of
// strangers' names.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bucket, Buckets } from '../../src/relay/buckets.ts';
import { FakeClock } from '../clock.ts';

const RATE = { perSecond: 10, burst: 30 };

const one = suite('bucket');

one('gives the burst at once, then the rate; the wait it tells is exact', () => {
  const bucket = new Bucket();
  for (let i = 0; i < 30; i++) assert.is(bucket.take(1, 0, RATE), 0);
  assert.is(bucket.take(1, 0, RATE), 100);
  assert.is(bucket.take(3, 0, RATE), 300);
  assert.is(Math.round(bucket.take(1, 99, RATE)), 1);
  assert.is(bucket.take(1, 100, RATE), 0);
  assert.is(bucket.take(1, 100, RATE), 100, 'what was refused cost nothing');
  let taken = 0;
  for (let now = 100; now <= 10_100; now += 7) if (bucket.take(1, now, RATE) === 0) taken++;
  assert.ok(taken === 100 || taken === 99, `${taken} in ten seconds`);
});

one('holds no more than the burst, however long nobody takes', () => {
  const bucket = new Bucket();
  assert.is(bucket.take(30, 1e9, RATE), 0);
  assert.is(bucket.take(30, 1e9 + 1e7, RATE), 0);
  assert.is(bucket.take(1, 1e9 + 1e7, RATE), 100);
});

one('more than it holds is given to a full one, and is paid for', () => {
  const bucket = new Bucket();
  assert.is(bucket.take(50, 0, RATE), 0);
  assert.is(bucket.take(1, 0, RATE), 2_100);
  assert.is(bucket.take(50, 4_000, RATE), 1_000);
  assert.is(bucket.take(50, 5_000, RATE), 0);
});

one('spend always takes, and tells when the debt is paid', () => {
  const bucket = new Bucket();
  assert.is(bucket.spend(30, 0, RATE), 0);
  assert.is(bucket.spend(5, 0, RATE), 500);
  assert.is(bucket.spend(5, 100, RATE), 900);
  assert.is(Math.round(bucket.spend(0, 999, RATE)), 1);
  assert.is(bucket.spend(0, 1_000, RATE), 0);
  assert.is(Math.round(bucket.spend(1, 1_000, RATE)), 100);
});

one('the rate may change while it is in use; Infinity is no limit', () => {
  const bucket = new Bucket();
  assert.is(bucket.take(30, 0, RATE), 0);
  assert.is(bucket.take(10, 0, { perSecond: 10, burst: 40 }), 0);
  assert.is(bucket.take(1, 0, { perSecond: 1, burst: 40 }), 1_000);
  for (const [perSecond, burst] of [
    [Infinity, 1],
    [1, Infinity],
    [Infinity, Infinity],
  ] as const) {
    const free = new Bucket();
    for (let i = 0; i < 100; i++) {
      assert.is(free.take(1e9, 0, { perSecond, burst }), 0);
      assert.is(free.spend(1e9, 0, { perSecond, burst }), 0);
    }
  }
});

one('is full again after the time that filling takes, not before', () => {
  const bucket = new Bucket();
  assert.ok(bucket.isFull(0, RATE));
  bucket.take(30, 0, RATE);
  assert.not.ok(bucket.isFull(2_999, RATE));
  assert.ok(bucket.isFull(3_000, RATE));
});

one.run();

const many = suite('buckets');

many('each name has its own', () => {
  const clock = new FakeClock();
  const buckets = new Buckets({ rate: RATE, clock });
  assert.is(buckets.take('a', 30), 0);
  assert.is(buckets.take('a'), 100);
  assert.is(buckets.take('b', 30), 0);
  clock.pass(100);
  assert.is(buckets.take('a'), 0);
});

many('full ones are forgotten in the course of use', () => {
  const clock = new FakeClock();
  const buckets = new Buckets({ rate: RATE, clock });
  for (let i = 0; i < 1_000; i++) buckets.take(`old ${i}`);
  assert.is(buckets.size, 1_000);
  clock.pass(200);
  for (let i = 0; i < 1_000; i++) buckets.take(`new ${i % 10}`, 0.1);
  assert.is(buckets.size, 10);
});

many('there are never more than the bound, whatever strangers do; the latest are kept', () => {
  const clock = new FakeClock();
  const buckets = new Buckets({ rate: RATE, clock, most: 100 });
  for (let i = 0; i < 10_000; i++) {
    buckets.take(`${i}`);
    assert.ok(buckets.size <= 100);
  }
  assert.is(buckets.take('9999', 30), 100, 'the last is there');
  assert.is(buckets.take('0', 30), 0, 'the first is not');
});

many('a refusal keeps nothing of a name that was not there', () => {
  const buckets = new Buckets({ rate: { perSecond: 1, burst: 0.5 }, clock: new FakeClock() });
  assert.is(buckets.take('x', 0.4), 0);
  assert.ok(buckets.take('x', 0.4) > 0);
  assert.is(buckets.size, 1);
});

many('without a limit nothing is kept', () => {
  const buckets = new Buckets({ rate: { perSecond: Infinity, burst: 1 }, clock: new FakeClock() });
  for (let i = 0; i < 100; i++) assert.is(buckets.take(`${i}`, 5), 0);
  assert.is(buckets.size, 0);
});

many.run();
