// A mailbox beside a plain array that does the same, step by step through random histories: what
// arrives, what is delivered, spills of older Messages, batches that fail, and a start from the disk.

import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { decodeAccount, decodeShare } from '../../src/relay/account.ts';
import { Blocks } from '../../src/relay/blocks.ts';
import { DEFAULT_LIMITS } from '../../src/relay/limits.ts';
import { Mailbox, type Post, type Tables } from '../../src/relay/mailbox.ts';
import type { QueueStore } from '../../src/relay/queue.ts';
import { Segment } from '../../src/relay/segment.ts';
import type { MapStore } from './map-store.ts';
import { framed, tagOf } from './paper.ts';

const SENDERS = ['11', '22', '33'].map((byte) => byte.repeat(32));
const LIMITS = { ...DEFAULT_LIMITS, queueMessages: 20, queueBytes: 2_000, queueShare: 40 };

export function tablesOf(store: QueueStore): Tables {
  return {
    rows: store.bytes('queue'),
    accounts: store.bytes('accounts'),
    shares: store.bytes('shares'),
  };
}

/** How often rows are looked for on the disk, from now on. */
export function countLooks(store: MapStore): () => number {
  const { rows } = tablesOf(store);
  const { entries } = rows;
  let looks = 0;
  rows.entries = (...how) => {
    looks++;
    return entries.apply(rows, how);
  };
  return () => looks;
}

/** What a Message was made of. */
interface Item {
  readonly number: number;
  readonly sender: number;
  readonly text: string;
  readonly waits: boolean; // a sender waits for it
  isKept: boolean;
  time: number;
}

export type Step =
  | { readonly do: 'append'; readonly sender: number; readonly length: number }
  | { readonly do: 'live'; readonly sender: number; readonly length: number } // sent, not queued
  | { readonly do: 'spill'; readonly part: number } // of what was sent so, the oldest first
  | { readonly do: 'remove'; readonly part: number }
  | { readonly do: 'commit'; readonly fails: boolean; readonly between: readonly Step[] }
  | { readonly do: 'reload' };

const parts = fc.integer({ min: 0, max: 100 });
const sizes = { sender: fc.nat(2), length: fc.integer({ min: 0, max: 40 }) };
const plain: fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant('append' as const), ...sizes }),
  fc.record({ do: fc.constant('append' as const), ...sizes }),
  fc.record({ do: fc.constant('live' as const), ...sizes }),
  fc.record({ do: fc.constant('spill' as const), part: parts }),
  fc.record({ do: fc.constant('remove' as const), part: parts }),
];
const commits = fc.record({
  do: fc.constant('commit' as const),
  fails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  between: fc.array(fc.oneof(...plain), { maxLength: 4 }),
});
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(...plain, commits, fc.constant({ do: 'reload' as const })),
  { minLength: 5, maxLength: 60, size: 'max' },
);

export class Twin {
  readonly key: string;
  readonly #store: QueueStore & { fail?: Error | null };
  readonly #isMap: boolean; // its batches can be made to fail
  readonly #tables: Tables;
  readonly #blocks = new Blocks();
  #mailbox: Mailbox;
  #items: Item[] = []; // in the mailbox: drafts and rows, by number
  #sent: Item[] = []; // sent and not queued, the oldest first
  #next = 1;
  #head = 1; // as written
  #wanted = 1;
  #offDisk = 1; // what was below it when a batch was last kept
  #underWay = Number.POSITIVE_INFINITY; // the lowest number in the batch that is being written
  #texts = 0;
  #time = 1_000;
  readonly #settled: string[] = [];
  readonly #expected: string[] = [];
  operations = 0;

  constructor(key: string, store: QueueStore | MapStore) {
    this.key = key;
    this.#store = store;
    this.#isMap = 'fail' in store;
    this.#tables = tablesOf(store);
    this.#mailbox = this.#open();
  }

