// The mailbox: its rows on the disk, what is read from them, and accounts that are always those of the
// rows. Over Maps and over the real store. docs/protocols/flexim.md §7.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { open } from 'lmdb';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { decodeAccount, decodeShare, encodeAccount, encodeShare } from '../../src/relay/account.ts';
import { Blocks } from '../../src/relay/blocks.ts';
import { DEFAULT_LIMITS } from '../../src/relay/limits.ts';
import { Mailbox } from '../../src/relay/mailbox.ts';
import type { QueueStore } from '../../src/relay/queue.ts';
import { encodeSegment, rowKey, Segment } from '../../src/relay/segment.ts';
import { Store } from '../../src/store/store.ts';
import { count } from '../count.ts';
import { histories as runAll } from '../histories.ts';
import { temporaryDirectory } from '../relay.ts';
import { type Step, steps, Twin, tablesOf } from './mailbox-model.ts';
import { mapStore } from './map-store.ts';
import { framed, KEY, OTHER, SENDER, tagOf } from './paper.ts';

const newKey = () => randomBytes(32).toString('hex');

// ---- the bytes on the disk ----

const layout = suite('rows of the queue');

layout('are what they were when the first relay wrote them', () => {
  assert.is(
    rowKey(Buffer.from(KEY, 'hex'), 0x010203040506, 7).toString('hex'),
    `${KEY}0102030405060007`,
  );
  const block = Buffer.from('..<one><two>..<three>');
  const entries = [
    { number: 4, tag: Buffer.from('0011223344556677', 'hex'), block, start: 2, end: 7 },
    { number: 5, tag: Buffer.from('8899aabbccddeeff', 'hex'), block, start: 7, end: 12 },
    { number: 6, tag: Buffer.from('0011223344556677', 'hex'), block, start: 14, end: 21 },
  ];
  const value = encodeSegment(0x65432100, entries);
  assert.is(
    value.toString('hex'),
    '01' +
      '65432100' +
      '0011223344556677' +
      '00000005' +
      '8899aabbccddeeff' +
      '00000005' +
      '0011223344556677' +
      '00000007' +
      Buffer.from('<one><two><three>').toString('hex'),
  );
  const segment = new Segment(rowKey(Buffer.from(KEY, 'hex'), 4, 3), value);
  assert.equal([segment.first, segment.count, segment.last, segment.time], [4, 3, 6, 0x65432100]);
  assert.equal(segment.tag(1), Buffer.from('8899aabbccddeeff', 'hex'));
  assert.equal(
    [0, 1, 2].map((i) => segment.length(i)),
    [5, 5, 7],
  );
  assert.is(segment.frames.toString(), '<one><two><three>');

  const account = { base: 1, head: 2, next: 3, count: 4, bytes: 2 ** 40 + 5, oldest: 6 };
  assert.is(
    encodeAccount(account).toString('hex'),
    '000000000001' + '000000000002' + '000000000003' + '00000004' + '010000000005' + '00000006',
  );
  assert.equal(decodeAccount(encodeAccount(account)), account);
  const share = { count: 7, bytes: 2 ** 33 };
  assert.is(encodeShare(share).toString('hex'), '00000007' + '000200000000');
  assert.equal(decodeShare(encodeShare(share)), share);
});

layout('frames that lie apart, in other blocks, or are empty, come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ block: fc.nat(2), start: fc.nat(20), length: fc.nat(9) }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.boolean(),
      (pieces, sideBySide) => {
        const blocks = ['a', 'b', 'c'].map((name) =>
          Buffer.from(Array.from({ length: 140 }, (_, i) => `${name}${i}`).join('')),
        );
        let at = 0;
        const entries = pieces.map(({ block, start, length }, i) => {
          const from = sideBySide ? at : start;
          at = from + length;
          const of = blocks[sideBySide ? 0 : block] as Buffer;
          return { number: i + 1, tag: tagOf(KEY, String(i)), block: of, start: from, end: at };
        });
        const value = encodeSegment(1, entries);
        const segment = new Segment(rowKey(Buffer.from(KEY, 'hex'), 1, entries.length), value);
        let frameAt = 0;
        for (const [i, { block, start, end }] of entries.entries()) {
          assert.is(segment.length(i), end - start);
          const frame = segment.frames.subarray(frameAt, frameAt + end - start);
          assert.equal(frame, block.subarray(start, end));
          frameAt += end - start;
        }
        assert.is(segment.frames.length, frameAt);
      },
    ),
    { seed: 1, numRuns: count(50, 300) },
  );
});

