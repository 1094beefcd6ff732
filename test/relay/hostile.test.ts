// What a reader who breaks off, lags or comes back at the worst moment must not be able to cause:
// Messages lost or twice, a queue that never ends. docs/protocols/flexim.md §6.3 and §7.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { silent } from '../../src/lib/log.ts';
import { DAY_S } from '../../src/lib/time.ts';
import { Expiry } from '../../src/relay/expiry.ts';
import type { QueueStore } from '../../src/relay/queue.ts';
import { type Relay, settleRelay } from '../../src/relay/relay.ts';
import { type House, house, KEY } from './paper.ts';

const full = () => new FleximError('store-full', 'the disk is full');

const ends = suite('hostile: the end of a connection');

ends('a replaced one that takes its output later changes no mailbox', async () => {
  const { join, route, settle, queue, router, sender } = house();
  for (const text of ['1', '2', '3']) route(KEY, text);
  await settle();
  const older = join(); // without acknowledgements: what is written is delivered
  older.flush();
  const newer = join(KEY, { acks: true });
  router.leave(newer.outlet);
  newer.cut();
  await settle(); // nobody reads the mailbox: it is forgotten
  route(KEY, '4');
  await settle();
  older.wrote();
  await settle();
  route(KEY, '5');
  await settle();
  assert.equal(sender.told, ['1', '2', '3', '4', '5'], 'all are on the disk');
  const last = join();
  last.takeAll();
  assert.equal(last.got, ['<1>', '<2>', '<3>', '<4>', '<5>']);
  await settle();
  assert.is(queue.of(KEY).account.count, 0);
});

ends('what was acknowledged does not come again, though the disk has not heard of it', async () => {
  const { join, route, settle, store } = house();
  for (const text of ['1', '2', '3']) route(KEY, text);
  await settle();
  const older = join(KEY, { acks: true });
  older.takeAll();
  store.fail = full();
  assert.ok(older.outlet.acknowledge(2));
  older.cut();
  const newer = join(KEY, { acks: true });
  newer.takeAll();
  assert.equal(newer.got, ['<3>']);
  store.fail = null;
  await settle();
});

ends.run();

const disk = suite('hostile: a disk that is full');

disk(
  'who waited for Messages that were refused is live again, and told that the queue was sent',
  async () => {
    const { join, route, queue, settle, store, sender } = house();
    route(KEY, '1');
    await settle();
    store.fail = full();
    route(KEY, '2'); // on its way to the disk while he logs in
    const paper = join();
    paper.takeAll();
    await queue.settled();
    assert.equal(sender.told, ['1', '2 store-full']);
    paper.takeAll();
    assert.equal(paper.calls, ['caughtUp']);
    assert.is(route(KEY, '3'), 'delivered', 'he has nothing to wait for');
    store.fail = null;
    await settle();
  },
);

disk('a stop waits for a disk that has room again', async () => {
  const { join, route, queue, store, settle }: House = house();
  const paper = join(KEY, { acks: true });
  route(KEY, '1');
  paper.takeAll();
  store.fail = full();
  paper.cut(); // what he had not acknowledged goes to the queue
  await queue.settled();
  assert.ok(queue.isFull);
  store.fail = null;
  await settleRelay({ queue, expiry: { stop: () => {} }, log: silent } as unknown as Relay);
  assert.is(queue.uncommitted, 0);
  await settle();
  assert.is(queue.of(KEY).account.count, 1);
});

disk('what expires is counted once, though it cannot be removed yet', async () => {
  const { route, settle, store, queue, clock, drops, limits, join } = house();
  for (let n = 1; n <= 5; n++) {
    route(KEY, String(n));
    await settle(); // a row for each
  }
  const paper = join(KEY, { acks: true });
  paper.takeAll();
  store.fail = full();
  paper.outlet.acknowledge(4);
  clock.seconds += 31 * DAY_S;
  assert.equal(queue.of(KEY).olderThan(clock.seconds - 30 * DAY_S), {
    last: 5,
    count: 1,
    isMore: false,
  });
  store.fail = null;
  await settle();
  const expiry = new Expiry({
    ...{ queue, limits, clock, drops },
    store: store as QueueStore,
    log: silent,
  });
  paper.cut();
  assert.is(await expiry.sweep(), 1);
});

disk.run();
