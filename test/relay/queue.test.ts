// The queue: one batch for what arrives together, nothing said before it is on the disk, and what happens
// when the disk is full. docs/protocols/flexim.md §7.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { withResolvers } from '../../src/lib/queue.ts';
import { turn } from '../channel.ts';
import { countLooks, Twin, tablesOf } from './mailbox-model.ts';
import { mapStore } from './map-store.ts';
import { type House, house, KEY, OTHER, PaperSender } from './paper.ts';

const full = () => new FleximError('store-full', 'the disk is full');

/** The accounts on the disk are those of the rows there. */
function recount({ store }: House): void {
  for (const key of [KEY, OTHER]) new Twin(key, store).recount();
}

/** Turns of the event loop, more than one commit takes over Maps. */
async function turns(count = 6): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

// ---- group commit ----

const commits = suite('queue: commits');

commits('what arrives together is one batch, for all mailboxes and senders', async () => {
  const it = house();
  const others = [new PaperSender('01'.repeat(32)), new PaperSender('02'.repeat(32))];
  for (let i = 0; i < 50; i++)
    for (const to of [KEY, OTHER]) it.route(to, String(i), others[i % 2] as PaperSender);
  assert.is(it.store.batches, 0, 'not in the same turn');
  await it.settle();
  assert.is(it.store.batches, 1);
  assert.equal(
    others.map(({ told }) => told.length),
    [50, 50],
  );
  assert.is(it.queue.uncommitted, 0);
  recount(it);
});

commits('what is only on its way to the disk is not looked for there', async () => {
  const it = house();
  for (const text of ['1', '2']) it.route(KEY, text);
  await it.settle();
  it.route(KEY, '3');
  const looks = countLooks(it.store);
  const mailbox = it.queue.of(KEY);
  assert.is(mailbox.read(3), null);
  assert.is(looks(), 0);
  assert.is(mailbox.read(1)?.last, 2);
  await it.settle();
  assert.is(mailbox.read(3)?.last, 3);
});

commits('what arrives while one is written goes into the next, together', async () => {
  const it = house();
  const gate = withResolvers<void>();
  it.store.gate = gate.promise;
  it.route(KEY, '1');
  await turns();
  assert.is(it.store.batches, 1);
  for (let i = 2; i <= 20; i++) {
    it.route(i % 2 ? KEY : OTHER, String(i));
    await turn();
  }
  assert.is(it.store.batches, 1, 'one at a time');
  assert.is(it.queue.uncommitted > 0, true);
  it.store.gate = null;
  gate.resolve();
  await it.settle();
  assert.is(it.store.batches, 2);
  assert.is(it.sender.told.length, 20);
  recount(it);
});

commits('a sender hears of it when it is on the disk, and in his order', async () => {
  const it = house();
  const gate = withResolvers<void>();
  it.store.gate = gate.promise;
  for (let i = 1; i <= 5; i++) it.route(i % 2 ? KEY : OTHER, String(i));
  await turns();
  assert.equal(it.sender.told, []);
  assert.equal([...tablesOf(it.store).rows.entries()], []);
  it.store.gate = null;
  gate.resolve();
  await it.settle();
  assert.equal(it.sender.told.toSorted(), ['1', '2', '3', '4', '5']);
  const of = (rest: number) => it.sender.told.filter((n) => Number(n) % 2 === rest);
  assert.equal(
    [of(1), of(0)],
    [
      ['1', '3', '5'],
      ['2', '4'],
    ],
  );
});

commits('uncommitted counts the bytes on their way, of both batches', async () => {
  const it = house();
  it.route(KEY, '12345678'); // 10 bytes with its frame
  assert.is(it.queue.uncommitted, 10);
  const gate = withResolvers<void>();
  it.store.gate = gate.promise;
  await turns();
  it.route(KEY, '1');
  assert.is(it.queue.uncommitted, 13);
  it.store.gate = null;
  gate.resolve();
  await it.settle();
  assert.is(it.queue.uncommitted, 0);
});

commits('settled: null when all is on the disk, else kept as soon as it is', async () => {
  const it = house();
  assert.is(it.queue.settled(), null);
  it.route(KEY, '1');
  const first = withResolvers<void>();
  it.store.gate = first.promise;
  const done: string[] = [];
  const note = (name: string, promise: Promise<void> | null) => {
    assert.ok(promise, name);
    return promise?.then(() => void done.push(name));
  };
  const waits = [note('before the batch', it.queue.settled())];
  await turns();
  waits.push(note('nothing new since', it.queue.settled()));
  it.route(OTHER, '2');
  waits.push(note('behind the second', it.queue.settled()));
  await turns();
  assert.equal(done, []);
  const second = withResolvers<void>();
  it.store.gate = second.promise;
  first.resolve();
  await turns();
  assert.equal(done, ['before the batch', 'nothing new since']);
  assert.equal(it.sender.told, ['1'], 'and not before its events');
  second.resolve();
  await Promise.all(waits);
  assert.equal(it.sender.told, ['1', '2']);
  assert.is(it.queue.settled(), null);
});