  #open(): Mailbox {
    return new Mailbox(this.key, { tables: this.#tables, blocks: this.#blocks, tagOf });
  }

  async run(history: readonly Step[]): Promise<void> {
    for (const step of history) {
      await this.#step(step);
      this.#compare();
    }
    await this.#commit(false, []);
    while (this.#mailbox.isDirty) await this.#commit(false, []);
    this.recount();
    await this.#step({ do: 'reload' });
    this.#compare();
  }

  async #step(step: Step): Promise<void> {
    this.operations++;
    if (step.do === 'append') this.#append(step, true);
    else if (step.do === 'live') this.#append(step, false);
    else if (step.do === 'spill') this.#spill(step.part);
    else if (step.do === 'remove') this.#remove(step.part);
    else if (step.do === 'commit') await this.#commit(step.fails, step.between);
    else this.#reload();
  }

  #append({ sender, length }: { sender: number; length: number }, queued: boolean): void {
    const number = this.#mailbox.nextNumber();
    assert.is(number, this.#next++);
    const text = `${++this.#texts}${'.'.repeat(length)}`;
    const item = { number, sender, text, waits: queued, isKept: false, time: 0 };
    if (queued) this.#post(item);
    else this.#sent.push(item);
  }

  #post(item: Item): void {
    const frame = framed(item.text);
    const bytes = Buffer.concat([Buffer.from('>>'), frame, Buffer.from('<')]);
    const poster = {
      settled: ({ n }: { n: number }, refusal: string | null) =>
        void this.#settled.push(`${n} ${refusal}`),
    };
    const post: Post = {
      number: item.number,
      sender: SENDERS[item.sender] as string,
      bytes,
      start: 2,
      end: 2 + frame.length,
      poster: item.waits ? poster : null,
      to: '',
      n: item.number,
      told: true,
    };
    this.#mailbox.append(post);
    bytes.fill(0xee); // belongs to somebody else
    this.#items.push(item);
  }

