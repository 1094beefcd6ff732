// What goes to one user, and what becomes of it: docs/protocols/flexim.md §7. No sockets: a user is a
// Paper, the disk are Maps, and time passes at the test's word.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { turn } from '../channel.ts';
import { count } from '../count.ts';
import { histories } from '../histories.ts';
import { countLooks, Twin, tablesOf } from './mailbox-model.ts';
import { steps, World } from './outlet-model.ts';
import { framed, type House, house, KEY, OTHER, PaperSender } from './paper.ts';

const RUNS = { seed: 20_260_601, numRuns: count(80, 250) };

async function turns(count = 6): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

const rowCount = ({ store }: House) => [...tablesOf(store).rows.entries()].length;
const frames = (...texts: (string | number)[]) => texts.map((text) => `<${text}>`);
const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

// ---- random histories ----

const random = suite('outlet: histories');

random.before(() => mock.timers.enable({ apis: ['setTimeout'] }));
random.after(() => mock.timers.reset());

for (const durable of [false, true])
  random(
    `nothing is lost, doubled or out of order${durable ? ', in a durable relay' : ''}`,
    async () => {
      const seen: Record<string, number> = {};
      await histories(
        steps,
        async (history) => {
          const world = new World(durable);
          await world.run(history);
          for (const [name, times] of Object.entries(world.seen))
            seen[name] = (seen[name] ?? 0) + times;
        },
        RUNS,
      );
      // The histories went everywhere.
      for (const [name, times] of Object.entries(seen))
        assert.is(times > RUNS.numRuns / 5, !(durable && name === 'delivered'), `${times} ${name}`);
    },
  );

random.run();

// ---- the window ----

const bounds = suite('outlet: the window');

bounds(
  'so many Messages may be unacknowledged, to the last one; the rest comes by the queue',
  async () => {
    const it = house({ limits: { windowMessages: 3 } });
    const paper = it.join(KEY, { acks: true });
    const outcomes = range(1, 5).map((n) => it.route(KEY, String(n)));
    assert.equal(outcomes, ['delivered', 'delivered', 'delivered', 'pending', 'pending']);
    paper.takeAll();
    await it.settle();
    assert.equal(paper.got, frames(1, 2, 3), 'written, and not acknowledged');
    assert.equal(it.sender.told, ['4', '5']);
    paper.outlet.acknowledge(1);
    assert.equal(paper.seen, frames(1, 2, 3, 4), 'of a row as much as there is room for');
    paper.outlet.acknowledge(3);
    assert.equal(paper.seen, frames(1, 2, 3, 4, 5));
    assert.is(it.route(KEY, '6'), 'delivered', 'the queue is empty, and one more has room');
    assert.is(it.route(KEY, '7'), 'pending');
    await it.settle();
    paper.takeAll();
    paper.outlet.acknowledge(6);
    assert.equal(paper.seen, frames(...range(1, 7)));
    paper.outlet.acknowledge(7);
    await it.settle();
    assert.is(rowCount(it), 0);
    assert.is(it.router.memory.used, paper.waiting);
    paper.cut();
  },
);

bounds('a row is read from the disk once, though it is acknowledged one by one', async () => {
  const it = house({ limits: { windowMessages: 16 } });
  const paper = it.join(KEY, { acks: true });
  for (let n = 1; n <= 40; n++) it.route(KEY, String(n), new PaperSender(String(n % 4).repeat(64)));
  await it.settle();
  paper.takeAll();
  const looks = countLooks(it.store);
  for (let n = 1; n <= 24; n++) {
    assert.is(paper.seen.length, 15 + n);
    paper.outlet.acknowledge(n); // nothing is removed in this turn
  }
  assert.is(looks(), 1, 'all of it is one row');
  assert.equal(paper.seen, frames(...range(1, 40)));
  await it.settle();
  paper.outlet.acknowledge(40);
  await it.settle();
  assert.is(rowCount(it), 0);
  assert.is(it.route(KEY, 'live again'), 'delivered');
  paper.cut();
  await it.settle();
});