layout('a row of another version is not guessed at', () => {
  const row = encodeSegment(1, []);
  row[0] = 2;
  assert.throws(
    () => new Segment(rowKey(Buffer.from(KEY, 'hex'), 1, 0), row),
    (error: unknown) => isFleximError(error, 'store-version'),
  );
});

layout.run();

// ---- over both stores ----

interface Box {
  readonly mailbox: Mailbox;
  readonly settled: string[];
  /** Appends a Message that somebody waits for, with the next number. */
  post(text: string, sender?: string): number;
  /** Appends one with a number it got earlier. */
  spill(number: number, text: string, sender?: string): void;
  commit(time?: number): Promise<void>;
  /** Numbers of rows as first..last. */
  rows(): string[];
  /** The texts from a number on, as they would be sent. */
  texts(from?: number): string[];
  /** The same mailbox as a new process finds it. */
  reopened(): Box;
}

function box(store: QueueStore, key = newKey()): Box {
  const tables = tablesOf(store);
  const blocks = new Blocks();
  const mailbox = new Mailbox(key, { tables, blocks, tagOf });
  const settled: string[] = [];
  const append = (number: number, text: string, sender: string, waits: boolean) => {
    const bytes = framed(text);
    const poster = {
      settled: ({ n }: { n: number }, refusal: string | null) =>
        void settled.push(`${n} ${refusal}`),
    };
    const place = { bytes, start: 0, end: bytes.length };
    const rest = { poster: waits ? poster : null, to: '', n: number, told: true };
    mailbox.append({ number, sender, ...place, ...rest });
  };
  const id = Buffer.from(key, 'hex');
  const range = { from: id, to: Buffer.concat([id, Buffer.alloc(9, 0xff)]) };
  return {
    mailbox,
    settled,
    post: (text, sender = SENDER) => {
      const number = mailbox.nextNumber();
      append(number, text, sender, true);
      return number;
    },
    spill: (number, text, sender = SENDER) => append(number, text, sender, false),
    commit: async (time = 1) => {
      await store.batch(() => mailbox.write(time));
      mailbox.kept();
    },
    rows: () =>
      [...tables.rows.entries(range)].map(([rowOf, value]) => {
        const { first, last } = new Segment(rowOf, value);
        return `${first}..${last}`;
      }),
    texts: (from = 0) => {
      const texts: string[] = [];
      for (let at = Math.max(from, mailbox.head); ; ) {
        const segment = mailbox.read(at);
        if (!segment) return texts;
        let start = 0;
        for (let i = 0; i < segment.count; i++) {
          const end = start + segment.length(i);
          if (segment.first + i >= at)
            texts.push(segment.frames.toString('latin1', start + 1, end - 1));
          start = end;
        }
        at = segment.last + 1;
      }
    },
    reopened: () => box(store, key),
  };
}

interface Ground {
  readonly name: string;
  /** The step of a history is quicker here or there. */
  readonly runs: number;
  with(body: (store: QueueStore) => Promise<void>): Promise<void>;
}

const GROUNDS: readonly Ground[] = [
  { name: 'Maps', runs: count(45, 150), with: (body) => body(mapStore()) },
  {
    name: 'the store',
    runs: 9,
    with: async (body) => {
      const data = temporaryDirectory();
      const store = new Store(data, 'relay');
      try {
        await body(store);
      } finally {
        await store.close();
        rmSync(data, { recursive: true });
      }
    },
  },
];

function histories(test: Test, { runs, with: on }: Ground): void {
  test('does what a plain array does, through random histories', () =>
    on(async (store) => {
      let operations = 0;
      const run = async (history: readonly Step[]) => {
        const twin = new Twin(newKey(), store);
        await twin.run(history);
        operations += twin.operations;
      };
      await runAll(steps, run, { seed: 20_260_501, numRuns: runs });
      assert.ok(operations > runs * 30, `${operations} steps`);
    }));

  test('thousands of Messages of one mailbox: the accounts are those of the rows', () =>
    on(async (store) => {
      const twin = new Twin(newKey(), store);
      const long = fc.sample(steps, { seed: 7, numRuns: runs / 3 }).flat();
      await twin.run(long);
      await twin.run(long.toReversed());
    }));
}

