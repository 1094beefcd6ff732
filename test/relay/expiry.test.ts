// How long Messages are kept, and clocks that jump: docs/protocols/flexim.md §7.5. Both clocks go at the
// test's word.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../src/lib/errors.ts';
import { silent } from '../../src/lib/log.ts';
import { Expiry } from '../../src/relay/expiry.ts';
import { turn } from '../channel.ts';
import { Twin, tablesOf } from './mailbox-model.ts';
import { type MapStore, mapStore } from './map-store.ts';
import { type House, house, KEY, OTHER, PaperSender } from './paper.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;
const DAYS = 30;

interface Aging extends House {
  readonly expiry: Expiry;
  readonly said: string[];
  /** Both clocks go on together. */
  pass(seconds: number): void;
  /** The wall clock alone is moved. */
  jump(seconds: number): void;
  left(key?: string): number;
}

function aging(store: MapStore = mapStore(), seconds = 1_700_000_000, queueDays = DAYS): Aging {
  const it = house({ store, limits: { queueDays } });
  const { clock, drops, limits, queue } = it;
  clock.seconds = seconds;
  const said: string[] = [];
  const say = (fields: object, message: string) =>
    said.push(`${JSON.stringify(fields)} ${message}`);
  const log = { ...silent, info: say, warn: say, error: say };
  const expiry = new Expiry({ queue, store, limits, clock, drops, log });
  return {
    ...it,
    expiry,
    said,
    pass: (time) => {
      clock.time += time * 1_000;
      clock.seconds += time;
    },
    jump: (time) => {
      clock.seconds += time;
    },
    left: (key = KEY) => it.queue.of(key).account.count,
  };
}

/** Sends one, and has it on the disk. */
async function keep(it: Aging, text: string, to = KEY): Promise<void> {
  assert.is(it.route(to, text), 'pending');
  await it.settle();
}

const ages = suite('expiry');

ages('what is older than 30 days goes, what is not stays, to the second', async () => {
  const it = aging();
  it.expiry.start();
  await keep(it, 'old');
  it.pass(10);
  await keep(it, 'young');
  for (let hours = 0; hours < DAYS * 24 - 1; hours++) {
    it.pass(HOUR);
    assert.is(await it.expiry.sweep(), 0);
  }
  it.pass(HOUR - 10);
  assert.is(await it.expiry.sweep(), 0, 'exactly 30 days');
  it.pass(1);
  assert.is(await it.expiry.sweep(), 1);
  assert.is(it.drops.of('expired'), 1);
  new Twin(KEY, it.store).recount();
  const paper = it.join();
  assert.equal([paper.seen, paper.calls], [['<young>'], ['caughtUp']]);
  paper.cut();
  await it.settle();
  it.pass(10);
  assert.is(await it.expiry.sweep(), 1);
  assert.is(it.left(), 0);
  assert.equal([...tablesOf(it.store).shares.entries()], []);
  assert.is(it.said.length, 2, 'the operator is told how many');
  assert.match(it.said[0] as string, /"removed":1.*removed/);
  it.expiry.stop();
});

ages('whole rows and parts, of many mailboxes, and what was delivered is not counted', async () => {
  const it = aging();
  it.expiry.start();
  for (let n = 1; n <= 5; n++) it.route(KEY, String(n));
  await it.settle();
  await keep(it, 'other', OTHER);
  const paper = it.join(KEY, { acks: true });
  paper.takeAll();
  paper.outlet.acknowledge(2);
  await it.settle();
  paper.cut();
  for (let days = 0; days < 31; days++) {
    it.pass(DAY - 1);
    it.pass(1);
    await keep(it, `day ${days}`);
    const removed = await it.expiry.sweep();
    assert.is(removed, days === 30 ? 3 + 1 : 0, `day ${days}`);
    await it.settle();
  }
  assert.is(it.left(OTHER), 0);
  assert.is(it.left(KEY), 31);
  new Twin(KEY, it.store).recount();
  it.expiry.stop();
});