bounds('what goes back to the disk is there before a row is read on', async () => {
  const it = house({ limits: { windowMessages: 4 } });
  const paper = it.join(KEY, { acks: true });
  for (let n = 1; n <= 8; n++) it.route(KEY, String(n));
  await it.settle();
  paper.takeAll();
  paper.outlet.acknowledge(1); // 5 is sent, of a row that has 6 to 8 besides
  paper.flush();
  paper.outlet.spill(); // 2 to 4
  paper.outlet.acknowledge(2);
  assert.is(paper.seen.length, 5);
  await it.settle();
  assert.equal(paper.seen, frames(...range(1, 6)));
  paper.cut();
  await it.settle();
});

bounds('so many bytes, to the last one; one Message fits however large it is', async () => {
  const it = house({ limits: { windowBytes: 10 } });
  const paper = it.join(KEY, { acks: true });
  assert.is(it.route(KEY, '123'), 'delivered'); // 5 bytes
  assert.is(it.route(`${KEY}/live`, '1234'), 'dropped');
  assert.is(it.drops.of('live-slow'), 1);
  assert.is(it.route(KEY, '456'), 'delivered');
  assert.is(it.route(KEY, 'beyond'), 'pending');
  await it.settle();
  assert.is(it.route(KEY, 'waits'), 'pending');
  await it.settle();
  paper.takeAll();
  // The last piece from the disk may go beyond; then no more comes.
  assert.equal(paper.got, frames('123', '456', 'beyond'));
  paper.outlet.acknowledge(1);
  assert.is(paper.seen.length, 3, '13 bytes are more than 10');
  paper.outlet.acknowledge(2);
  assert.is(paper.seen.length, 4);
  paper.outlet.acknowledge(4);
  await it.settle();
  assert.is(it.route(KEY, 'x'.repeat(50)), 'delivered', 'the first has always room');
  assert.is(it.route(KEY, ''), 'pending');
  await it.settle();
  paper.takeAll();
  assert.is(paper.got.length, 5);
  paper.outlet.acknowledge(5);
  assert.is(paper.seen.length, 6);
  paper.cut();
});

bounds('an ACK that cannot be changes nothing', async () => {
  const it = house();
  const paper = it.join(KEY, { acks: false });
  it.route(KEY, '1');
  for (const n of [0, 1]) assert.is(paper.outlet.acknowledge(n), false, 'they are off');
  paper.cut();
  const again = it.join(KEY, { acks: true });
  await it.settle();
  it.route(KEY, '2');
  it.route(KEY, '3');
  assert.is(again.outlet.acknowledge(4), false);
  assert.is(again.outlet.acknowledge(2), true);
  assert.is(again.outlet.acknowledge(1), false);
  assert.is(again.outlet.acknowledge(2), true, 'the same again');
  again.cut();
  await it.settle();
  assert.equal(it.join().seen, frames(3));
});

bounds(
  'turned on later, the first is the next one; those before leave when they are written',
  async () => {
    const it = house();
    for (const n of [1, 2]) it.route(KEY, String(n));
    await it.settle();
    const paper = it.join();
    assert.equal(paper.seen, frames(1, 2));
    await it.settle();
    it.route(KEY, '3');
    paper.outlet.acknowledging();
    paper.outlet.acknowledging(); // twice is once
    for (const n of [4, 5]) it.route(KEY, String(n));
    assert.is(paper.outlet.acknowledge(3), false, '4 and 5 alone are counted');
    paper.takeAll();
    await it.settle();
    assert.is(rowCount(it), 0, 'what was before is delivered, since it is written');
    assert.is(paper.outlet.acknowledge(1), true);
    paper.cut();
    await it.settle();
    const next = it.join();
    assert.equal(next.seen, frames(5));
    next.cut();
  },
);

bounds('an ACK covers what came before acknowledgements were turned on', async () => {
  const it = house();
  it.route(KEY, '1');
  await it.settle();
  const paper = it.join();
  paper.outlet.acknowledging();
  await it.settle();
  it.route(KEY, '2');
  assert.is(paper.outlet.acknowledge(1), true);
  await it.settle();
  assert.is(rowCount(it), 0);
  paper.cut();
  await it.settle();
  assert.equal(it.join().seen, []);
});