commits('what is acknowledged is not settled before it is off the disk', async () => {
  const it = house();
  it.route(KEY, '1');
  await it.settle();
  const paper = it.join(KEY, { acks: true });
  await it.settle();
  const gate = withResolvers<void>();
  it.store.gate = gate.promise;
  assert.is(paper.outlet.isSettled, true);
  assert.is(paper.outlet.acknowledge(1), true);
  assert.is(paper.outlet.isSettled, false);
  await turns();
  assert.is([...tablesOf(it.store).rows.entries()].length, 1);
  assert.is(paper.outlet.isSettled, false, 'while its batch is being written');
  it.store.gate = null;
  gate.resolve();
  await it.settle();
  assert.is(paper.outlet.isSettled, true);
  paper.cut();
});

commits.run();

// ---- memory ----

const memory = suite('queue: mailboxes in memory');

memory(
  'are forgotten when nobody reads and nothing waits, and come back from the disk',
  async () => {
    const it = house();
    const idle = it.queue.of(KEY);
    assert.is(it.queue.of(KEY), idle, 'the same until then');
    await it.settle();
    assert.is.not(it.queue.of(KEY), idle);
    await it.settle();

    it.route(KEY, '1');
    const written = it.queue.of(KEY);
    await it.settle();
    const back = it.queue.of(KEY);
    assert.is.not(back, written);
    assert.is(back.account.count, 1);
    await it.settle();
  },
);

memory('are kept while somebody reads, and forgotten when he is gone', async () => {
  const it = house();
  const paper = it.join();
  const mailbox = it.queue.of(KEY);
  for (let i = 0; i < 3; i++) {
    it.route(KEY, 'x');
    paper.takeAll();
    await it.settle();
    assert.is(it.queue.of(KEY), mailbox);
  }
  paper.cut();
  await it.settle();
  assert.is.not(it.queue.of(KEY), mailbox);
  await it.settle();
});

memory('are kept while a batch with theirs is under way', async () => {
  const it = house();
  const gate = withResolvers<void>();
  it.store.gate = gate.promise;
  it.route(KEY, '1');
  const mailbox = it.queue.of(KEY);
  await turns();
  assert.is(it.queue.of(KEY), mailbox);
  it.route(KEY, '2');
  it.store.gate = null;
  gate.resolve();
  await it.settle();
  assert.equal(it.queue.of(KEY).account.count, 2);
  recount(it);
  await it.settle();
});

memory(
  'who comes back while the last batch of his is being written meets no second mailbox',
  async () => {
    const it = house();
    it.route(KEY, '1');
    await it.settle();
    const older = it.join(KEY, { acks: true });
    await it.settle();
    const gate = withResolvers<void>();
    it.store.gate = gate.promise;
    older.outlet.acknowledge(1);
    await turns();
    older.cut(); // while it is being written
    it.store.gate = null;
    gate.resolve();
    await null;
    await turn(); // the batch is kept, the next one has not begun
    const newer = it.join();
    await turns();
    assert.is(it.queue.of(KEY).reader, newer.outlet);
    assert.is(it.route(KEY, '2'), 'delivered');
    assert.equal(newer.seen, ['<2>']);
    newer.cut();
    await it.settle();
    recount(it);
  },
);

memory('reading alone writes nothing', async () => {
  const it = house();
  it.join();
  it.join();
  it.queue.of(OTHER);
  await it.settle();
  assert.is(it.store.batches, 0);
});

memory.run();

// ---- a full disk ----

const disk = suite('queue: a disk that is full');

disk.before(() => mock.timers.enable({ apis: ['setTimeout'] }));
disk.after(() => mock.timers.reset());

disk('who waits is refused; nothing stays of it, and later ones are taken again', async () => {
  const it = house();
  it.route(KEY, '1');
  await it.settle();
  it.store.fail = full();
  it.route(KEY, '2');
  it.route(OTHER, '3');
  await it.settle();
  assert.equal(it.sender.told, ['1', '2 store-full', '3 store-full']);
  assert.is(it.queue.isFull, true);
  assert.is(it.queue.uncommitted, 0);
  assert.is(it.queue.of(KEY).account.count, 1);
  assert.is(it.queue.of(OTHER).account.count, 0);
  it.store.fail = null;
  it.route(KEY, '4');
  await it.settle();
  assert.equal(it.sender.told.slice(3), ['4']);
  assert.is(it.queue.isFull, false);
  recount(it);
  const paper = it.join();
  assert.equal(paper.seen, ['<1>', '<4>']);
  paper.takeAll();
  await it.settle();
  assert.equal(it.broken, []);
});

