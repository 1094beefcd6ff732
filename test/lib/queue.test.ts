// AsyncQueue: order, end, error, one consumer, and what `taken` hears. And what goes through a list.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AsyncQueue, eachOf, withResolvers } from '../../src/lib/queue.ts';

const test = suite('queue');

async function rejection(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'it resolved',
    (error: Error) => error.message,
  );
}

async function all<T>(queue: AsyncQueue<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

test('items come in order, queued before or pushed after the consumer waits', async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.push(2);
  const consumed = all(queue);
  await Promise.resolve();
  for (let i = 3; i <= 50; i++) {
    queue.push(i);
    if (i % 7 === 0) await new Promise(setImmediate);
  }
  queue.end();
  assert.equal(
    await consumed,
    Array.from({ length: 50 }, (_, i) => i + 1),
  );
});

test('length counts what is queued through pushes and takes', async () => {
  const queue = new AsyncQueue<number>();
  let pushed = 0;
  let taken = 0;
  for (let round = 0; round < 200; round++) {
    for (let i = 0; i < round % 13; i++) queue.push(pushed++);
    for (let i = 0; i < round % 11 && queue.length > 0; i++)
      assert.is((await queue.next()).value, taken++);
    assert.is(queue.length, pushed - taken);
  }
});

test('what is queued at the end is still delivered, what comes after is not', async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.end();
  queue.push(2);
  queue.end(new Error('too late to matter'));
  assert.equal(await all(queue), [1]);
  assert.equal(await queue.next(), { value: undefined, done: true });
});

test('an error ends the loop after what is queued, and a consumer that waits', async () => {
  const queue = new AsyncQueue<number>();
  queue.push(1);
  queue.end(new Error('gone'));
  assert.equal(await queue.next(), { value: 1, done: false });
  assert.is(await rejection(queue.next()), 'gone');
  const other = new AsyncQueue<number>();
  const waiting = rejection(other.next());
  other.end(new Error('gone too'));
  assert.is(await waiting, 'gone too');
});

test('end frees a consumer that waits', async () => {
  const queue = new AsyncQueue<number>();
  const waiting = queue.next();
  queue.end();
  assert.equal(await waiting, { value: undefined, done: true });
});

test('a second consumer is told', async () => {
  const queue = new AsyncQueue<number>();
  const first = queue.next();
  assert.is(await rejection(queue.next()), 'two consumers of one queue');
  queue.push(1);
  assert.equal(await first, { value: 1, done: false });
});

test('leaving the loop ends the queue and frees what is in it', async () => {
  const queue = new AsyncQueue<number>();
  for (let i = 0; i < 5; i++) queue.push(i);
  for await (const item of queue) if (item === 1) break;
  assert.is(queue.length, 0);
  queue.push(9);
  assert.equal(await queue.next(), { value: undefined, done: true });
});

test('taken hears what is left each time a queued item is taken', async () => {
  const heard: number[] = [];
  const queue = new AsyncQueue<string>((left) => heard.push(left));
  for (const item of ['a', 'b', 'c']) queue.push(item);
  for (let i = 0; i < 3; i++) await queue.next();
  assert.equal(heard, [2, 1, 0]);
});

test('a long queue is emptied without moving it for each item', async () => {
  const { shift, slice } = Array.prototype;
  let moved = 0; // items that are moved, at most
  const queue = new AsyncQueue<number>();
  for (let i = 0; i < 20_000; i++) queue.push(i);
  Array.prototype.shift = function (this: unknown[]) {
    moved += this.length;
    return shift.call(this);
  };
  Array.prototype.slice = function (this: unknown[], ...range) {
    const part = slice.apply(this, range);
    moved += part.length;
    return part;
  };
  try {
    for (let i = 0; i < 20_000; i++) assert.is((await queue.next()).value, i);
  } finally {
    Array.prototype.shift = shift;
    Array.prototype.slice = slice;
  }
  assert.ok(moved < 2 * 20_000, `${moved} moves`);
});

test('each is dealt with once, and those behind one that throws later', () => {
  const [done, later]: number[][] = [[], []];
  const work = (n: number) => {
    done?.push(n);
    if (n === 2) throw new Error('two');
  };
  eachOf([1, 3], work, (n) => later?.push(n));
  assert.equal([done, later], [[1, 3], []]);
  assert.throws(() => eachOf([1, 2, 3, 4], work, (n) => later?.push(n)), /two/);
  assert.equal(
    [done, later],
    [
      [1, 3, 1, 2],
      [3, 4],
    ],
  );
});

test('withResolvers', async () => {
  const good = withResolvers<number>();
  good.resolve(7);
  assert.is(await good.promise, 7);
  const bad = withResolvers<number>();
  bad.reject(new Error('no'));
  assert.is(await rejection(bad.promise), 'no');
});

test.run();