bounds('without acknowledgements it is delivered when it is written, and not before', async () => {
  const it = house();
  it.route(KEY, '1');
  await it.settle();
  const paper = it.join();
  await it.settle();
  it.route(KEY, '2');
  paper.flush();
  await it.settle();
  assert.is(rowCount(it), 1, 'it is on its way');
  paper.wrote();
  await it.settle();
  assert.is(rowCount(it), 0);
  paper.cut();
  await it.settle();
  assert.equal(it.join().seen, []);
});

bounds('/live counts for ACK, has its room in the window, and is never queued', async () => {
  const it = house({ limits: { windowMessages: 4 } });
  const paper = it.join(KEY, { acks: true });
  it.route(KEY, '1');
  it.route(`${KEY}/live`, 'l2');
  it.route(KEY, '3');
  it.route(`${KEY}/live`, 'l4');
  assert.is(it.route(`${KEY}/live`, 'l5'), 'dropped');
  assert.is(it.drops.of('live-slow'), 1);
  assert.is(it.route(KEY, '6'), 'pending');
  assert.is(it.route(`${KEY}/live`, 'l7'), 'dropped');
  assert.is(it.drops.of('live-away'), 1);
  assert.is(paper.outlet.acknowledge(2), true);
  assert.equal(it.sender.told, []);
  paper.cut();
  await it.settle();
  const again = it.join();
  assert.equal(again.seen, frames(3, 6));
  again.cut();
  await it.settle();
});

bounds.run();

// ---- one connection after the other ----

const lines = suite('outlet: connections of one user');

for (const how of ['cut', 'replaced'] as const)
  for (const flushed of [false, true])
    lines(
      `${how}, ${flushed ? 'written' : 'not even written'}: the next gets all, in order`,
      async () => {
        const it = house({ limits: { windowMessages: 4 } });
        const older = it.join(KEY, { acks: true });
        for (const n of range(1, 8)) it.route(KEY, String(n)); // the last four by the queue
        if (flushed) older.takeAll();
        await it.settle();
        if (how === 'cut') older.cut();
        const newer = it.join(KEY, { acks: true });
        assert.equal(newer.calls, [], 'not yet: what is given back is on its way to the disk');
        it.route(KEY, '9');
        await it.settle();
        assert.equal(newer.seen, frames(1, 2, 3, 4));
        older.takeAll();
        older.cut();
        for (const n of [3, 6, 9]) {
          newer.takeAll();
          newer.outlet.acknowledge(n);
          await it.settle();
        }
        assert.equal(newer.seen, frames(...range(1, 9)));
        assert.equal(newer.calls, ['caughtUp']);
        newer.cut();
        await it.settle();
        assert.is(rowCount(it), 0);
        assert.is(it.router.memory.used, 0);
      },
    );

lines(
  'a connection that was replaced leaves the mailbox alone, whatever is written to it',
  async () => {
    const it = house();
    for (const n of range(1, 3)) it.route(KEY, String(n));
    await it.settle();
    const older = it.join();
    older.flush();
    await it.settle();
    const newer = it.join(KEY, { acks: true });
    await it.settle();
    newer.cut();
    await it.settle();
    it.route(KEY, '4');
    await it.settle();
    older.wrote(); // its mailbox was forgotten long ago
    await it.settle();
    new Twin(KEY, it.store).recount();
    older.cut();
    assert.equal(it.join().seen, frames(1, 2, 3, 4));
  },
);

lines('what was acknowledged does not come again, also before it is off the disk', async () => {
  const it = house();
  for (const n of range(1, 3)) it.route(KEY, String(n));
  await it.settle();
  const older = it.join(KEY, { acks: true });
  await it.settle();
  older.outlet.acknowledge(2);
  const newer = it.join();
  assert.equal(newer.seen, frames(3));
  await it.settle();
  older.cut();
  newer.cut();
});