ages('a thousand mailboxes and thousands of rows go in slices', async () => {
  const it = aging();
  const keys = Array.from({ length: 1_200 }, (_, i) => i.toString(16).padStart(64, '0'));
  const sender = new PaperSender();
  const post = (key: string, text: string) => {
    const mailbox = it.queue.of(key);
    const bytes = Buffer.from(text);
    const number = mailbox.nextNumber();
    const rest = { poster: null, to: '', n: 0, told: false, start: 0, end: bytes.length };
    it.queue.append(mailbox, { number, sender: sender.key, bytes, ...rest });
  };
  for (const key of keys) post(key, 'x');
  const many = keys[700] as string;
  for (let i = 0; i < 2_500; i++) {
    it.queue.of(many).nextNumber(); // each a row of its own
    post(many, 'y');
  }
  await it.settle();
  it.expiry.start();
  it.pass((DAYS + 1) * DAY);
  let turns = 0;
  const counting = setInterval(() => turns++, 0);
  assert.is(await it.expiry.sweep(), 1_200 + 2_500);
  clearInterval(counting);
  assert.ok(turns > 0, 'others had their turn');
  const { rows, accounts, shares } = tablesOf(it.store);
  for (const table of [rows, accounts, shares]) assert.equal([...table.entries()], []);
  assert.is(it.drops.of('expired'), 3_700);
  it.expiry.stop();
});

ages(
  'what its owner was sent and has not acknowledged expires too, and nothing else is hurt',
  async () => {
    const it = aging();
    it.expiry.start();
    for (let n = 1; n <= 3; n++) it.route(KEY, String(n));
    await it.settle();
    const paper = it.join(KEY, { acks: true });
    paper.takeAll();
    it.pass((DAYS + 1) * DAY);
    assert.is(await it.expiry.sweep(), 3);
    assert.is(it.route(KEY, '4'), 'delivered');
    assert.is(paper.outlet.acknowledge(2), true);
    paper.cut();
    await it.settle();
    const next = it.join();
    assert.equal(next.seen, ['<4>']);
    next.cut();
    await it.settle();
    it.expiry.stop();
  },
);

ages(
  'a row that was removed in memory, and not on the disk yet, is not counted below nothing',
  async () => {
    const it = aging();
    await keep(it, '1');
    await keep(it, '2');
    await keep(it, '3');
    const mailbox = it.queue.of(KEY);
    it.queue.removeTo(mailbox, 2);
    assert.equal(mailbox.olderThan(it.clock.seconds + 1), { last: 3, count: 1, isMore: false });
    await it.settle();
  },
);

ages('for ever, if the operator wants', async () => {
  const it = aging(mapStore(), 1_700_000_000, Number.POSITIVE_INFINITY);
  it.expiry.start();
  await keep(it, 'x');
  it.pass(10_000 * DAY);
  assert.is(await it.expiry.sweep(), 0);
  assert.is(it.left(), 1);
  it.expiry.stop();
});

ages.run();

// ---- clocks that jump ----

const jumps = suite('expiry: the clock');

for (const [name, seconds, isJump] of [
  ['an hour ahead', HOUR, false],
  ['more than an hour ahead', HOUR + 1, true],
  ['40 years ahead', 40 * 365 * DAY, true],
  ['an hour back', -HOUR, false],
  ['more than an hour back', -HOUR - 1, true],
] as const)
  jumps(
    `${name}: ${isJump ? 'nothing expires for a day, and the log says so' : 'no matter'}`,
    async () => {
      const it = aging();
      it.expiry.start();
      it.pass(DAY);
      await it.expiry.sweep(); // much time alone is no jump
      await keep(it, 'x');
      it.pass((DAYS + 1) * DAY + 2 * HOUR);
      assert.equal(it.said, []);
      it.jump(seconds);
      assert.is(await it.expiry.sweep(), isJump ? 0 : 1);
      assert.is(it.said.filter((text) => text.includes('the clock jumped')).length, isJump ? 1 : 0);
      if (isJump) {
        assert.match(it.said[0] as string, new RegExp(`"seconds":${seconds}}`));
        it.pass(DAY - 1);
        assert.is(await it.expiry.sweep(), 0, 'a second too early');
        it.pass(1);
        assert.is(await it.expiry.sweep(), 1);
      }
      it.expiry.stop();
    },
  );