  #spill(part: number): void {
    const count = Math.ceil((this.#sent.length * part) / 100);
    for (const item of this.#sent.splice(0, count)) this.#post(item);
  }

  #remove(part: number): void {
    const last = this.#next - 1;
    const to = Math.min(last, this.#head - 1 + Math.ceil(((last + 1 - this.#head) * part) / 100));
    this.#mailbox.removeTo(to);
    this.#wanted = Math.max(this.#wanted, to + 1);
    this.#sent = this.#sent.filter(({ number }) => number > to); // acknowledged with the rest
  }

  async #commit(wish: boolean, between: readonly Step[]): Promise<void> {
    const mailbox = this.#mailbox;
    if (!mailbox.isDirty) return;
    const fails = wish && this.#isMap;
    const time = this.#time++;
    const before = { head: this.#head, items: this.#items.map((item) => ({ ...item })) };
    const writing = this.#items.filter(({ isKept }) => !isKept);
    const blocks = this.#blocks.take();
    if (fails) this.#store.fail = new Error('no room');
    const batch = this.#store
      .batch(() => mailbox.write(time))
      .then(
        () => true,
        () => false,
      );
    const head = Math.max(this.#head, this.#wanted);
    this.#head = head;
    const delivered = ({ number }: Item) => number < head;
    // What was delivered while it waited for the disk does not go there, and that is fine.
    for (const item of writing.filter(delivered)) if (item.waits) this.#expect(item, null);
    this.#items = this.#items.filter((item) => !delivered(item));
    this.#underWay = Math.min(...writing.map(({ number }) => number));
    for (const step of between) {
      await this.#step(step);
      // What another thread writes may be seen a little earlier than its promise is kept.
      if (this.#isMap) this.#compare();
    }
    const kept = await batch;
    this.#underWay = Number.POSITIVE_INFINITY;
    if (fails) this.#store.fail = null;
    assert.is(kept, !fails);
    if (kept) {
      const waited = writing.filter((item) => !delivered(item));
      for (const item of waited.toSorted((a, b) => a.number - b.number)) {
        item.isKept = true;
        item.time = time;
        if (item.waits) this.#expect(item, null);
      }
      mailbox.kept();
      this.#offDisk = this.#head;
    } else {
      // What lies on the disk counts, and an empty mailbox has no row there.
      this.#head = before.items.some(({ isKept }) => isKept) ? before.head : 1;
      this.#offDisk = this.#head;
      const back = writing.filter(({ number }) => number >= head); // the rest was delivered
      this.#items = this.#items.filter((item) => !writing.includes(item));
      for (const item of before.items.filter(({ isKept }) => isKept))
        if (!this.#items.some(({ number }) => number === item.number)) this.#items.push(item);
      this.#items.push(...back.filter(({ waits }) => !waits));
      for (const item of back.toSorted((a, b) => a.number - b.number))
        if (item.waits) this.#expect(item, 'store-full');
      mailbox.failed();
    }
    this.#blocks.giveBack(blocks);
    for (const block of blocks) block.fill(0xdd);
  }

  #expect(item: Item, refusal: string | null): void {
    this.#expected.push(`${item.number} ${refusal}`);
  }

  /** As the queue forgets a mailbox: when nothing waits, and nobody reads. */
  #reload(): void {
    if (this.#mailbox.isDirty || !this.#mailbox.isKept) return;
    this.#sent = [];
    this.#mailbox = this.#open();
    this.#next = this.#mailbox.last + 1;
    const last = Math.max(0, ...this.#items.map(({ number }) => number));
    assert.ok(this.#next > last, 'numbers do not come twice');
    if (this.#items.length === 0) {
      this.#head = 1;
      this.#wanted = 1;
      this.#offDisk = 1;
    }
    assert.is(this.#mailbox.account.head, this.#head);
  }

  // ---- comparing ----

  #compare(): void {
    const mailbox = this.#mailbox;
    assert.equal(this.#settled, this.#expected);
    assert.is(mailbox.last, this.#next - 1);
    assert.is(mailbox.isRemoving, this.#wanted > this.#offDisk);
    const drafts = this.#items.filter(({ isKept }) => !isKept);
    assert.is(mailbox.isKept, drafts.length === 0);
    const { count, bytes } = mailbox.account;
    assert.is(count, this.#items.length);
    assert.is(bytes, sum(this.#items));
    for (const from of [0, this.#head, this.#head + 1, this.#next - 1, this.#next])
      this.#compareRead(from, drafts);
    for (let sender = 0; sender < SENDERS.length; sender++) this.#compareRefusal(sender);
  }

  #compareRead(from: number, drafts: readonly Item[]): void {
    const wanted = Math.max(from, this.#head, this.#wanted);
    const rows = this.#items
      .filter(({ isKept, number }) => isKept && number >= wanted)
      .sort((a, b) => a.number - b.number);
    const segment = this.#mailbox.read(from);
    const first = rows[0];
    const pending = Math.min(this.#underWay, ...drafts.map(({ number }) => number));
    if (!first || pending < first.number)
      return assert.is(segment, null, 'a lower one is on its way, or there is none');
    assert.ok(segment, `Message ${first.number} is on the disk`);
    assert.ok(segment.first <= first.number && segment.last >= first.number);
    let at = 0;
    for (let i = 0; i < segment.count; i++) {
      const number = segment.first + i;
      const item = rows.find((row) => row.number === number);
      const text = segment.frames.toString('latin1', at, at + segment.length(i));
      at += segment.length(i);
      if (number < wanted) continue;
      assert.is(text, item && framed(item.text).toString('latin1'));
      assert.equal(segment.tag(i), tagOf(this.key, SENDERS[item?.sender ?? 9] as string));
      assert.is(segment.time, item?.time);
    }
    assert.is(at, segment.frames.length);
  }

  #compareRefusal(sender: number): void {
    const own = this.#items.filter((item) => item.sender === sender);
    const { queueMessages, queueBytes, queueShare } = LIMITS;
    for (const length of [0, 100, 700]) {
      const isFull =
        this.#items.length + 1 > queueMessages || sum(this.#items) + length > queueBytes;
      const part = queueShare / 100;
      const isShare =
        own.length + 1 > queueMessages * part || sum(own) + length > queueBytes * part;
      const expected = isFull ? 'mailbox-full' : isShare ? 'share-full' : null;
      assert.is(this.#mailbox.refusal(SENDERS[sender] as string, length, LIMITS), expected);
    }
  }

  /** The accounts on the disk are those of the rows, and of nothing else. */
  recount(): void {
    const id = Buffer.from(this.key, 'hex');
    const range = { from: id, to: Buffer.concat([id, Buffer.alloc(32, 0xff)]) };
    const shares = new Map<string, { count: number; bytes: number }>();
    const total = { count: 0, bytes: 0 };
    const row = this.#tables.accounts.get(id);
    const head = row ? decodeAccount(row).head : 1;
    let base = 0;
    let oldest = 0;
    let last = 0;
    for (const [key, value] of this.#tables.rows.entries(range)) {
      const segment = new Segment(key, value);
      base ||= segment.first;
      oldest ||= segment.time;
      assert.ok(segment.first > last, 'rows do not overlap');
      last = segment.last;
      for (let i = 0; i < segment.count; i++) {
        if (segment.first + i < head) continue;
        const share = shares.get(segment.tag(i).toString('hex')) ?? { count: 0, bytes: 0 };
        for (const each of [share, total]) {
          each.count++;
          each.bytes += segment.length(i);
        }
        shares.set(segment.tag(i).toString('hex'), share);
      }
    }
    assert.is(row !== undefined, total.count > 0, 'an account for what there is alone');
    if (row) {
      const account = decodeAccount(row);
      assert.equal({ count: account.count, bytes: account.bytes }, total);
      assert.is(account.base, base);
      assert.is(account.oldest, oldest);
      assert.ok(account.next > last && account.next >= account.head);
    }
    const kept = [...this.#tables.shares.entries(range)].map(
      ([key, value]) => [key.subarray(32).toString('hex'), decodeShare(value)] as const,
    );
    assert.equal(new Map(kept), shares);
  }
}

function sum(items: readonly Item[]): number {
  return items.reduce((bytes, { text }) => bytes + text.length + 2, 0);
}