lines('who has left is written to the end, and what is left then is queued', async () => {
  const it = house();
  const paper = it.join();
  it.route(KEY, '1');
  paper.flush();
  it.route(KEY, '2');
  it.router.leave(paper.outlet);
  assert.is(it.route(KEY, '3'), 'pending');
  assert.is(it.route(`${KEY}/live`), 'dropped');
  await it.settle();
  paper.wrote(); // 1, and 2 is under way
  await it.settle();
  assert.equal(paper.seen, frames(1, 2), 'nothing new goes there');
  paper.cut();
  await it.settle();
  const next = it.join();
  assert.equal(next.seen, frames(2, 3));
  next.cut();
  await it.settle();
  assert.is(it.router.memory.used, 0);
});

lines('who has left while he was served from the queue is sent nothing more from it', async () => {
  const it = house({ limits: { windowMessages: 2 } });
  for (const n of range(1, 4)) it.route(KEY, String(n));
  await it.settle();
  const paper = it.join();
  assert.equal(paper.seen, frames(1, 2));
  it.router.leave(paper.outlet);
  paper.takeAll(); // there would be room for 3
  it.route(KEY, '5');
  await it.settle();
  assert.equal([paper.seen, paper.calls], [frames(1, 2), []], 'his last word has been said');
  paper.cut();
  await it.settle();
  const next = it.join(KEY, { acks: true });
  assert.equal(next.seen, frames(3, 4));
  next.cut();
  await it.settle();
});

lines('22 comes once, after what was queued at login and not after what came then', async () => {
  const it = house({ limits: { windowMessages: 2 } });
  assert.equal(it.join(OTHER).calls, ['caughtUp'], 'at once when nothing was');
  for (const n of range(1, 4)) it.route(KEY, String(n));
  await it.settle();
  const paper = it.join(KEY, { acks: true });
  assert.equal([paper.seen, paper.calls], [frames(1, 2), []]);
  for (const n of range(5, 8)) it.route(KEY, String(n));
  await it.settle();
  paper.outlet.acknowledge(1);
  assert.equal([paper.seen.length, paper.calls], [3, []]);
  paper.outlet.acknowledge(2);
  assert.equal([paper.seen.length, paper.calls], [4, ['caughtUp']], 'others wait behind it');
  for (const n of [4, 6, 8]) paper.outlet.acknowledge(n);
  await it.settle();
  assert.equal([paper.seen, paper.calls], [frames(...range(1, 8)), ['caughtUp']]);
  paper.cut();
});

lines('22 comes also when what was on its way at login is refused by the disk', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const it = house();
    it.store.fail = new FleximError('store-full', 'full');
    it.route(KEY, '1');
    const paper = it.join();
    assert.equal(paper.calls, []);
    await turns();
    assert.equal(it.sender.told, ['1 store-full']);
    assert.equal([paper.seen, paper.calls], [[], ['caughtUp']]);
    assert.is(it.route(KEY, '2'), 'delivered', 'for this no disk is needed');
    it.store.fail = null;
    paper.cut();
    await it.settle();
  } finally {
    mock.timers.reset();
  }
});

lines('22 of a durable relay waits for what is on its way to the disk', async () => {
  const it = house({ durable: true });
  it.route(KEY, '1');
  const paper = it.join();
  assert.equal([paper.seen, paper.calls], [[], []]);
  await it.settle();
  assert.equal([paper.seen, paper.calls], [frames(1), ['caughtUp']]);
  it.route(KEY, '2');
  assert.equal(paper.seen, frames(1));
  await it.settle();
  assert.equal(paper.seen, frames(1, 2));
  assert.equal(it.sender.told, ['1'], 'who is there needs no event');
  paper.cut();
});

lines.run();

// ---- memory ----

const memory = suite('outlet: memory');

memory.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
memory.after.each(() => mock.timers.reset());