function rowsOf(test: Test, { with: on }: Ground): void {
  test('rows are runs of numbers, of 64 KiB at most; a larger frame has its own', () =>
    on(async (store) => {
      const it = box(store);
      const large = 'x'.repeat(30_000);
      for (const text of [large, large, large, 'y'.repeat(100_000), 'a', 'b']) it.post(text);
      it.mailbox.nextNumber(); // one that was sent at once
      it.post('c');
      await it.commit();
      assert.equal(it.rows(), ['1..2', '3..3', '4..4', '5..6', '8..8']);
      assert.equal(it.texts(4).slice(1), ['a', 'b', 'c']);
      assert.equal(it.texts(6), ['b', 'c']);
      assert.equal(it.texts(7), ['c']);
      assert.equal(it.texts(9), []);
      assert.is(it.mailbox.read(7)?.first, 8);
      it.mailbox.removeTo(5);
      await it.commit();
      assert.equal(it.rows(), ['5..6', '8..8']);
      assert.equal(it.texts(), ['b', 'c']);
      assert.is(it.mailbox.account.base, 5);
      assert.is(it.mailbox.account.head, 6);
    }));

  test('a row that was acknowledged in part goes on there, over every start', () =>
    on(async (store) => {
      let it = box(store);
      for (let n = 1; n <= 10; n++) it.post(String(n), n % 2 ? SENDER : OTHER);
      await it.commit();
      assert.equal(it.rows(), ['1..10']);
      for (let n = 1; n <= 10; n++) {
        it.mailbox.removeTo(n);
        await it.commit();
        it = it.reopened();
        const left = Array.from({ length: 10 - n }, (_, i) => String(n + 1 + i));
        assert.equal(it.texts(), left);
        assert.is(it.mailbox.account.count, left.length);
      }
      assert.equal(it.rows(), []);
      assert.equal([...tablesOf(store).shares.entries()], [], 'nothing of it stays');
      assert.equal([...tablesOf(store).accounts.entries()], []);
      assert.equal([it.mailbox.account.head, it.mailbox.last], [1, 0]);
    }));

  test('what was sent first is read first, though it came to the disk last', () =>
    on(async (store) => {
      const it = box(store);
      const numbers = [1, 2, 3].map(() => it.mailbox.nextNumber());
      it.post('later 4');
      await it.commit(50);
      assert.equal(it.texts(), ['later 4']);
      it.spill(2, 'sent 2');
      assert.equal(it.texts(), [], 'not before that one is kept');
      it.spill(numbers[0] as number, 'sent 1');
      const batch = store.batch(() => it.mailbox.write(60));
      it.post('5');
      await batch;
      it.mailbox.kept();
      assert.equal(it.texts(), ['sent 1', 'sent 2', 'later 4']);
      assert.equal(it.rows(), ['1..2', '4..4'], 'in one row, since they follow each other');
      assert.equal([it.mailbox.account.base, it.mailbox.account.oldest], [1, 60]);
      assert.equal(it.reopened().texts(), ['sent 1', 'sent 2', 'later 4']);
      it.mailbox.removeTo(2);
      await it.commit();
      assert.equal(it.rows(), ['4..4', '5..5']);
      assert.equal([it.mailbox.account.base, it.mailbox.account.oldest], [4, 50]);
    }));

  test('what is delivered before it is written never is; its sender is told all the same', () =>
    on(async (store) => {
      const it = box(store);
      it.post('1');
      it.post('2');
      it.mailbox.removeTo(1);
      await it.commit();
      assert.equal(it.settled, ['1 null', '2 null']);
      assert.equal(it.rows(), ['2..2']);
      assert.is(it.mailbox.account.count, 1);
    }));

  test('thousands of rows go 2,000 in a commit, and each commit leaves true accounts', () =>
    on(async (store) => {
      const twin = new Twin(newKey(), store); // for its recount
      const it = box(store, twin.key);
      const ROWS = 4_500;
      for (let n = 0; n < ROWS; n++) {
        it.post('x', n % 3 ? SENDER : OTHER);
        it.mailbox.nextNumber();
      }
      await it.commit(10);
      const older = it.mailbox.olderThan(11);
      assert.equal(older, { last: 2 * 2_000 - 1, count: 2_000, isMore: true });
      assert.equal(it.mailbox.olderThan(10), { last: 0, count: 0, isMore: false });
      it.mailbox.removeTo(it.mailbox.last);
      const left: number[] = [];
      while (it.mailbox.isRemoving) {
        await it.commit();
        twin.recount();
        left.push(it.mailbox.account.count);
        assert.equal(it.texts(), [], 'what was delivered is not read again');
      }
      assert.equal(left, [2_500, 500, 0]);
    }));

  test('olderThan counts what was not delivered, in rows that are old as a whole', () =>
    on(async (store) => {
      const it = box(store);
      for (const time of [10, 20, 30]) {
        it.post('a');
        it.post('b');
        await it.commit(time);
      }
      assert.equal(it.mailbox.olderThan(10), { last: 0, count: 0, isMore: false });
      assert.equal(it.mailbox.olderThan(11), { last: 2, count: 2, isMore: false });
      it.mailbox.removeTo(1);
      assert.equal(it.mailbox.olderThan(11), { last: 2, count: 1, isMore: false });
      await it.commit();
      assert.equal(it.mailbox.olderThan(30), { last: 4, count: 3, isMore: false });
      it.mailbox.removeTo(4);
      await it.commit();
      assert.is(it.mailbox.account.oldest, 30);
      assert.equal(it.mailbox.olderThan(1_000), { last: 6, count: 2, isMore: false });
    }));

  test('quotas: of all and of each sender, in Messages and in bytes, to the last one', () =>
    on(async (store) => {
      const limits = { ...DEFAULT_LIMITS, queueMessages: 10, queueBytes: 1_000, queueShare: 30 };
      const it = box(store);
      const [a, b, c, d] = ['0a', '0b', '0c', '0d'].map((x) => x.repeat(32)) as [
        string,
        string,
        string,
        string,
      ];
      const check = (sender: string, length: number) => it.mailbox.refusal(sender, length, limits);
      assert.is(check(a, 300), null);
      assert.is(check(a, 301), 'share-full');
      assert.is(check(a, 1_001), 'mailbox-full');
      for (let i = 0; i < 3; i++) it.post('x'.repeat(8), a);
      assert.is(check(a, 0), 'share-full', 'also before they are on the disk');
      assert.is(check(b, 300), null);
      await it.commit();
      assert.is(it.reopened().mailbox.refusal(a, 0, limits), 'share-full', 'and after a start');
      for (const sender of [b, c]) for (let i = 0; i < 3; i++) it.post('x'.repeat(8), sender);
      assert.is(check(d, 10), null);
      it.post('x', d);
      assert.is(check(d, 0), 'mailbox-full');
      it.mailbox.removeTo(1);
      assert.is(check(d, 0), 'mailbox-full', 'until it is off the disk');
      await it.commit();
      assert.is(check(d, 0), null);
      assert.is(check(a, 0), null);
      it.post('x', a);
      assert.is(check(d, 0), 'mailbox-full');
    }));

  test('mailboxes beside each other are strangers', () =>
    on(async (store) => {
      const keys = ['00', '7f', '80', 'ff'].map((byte) => byte.repeat(32));
      const boxes = keys.map((key) => box(store, key));
      for (const [i, it] of boxes.entries()) for (let n = 0; n <= i; n++) it.post(`${i} ${n}`);
      await store.batch(() => {
        for (const { mailbox } of boxes) mailbox.write(1);
      });
      for (const { mailbox } of boxes) mailbox.kept();
      boxes[1]?.mailbox.removeTo(9);
      await boxes[1]?.commit();
      const expected = [['0 0'], [], ['2 0', '2 1', '2 2'], ['3 0', '3 1', '3 2', '3 3']];
      assert.equal(
        boxes.map((it) => it.reopened().texts()),
        expected,
      );
    }));
}

