// What a reader who breaks off, lags or comes back at the worst moment must not be able to cause:
// Messages lost or twice, a queue that never ends. docs/protocols/flexim.md §6.3 and §7.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { silent } from '../../src/lib/log.ts';
import { DAY_S } from '../../src/lib/time.ts';
import { decodeAccount } from '../../src/relay/account.ts';
import { Expiry } from '../../src/relay/expiry.ts';
import type { QueueStore } from '../../src/relay/queue.ts';
import { type Relay, settleRelay } from '../../src/relay/relay.ts';
import { mapStore } from './map-store.ts';
import { type House, house, KEY, OTHER, SENDER } from './paper.ts';

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

disk('what is acknowledged makes room, though something in memory needs some', async () => {
  const store = mapStore();
  const batch = store.batch as QueueStore['batch'];
  let isFull = false;
  let removing = () => {};
  // As the real one: a batch that only removes is taken.
  store.batch = (work: () => void, adds = 0) => {
    store.fail = isFull && adds > 0 ? full() : null;
    const kept = batch(work, adds);
    if (adds === 0) removing();
    return kept;
  };
  const { join, route, settle, queue, sender } = house({ store });
  for (const text of ['1', '2']) {
    route(KEY, text);
    await settle(); // a row for each
  }
  const rows = 40;
  for (let n = 1; n <= rows; n++) route(OTHER, String(n));
  await settle();
  const alice = join(KEY, { acks: true });
  const other = join(OTHER, { acks: true });
  for (const paper of [alice, other]) paper.takeAll();
  assert.is(route(KEY, 'a'), 'delivered');
  alice.takeAll();
  isFull = true;
  route(SENDER, 'refused'); // from here on the disk is known to be full
  await queue.settled();
  alice.cut(); // 'a' stays in memory
  const again = join(KEY, { acks: true });
  again.takeAll();
  assert.ok(again.outlet.acknowledge(1));
  const before = sender.told.length;
  route(SENDER, 'refused as well');
  let acked = 0;
  removing = () => {
    if (sender.told.length === before && acked < rows) other.outlet.acknowledge(++acked);
  };
  while (sender.told.length === before) await queue.settled();
  assert.match(sender.told.at(-1) ?? '', /store-full$/);
  assert.ok(acked < rows, 'who waits for an answer does not wait for the removals');
  while (queue.of(KEY).account.head < 2 || queue.of(OTHER).account.head <= acked)
    await queue.settled();
  assert.ok(queue.isFull);
  const counts = () =>
    [...queue.tables.accounts.entries()].map(([id, row]) => [id[0], decodeAccount(row).count]);
  const left = rows - acked;
  assert.equal(
    counts(),
    [
      [0xab, 1],
      [0xcd, left],
    ],
    'what is in memory is not counted on the disk',
  );
  removing = () => {
    isFull = false; // the next batch finds room
  };
  assert.ok(again.outlet.acknowledge(2));
  await settle();
  assert.equal(counts(), [
    [0xab, 1],
    [0xcd, left],
  ]);
  again.takeAll();
  assert.equal(again.got, ['<1>', '<2>', '<a>']);
});

disk('what cannot be put on the disk does not fill the memory', async () => {
  const most = 100_000;
  const { join, route, queue, router, store, settle } = house({ limits: { memoryBytes: most } });
  store.fail = full();
  route(SENDER, 'refused'); // from here on the disk is known to be full
  await queue.settled();
  const used = () => router.memory.used + queue.uncommitted;
  const outcomes = new Set<string>();
  for (const key of [KEY, OTHER]) {
    const paper = join(key, { acks: true });
    for (let n = 0; n < 40; n++) {
      const outcome = route(key, 'x'.repeat(5_000));
      if (n === 0) assert.is(outcome, 'delivered', 'one there is always room for');
      outcomes.add(outcome);
      paper.takeAll();
      await queue.settled();
      assert.ok(used() < (most * 3) / 4, `${used()} bytes`);
    }
    paper.cut(); // what was not acknowledged stays in memory
    router.leave(paper.outlet);
  }
  assert.equal([...outcomes], ['delivered', 'pending']);
  store.fail = null;
  await settle();
});

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