memory(
  'what is not acknowledged counts; the largest holders are put on the disk first',
  async () => {
    const it = house({ limits: { memoryBytes: 1_000, waitingBytes: 2_000 } });
    const [large, little] = [it.join(KEY, { acks: true }), it.join(OTHER, { acks: true })];
    const { memory: used } = it.router;
    for (let i = 0; i < 2; i++) it.route(OTHER, 'y'.repeat(98));
    little.takeAll();
    assert.is(used.used, 200, 'kept as it was written');
    for (let i = 0; i < 4; i++) {
      it.route(KEY, String(i).repeat(98));
      large.takeAll();
    }
    assert.is(used.used, 600);
    for (let i = 4; i < 6; i++) it.route(KEY, String(i).repeat(98));
    assert.is(used.used, 800, 'over three quarters');
    await it.settle();
    assert.is(rowCount(it), 0);
    mock.timers.tick(20);
    assert.is(used.used, 400, 'what was written is given to the queue, what waits still waits');
    assert.is(little.outlet.held, 200, 'half is free again: the others keep theirs');
    await it.settle();
    assert.is(it.queue.of(KEY).account.count, 4);
    large.takeAll();
    large.outlet.acknowledge(5);
    await it.settle();
    assert.is(rowCount(it), 0, 'also what was spilled');
    assert.is(used.used, 400, 'what was written in one piece is kept while a part of it is needed');
    large.cut();
    little.cut();
    await it.settle();
    assert.is(used.used, 0);
    const next = it.join();
    assert.equal(next.seen, [framed('5'.repeat(98)).toString()]);
  },
);

memory('who has taken nothing for long is cut when memory is short', async () => {
  const it = house({ limits: { memoryBytes: 1_000, waitingBytes: 2_000, stallMs: 30_000 } });
  const [stuck, slow] = [it.join(KEY), it.join(OTHER)];
  it.route(KEY, 'x'.repeat(398));
  stuck.flush();
  it.clock.time = 30_000;
  it.route(OTHER, 'y'.repeat(98));
  mock.timers.tick(20);
  assert.equal([...stuck.calls, ...slow.calls], ['caughtUp', 'caughtUp'], 'there is enough');
  it.clock.time = 30_001;
  it.route(OTHER, 'y'.repeat(98));
  slow.flush();
  mock.timers.tick(20);
  assert.equal(stuck.calls, ['caughtUp', 'stalled']);
  assert.equal(slow.calls, ['caughtUp'], 'he took something just now, or nothing waited for him');
  stuck.cut();
  slow.cut();
  await it.settle();
  assert.is(it.router.memory.used, 0);
});

memory('he is idle since he last took something, or since there is something to take', async () => {
  const it = house();
  const paper = it.join(KEY);
  const idleAt = (time: number) => {
    it.clock.time = time;
    return paper.outlet.idle(time);
  };
  it.route(KEY, '1');
  paper.flush();
  it.route(KEY, '2'); // it waits for the write of the first to end
  assert.is(idleAt(10_000), 10_000);
  paper.wrote();
  assert.is(idleAt(15_000), 5_000);
  paper.wrote();
  assert.is(idleAt(20_000), 0, 'nothing waits');
  it.route(KEY, '3');
  assert.is(idleAt(21_000), 1_000);
  paper.takeAll();
  it.clock.time = 30_000;
  paper.deliver(Buffer.from('<an answer>'), 0, 11);
  paper.flush();
  assert.is(idleAt(32_000), 2_000);
  paper.cut();
  await it.settle();
});

memory('a Message now and then is no sign of life from who holds much', async () => {
  const it = house();
  const paper = it.join(KEY, { acks: true });
  for (let n = 1; n <= 400; n++) it.route(KEY, 'x'.repeat(998)); // 400 KB
  const acknowledgedAt = (time: number, n: number) => {
    it.clock.time = time;
    paper.outlet.acknowledge(n);
    return paper.outlet.idle(time);
  };
  paper.takeAll();
  for (let n = 1; n <= 65; n++) assert.is(acknowledgedAt(n * 1_000, n), n * 1_000);
  assert.is(acknowledgedAt(70_000, 66), 0, '64 KiB are');
  it.clock.time = 75_000;
  paper.deliver(Buffer.from('<an answer>'), 0, 11);
  paper.takeAll();
  assert.is(paper.outlet.idle(75_000), 5_000, 'nor is an answer that he reads');
  assert.is(acknowledgedAt(80_000, 399), 0, 'and more');
  assert.is(acknowledgedAt(85_000, 399), 5_000);
  it.route(KEY, 'y');
  assert.is(acknowledgedAt(86_000, 400), 0, 'and all that waited');
  paper.cut();
  await it.settle();
});