disk('what nobody waits for is tried again every second, and kept in order', async () => {
  const it = house();
  const paper = it.join(KEY, { acks: true });
  for (const text of ['1', '2', '3']) assert.is(it.route(KEY, text), 'delivered');
  paper.flush();
  it.store.fail = full();
  paper.cut(); // nothing was acknowledged: it is spilled
  await turns();
  assert.is(it.queue.isFull, true);
  assert.is(it.queue.uncommitted, 9);
  assert.is(it.queue.of(KEY).account.count, 3);
  const tries = it.store.batches;
  await turns(20);
  assert.is(it.store.batches, tries, 'not in a busy loop');
  mock.timers.tick(999);
  await turns();
  assert.is(it.store.batches, tries);
  mock.timers.tick(1);
  await turns();
  assert.is(it.store.batches, tries + 1);
  assert.is(it.queue.uncommitted, 9);

  it.route(KEY, '4');
  await turns();
  assert.equal(it.sender.told, ['4 store-full'], 'who waits hears at once');
  assert.is(it.queue.of(KEY).account.count, 3);
  it.store.fail = null;
  mock.timers.tick(1_000);
  await it.settle();
  assert.is(it.queue.isFull, false);
  assert.is(it.queue.uncommitted, 0);
  recount(it);
  const again = it.join();
  assert.equal(again.seen, ['<1>', '<2>', '<3>']);
  assert.is(it.sender.told.length, 1);
});

disk('what a sender sends on hearing of a refusal is counted', async () => {
  const it = house();
  class Stubborn extends PaperSender {
    override settled(...how: Parameters<PaperSender['settled']>): void {
      super.settled(...how);
      if (this.told.length === 1) it.route(OTHER, 'again', this);
    }
  }
  it.store.fail = full();
  it.route(KEY, '1', new Stubborn('99'.repeat(32)));
  let most = 0;
  const { batch } = it.store;
  it.store.batch = (work, bytes) => {
    most = Math.max(most, it.queue.uncommitted);
    return batch.call(it.store, work, bytes);
  };
  await turns();
  assert.is(most, '<again>'.length);
  await it.settle();
  assert.is(it.queue.uncommitted, 0);
});

disk('shares are right again after a refusal', async () => {
  const it = house({ limits: { queueMessages: 10, queueShare: 20 } });
  it.store.fail = full();
  for (let i = 0; i < 5; i++) {
    it.route(KEY, 'x');
    it.route(KEY, 'x');
    assert.is(it.route(KEY, 'x'), 'share-full');
    await it.settle();
  }
  it.store.fail = null;
  it.route(KEY, 'x');
  it.route(KEY, 'x');
  assert.is(it.route(KEY, 'x'), 'share-full');
  await it.settle();
  recount(it);
});

disk('what is delivered while the disk is full is off it when it can be', async () => {
  const it = house();
  it.route(KEY, '1');
  it.route(KEY, '2');
  await it.settle();
  const paper = it.join();
  await it.settle();
  it.store.fail = full();
  paper.takeAll();
  await turns();
  assert.is([...tablesOf(it.store).rows.entries()].length, 1);
  it.store.fail = null;
  mock.timers.tick(1_000);
  await it.settle();
  assert.equal([...tablesOf(it.store).rows.entries()], []);
  assert.is(it.route(KEY, '3'), 'delivered');
  assert.equal(paper.seen, ['<1>', '<2>', '<3>'], 'and nothing comes twice');
});

disk('any other failure of the store is told once, and nothing is claimed', async () => {
  const it = house();
  it.store.fail = new FleximError('store-failed', 'writing failed');
  it.route(KEY, '1');
  await turns();
  assert.equal(
    it.broken.map((error) => (error as FleximError).code),
    ['store-failed'],
  );
  assert.equal(it.sender.told, []);
});

/** A house over a store in which the first row is of another version. */
async function damaged(): Promise<House> {
  const store = mapStore();
  const before = house({ store });
  before.route(KEY, '1');
  await before.settle();
  const { rows } = tablesOf(store);
  const [[key]] = [...rows.entries()] as [readonly [Buffer, Buffer]];
  await store.batch(() => rows.put(key, Buffer.from([99])));
  return house({ store });
}

const MEETINGS: Record<string, (it: House) => void> = {
  'by a login': ({ join }) => {
    join();
  },
  'by a commit': ({ queue }) => {
    queue.removeTo(queue.of(KEY), 1);
  },
  'after a commit': ({ join, route }) => {
    route(KEY, '2');
    join();
  },
};

for (const [name, meet] of Object.entries(MEETINGS))
  disk(
    `a row that is damaged is told once, come upon ${name}; then nothing more is done`,
    async () => {
      const it = await damaged();
      meet(it);
      await turns(20);
      assert.equal(
        it.broken.map((error) => (error as FleximError).code),
        ['store-version'],
      );
      const { batches } = it.store;
      const paper = it.join();
      it.route(OTHER, '3');
      mock.timers.tick(5_000);
      await turns(20);
      assert.equal([paper.seen, paper.calls], [[], []], 'and no 22, as if it were empty');
      assert.is(it.store.batches, batches);
      assert.is(it.broken.length, 1);
    },
  );

disk.run();