jumps('a second jump starts a day anew', async () => {
  const it = aging();
  it.expiry.start();
  await keep(it, 'x');
  it.pass((DAYS + 1) * DAY);
  it.jump(2 * HOUR);
  assert.is(await it.expiry.sweep(), 0);
  it.pass(DAY / 2);
  it.jump(-2 * HOUR);
  assert.is(await it.expiry.sweep(), 0);
  it.pass(DAY - 1);
  assert.is(await it.expiry.sweep(), 0);
  it.pass(1);
  assert.is(await it.expiry.sweep(), 1);
  it.expiry.stop();
});

for (const [name, away, isJump] of [
  ['a minute back', -60, false],
  ['an hour back', -HOUR, false],
  ['more than an hour back', -HOUR - 1, true],
  ['a day later', DAY, false],
  ['more than a day later', DAY + 1, true],
] as const)
  jumps(`a start with the clock ${name} than at the last look`, async () => {
    const before = aging();
    before.expiry.start();
    await keep(before, 'x');
    before.pass((DAYS + 2) * DAY);
    before.jump(-2 * DAY - 1); // not old enough, and a pause
    assert.is(await before.expiry.sweep(), 0);
    before.expiry.stop();
    const last = before.clock.seconds;

    const it = aging(before.store, last + away);
    it.expiry.start();
    assert.is(it.said.length, isJump ? 1 : 0);
    it.pass(2 * DAY + 60 * 60);
    it.jump(0);
    assert.is(await it.expiry.sweep(), 1, 'when it is old, and no pause is left');
    it.expiry.stop();
  });

jumps('a start after long absence pauses for a day', async () => {
  const before = aging();
  before.expiry.start();
  await keep(before, 'x');
  await before.expiry.sweep();
  before.expiry.stop();
  const it = aging(before.store, before.clock.seconds + 100 * DAY);
  it.expiry.start();
  assert.match(it.said[0] as string, /away for long/);
  assert.is(await it.expiry.sweep(), 0);
  it.pass(DAY);
  assert.is(await it.expiry.sweep(), 1);
  it.expiry.stop();
});

jumps('the very first start says nothing', async () => {
  const it = aging();
  it.expiry.start();
  assert.is(await it.expiry.sweep(), 0);
  assert.equal(it.said, []);
  it.expiry.stop();
});

jumps.run();

// ---- the timer ----

const timer = suite('expiry: the timer');

timer(
  'looks once an hour until it is stopped; a failing store is told and the next hour comes',
  async () => {
    mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    try {
      const it = aging();
      const { batches } = it.store;
      it.expiry.start();
      const hour = async () => {
        it.pass(HOUR);
        mock.timers.tick(HOUR * 1_000);
        for (let i = 0; i < 10; i++) await turn();
      };
      mock.timers.tick(HOUR * 1_000 - 1);
      assert.is(it.store.batches, batches);
      mock.timers.tick(1);
      for (let i = 0; i < 10; i++) await turn();
      assert.is(it.store.batches, batches + 1, 'the clock is noted');
      it.store.fail = new FleximError('store-full', 'full');
      await hour();
      assert.is(it.said.length, 1);
      assert.match(it.said[0] as string, /could not be removed/);
      it.store.fail = null;
      await hour();
      assert.is(it.store.batches, batches + 3);
      it.expiry.stop();
      await hour();
      assert.is(it.store.batches, batches + 3);
    } finally {
      mock.timers.reset();
    }
  },
);

timer.run();