memory('what is handed on after the end is counted nowhere', async () => {
  const it = house();
  const older = it.join(KEY, { acks: true });
  it.route(KEY, '1');
  const newer = it.join(KEY, { acks: true });
  older.takeAll(); // it goes on to its end
  older.cut();
  newer.cut();
  await it.settle();
  assert.is(it.router.memory.used, 0);
});

memory.run();

// ---- fast senders ----

const patience = suite('outlet: fast senders');

patience.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }));
patience.after.each(() => mock.timers.reset());

patience('are held while much waits, and go on when little does', async () => {
  const it = house({ limits: { waitingBytes: 80 } });
  const paper = it.join();
  const other = new PaperSender('77'.repeat(32));
  it.route(KEY, 'x'.repeat(18));
  assert.is(it.sender.holds, 0, 'a quarter is not too much');
  it.route(KEY, 'x');
  assert.is(it.sender.holds, 1);
  it.route(KEY, 'x');
  assert.is(it.sender.holds, 1, 'once');
  it.route(KEY, 'x', other);
  assert.is(other.holds, 1);
  paper.flush();
  it.route(KEY, 'x'.repeat(10), other); // waits behind that write
  paper.wrote();
  await turn();
  assert.is(it.sender.holds, 1, '12 bytes are more than an eighth');
  paper.wrote();
  assert.equal([it.sender.holds, other.holds], [1, 1], 'not in the midst of what is under way');
  await turn();
  assert.equal([it.sender.holds, other.holds], [0, 0]);
  paper.cut();
});

patience('are let go after 100 ms, and nobody waits for that reader for 10 s', async () => {
  const it = house({ limits: { waitingBytes: 80 } });
  const paper = it.join();
  const pass = async (ms: number) => {
    it.clock.time += ms;
    mock.timers.tick(ms);
    await turn();
  };
  it.route(KEY, 'x'.repeat(30));
  await pass(99);
  assert.is(it.sender.holds, 1);
  await pass(1);
  assert.is(it.sender.holds, 0);
  it.route(KEY, 'x');
  await pass(9_999);
  it.route(KEY, 'x');
  assert.is(it.sender.holds, 0);
  await pass(1);
  it.route(KEY, 'x');
  assert.is(it.sender.holds, 1);
  paper.cut();
  await turn();
  assert.is(it.sender.holds, 0, 'nor for one who is gone');
});

patience(
  'a relay that comes late to its timers reads first what its readers have said',
  async () => {
    const it = house({ limits: { waitingBytes: 80 } });
    const paper = it.join();
    it.route(KEY, 'x'.repeat(30));
    it.clock.time += 100;
    mock.timers.tick(100);
    assert.is(it.sender.holds, 1, 'not by the timer');
    paper.flush();
    paper.wrote();
    await turn();
    assert.is(it.sender.holds, 0);
    it.route(KEY, 'x'.repeat(30));
    assert.is(it.sender.holds, 1, 'he was not too slow, and is waited for again');
    paper.cut();
  },
);

patience('are held while half of the window is not acknowledged', async () => {
  const it = house({ limits: { windowMessages: 8 } });
  const paper = it.join(KEY, { acks: true });
  for (let n = 1; n <= 4; n++) it.route(KEY, 'x');
  assert.is(it.sender.holds, 0);
  it.route(KEY, 'x');
  assert.is(it.sender.holds, 1);
  paper.flush();
  paper.wrote();
  await turn();
  assert.is(it.sender.holds, 1, 'written is not acknowledged');
  paper.outlet.acknowledge(2);
  await turn();
  assert.is(it.sender.holds, 1, 'three are more than a quarter');
  paper.outlet.acknowledge(3);
  await turn();
  assert.is(it.sender.holds, 0);
  paper.cut();
});

patience('nobody waits for what goes by the queue', async () => {
  const it = house({ limits: { waitingBytes: 40 } });
  const paper = it.join();
  it.route(KEY, 'x'.repeat(38));
  assert.is(it.sender.holds, 1);
  mock.timers.tick(100);
  await turn();
  it.clock.time = 20_000;
  assert.is(it.route(KEY, 'x'), 'pending');
  assert.is(it.sender.holds, 0);
  await it.settle();
  paper.cut();
  await it.settle();
});

patience.run();