for (const ground of GROUNDS) {
  const test = suite(`mailbox over ${ground.name}`);
  histories(test, ground);
  rowsOf(test, ground);
  test.run();
}

// ---- damage ----

const damage = suite('a damaged mailbox');

damage('a row that was changed on the disk is an error, never a Message', async () => {
  const data = temporaryDirectory();
  let store = new Store(data, 'relay');
  const key = newKey();
  const it = box(store, key);
  it.post('fine');
  await it.commit();
  it.post('good bytes');
  await it.commit();
  await store.close();

  const db = open({ path: store.path, noSubdir: true, maxDbs: 16 });
  const rows = db.openDB<Buffer, Uint8Array>({
    name: 'queue',
    encoding: 'binary',
    keyEncoding: 'binary',
  });
  const rowOf = rowKey(Buffer.from(key, 'hex'), 2, 1);
  const value = Buffer.from(rows.get(rowOf) as Buffer);
  value[value.length - 3] = (value[value.length - 3] as number) ^ 1;
  await rows.put(rowOf, value);
  await db.close();

  store = new Store(data, 'relay');
  try {
    const again = box(store, key);
    const isDamage = (error: unknown) => isFleximError(error, 'store-damaged');
    assert.is(again.mailbox.read(1)?.frames.toString(), '<fine>');
    assert.throws(() => again.mailbox.read(2), isDamage);
    assert.throws(() => again.mailbox.olderThan(9), isDamage);
  } finally {
    await store.close();
    rmSync(data, { recursive: true });
  }
});

damage.run();
