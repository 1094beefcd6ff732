// The queue of one recipient: what is on the disk, what is about to be, and the account of both.
// docs/protocols/flexim.md §7. Numbers order everything: a Message gets its number when it arrives,
// whether it is queued, delivered at once, or queued later because it was not acknowledged.

import { fromHex } from '../lib/bytes.ts';
import { type Account, decodeAccount, encodeAccount, newAccount } from './account.ts';
import type { Blocks } from './blocks.ts';
import type { Limits } from './limits.ts';
import {
  type Entry,
  encodeSegment,
  KEY_BYTES,
  MAX_COUNT,
  parseRowKey,
  rowKey,
  Segment,
} from './segment.ts';
import { type Mark, nameOf, Shares } from './shares.ts';

/** What a mailbox needs of a table of bytes in the store. */
export interface ByteRows {
  get(key: Uint8Array): Buffer | undefined;
  entries(range?: {
    readonly from: Uint8Array;
    readonly to: Uint8Array;
    readonly backwards?: boolean;
  }): Iterable<readonly [Buffer, Buffer]>;
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
}

export interface Tables {
  readonly rows: ByteRows;
  readonly accounts: ByteRows;
  readonly shares: ByteRows;
}

/** Why a Message was not queued. */
export type Refusal = 'mailbox-full' | 'share-full' | 'store-full';

/** A Message that is to be queued: bytes[start..end). */
export interface Post {
  readonly number: number;
  readonly sender: string; // key
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Who hears what became of it; null when nobody waits for that. */
  readonly poster: Poster | null;
  readonly to: string; // as sent
  readonly n: number; // the sender's number
  /** The sender is told that it is queued. */
  readonly told: boolean;
}

/** A post whose bytes lie in blocks of the queue. */
export interface Draft extends Entry, Mark {
  readonly tag: Buffer;
  readonly poster: Poster | null;
  readonly to: string;
  readonly n: number;
  readonly told: boolean;
}

export interface Poster {
  settled(draft: Draft, refusal: Refusal | null): void;
}

/** Who reads the mailbox: the connection of its owner. */
export interface Reader {
  /** Another reads from here on, or nobody. */
  close(): void;
  /** More rows may be read. */
  rowsKept(): void;
}

export interface MailboxOptions {
  readonly tables: Tables;
  readonly blocks: Blocks;
  readonly tagOf: (recipient: string, sender: string) => Buffer;
}

const SEGMENT_BYTES = 64 * 1024; // of frames; one larger frame makes a segment of its own
const MAX_REMOVED = 2_000; // rows in one commit
const LAST_NUMBER = 2 ** 48 - 1;

export class Mailbox {
  readonly key: string;
  readonly #id: Uint8Array;
  readonly #tables: Tables;
  readonly #blocks: Blocks;
  readonly #shares: Shares;
  #account: Account;
  #drafts: Draft[] = [];
  #writing: readonly Draft[] = [];
  #wantedHead: number; // what was delivered is below it …
  #keptHead: number; // … and what is off the disk for that below this one
  #pending = Number.POSITIVE_INFINITY; // the lowest number that is not on the disk yet
  reader: Reader | null = null;

  constructor(key: string, { tables, blocks, tagOf }: MailboxOptions) {
    this.key = key;
    this.#blocks = blocks;
    this.#id = fromHex(key, KEY_BYTES) as Uint8Array;
    this.#tables = tables;
    this.#shares = new Shares(this.#id, tables.shares, (sender) => tagOf(key, sender));
    this.#account = this.#load();
    this.#wantedHead = this.#account.head;
    this.#keptHead = this.#account.head;
  }

  /** The number of the last Message that is or was here. */
  get last(): number {
    return this.#account.next - 1;
  }

  get account(): Readonly<Account> {
    return this.#account;
  }

  /** The first number that was not delivered. */
  get head(): number {
    return this.#wantedHead;
  }

  /** Something waits to be written. */
  get isDirty(): boolean {
    return this.#drafts.length > 0 || this.#wantedHead > this.#account.head;
  }

  /** Something that was delivered is still on the disk. */
  get isRemoving(): boolean {
    return this.#wantedHead > this.#keptHead;
  }

  /** Everything that was appended is on the disk. */
  get isKept(): boolean {
    return this.#drafts.length === 0 && this.#writing.length === 0;
  }

  nextNumber(): number {
    return this.#account.next++;
  }

  /** So many numbers in a row; the first of them. */
  nextNumbers(count: number): number {
    const first = this.#account.next;
    this.#account.next += count;
    return first;
  }

  /** Whether a Message more of that sender would go beyond what is allowed. */
  refusal(sender: string, length: number, limits: Limits): Refusal | null {
    const { count, bytes } = this.#account;
    const { queueMessages, queueBytes, queueShare } = limits;
    if (count + 1 > queueMessages || bytes + length > queueBytes) return 'mailbox-full';
    const share = this.#shares.of(this.#shares.mark(sender).name);
    const part = queueShare / 100;
    if (share.count + 1 > queueMessages * part || share.bytes + length > queueBytes * part)
      return 'share-full';
    return null;
  }

  append({ number, sender, bytes, start, end, poster, to, n, told }: Post): void {
    const length = end - start;
    const { block, start: at } = this.#blocks.put(bytes, start, end);
    const { tag, name } = this.#shares.mark(sender);
    this.#drafts.push({
      number,
      tag,
      name,
      block,
      start: at,
      end: at + length,
      poster,
      to: to === this.key ? this.key : to, // the same text, and not one more for each Message
      n,
      told,
    });
    if (number < this.#pending) this.#pending = number;
    this.#count(name, length, 1);
  }

  /** All up to and with this number were delivered. */
  removeTo(number: number): void {
    this.#wantedHead = Math.max(this.#wantedHead, number + 1);
  }

  /**
   * The row with the first Message from this number on that was not delivered. Null when there is none
   * on the disk, or one with a lower number is still on its way there.
   */
  read(from: number): Segment | null {
    const wanted = Math.max(from, this.head);
    if (this.awaits(wanted)) return null;
    for (const [key, value] of this.#rows(this.#rowAt(wanted))) {
      const segment = new Segment(key, value);
      if (segment.last >= wanted) return segment.first > this.#pending ? null : segment;
    }
    return null;
  }

  /** This number, or a lower one, is still on its way to the disk: nothing from there on is to be read yet. */
  awaits(number: number): boolean {
    return number >= this.#pending;
  }

  /** Rows from before a time: the last number in them, and how many Messages were not delivered. */
  olderThan(time: number): { last: number; count: number; isMore: boolean } {
    let last = 0;
    let count = 0;
    let looked = 0;
    for (const [key, value] of this.#rows(this.#account.base)) {
      const segment = new Segment(key, value);
      if (segment.time >= time) break;
      if (looked++ === MAX_REMOVED) return { last, count, isMore: true };
      last = segment.last;
      const delivered = Math.max(0, this.#wantedHead - segment.first);
      count += Math.max(0, segment.count - delivered);
    }
    return { last, count, isMore: false };
  }

  // ---- commit, inside a batch ----

  /** Asks for all changes; the drafts among them are under way until `kept` or `failed`. */
  write(time: number): void {
    const account = this.#account;
    if (this.#wantedHead > account.head) this.#remove();
    const drafts = this.#drafts.filter((draft) => this.#isWanted(draft));
    this.#writing = drafts;
    this.#drafts = [];
    if (drafts.some((draft, i) => i > 0 && draft.number < (drafts[i - 1] as Draft).number))
      drafts.sort((a, b) => a.number - b.number);
    for (const run of runs(drafts)) {
      const { number } = run[0] as Draft;
      this.#tables.rows.put(rowKey(this.#id, number, run.length), encodeSegment(time, run));
      if (number < account.base || account.oldest === 0) {
        account.base = number;
        account.oldest = time;
      }
    }
    this.#writeAccount();
  }

  /** Asks for what was delivered to be removed, and for nothing that needs room. */
  writeRemovals(): void {
    for (const { name, start, end } of this.#drafts) this.#count(name, end - start, -1);
    this.#remove();
    this.#writeAccount();
    for (const { name, start, end } of this.#drafts) this.#count(name, end - start, 1);
  }

  /** The batch is on the disk. */
  kept(): void {
    const done = this.#writing;
    this.#writing = [];
    this.#keptHead = this.#account.head;
    this.#pending = lowest(this.#drafts);
    for (const draft of done) draft.poster?.settled(draft, null);
    this.reader?.rowsKept();
  }

  /** The batch is not: what nobody waits for is tried again, the rest is refused. Bytes of the former. */
  failed(): number {
    const back = this.#writing;
    this.#writing = [];
    const next = this.#account.next;
    const again = back
      .filter(({ poster }) => poster === null)
      .map(({ block, start, end, ...draft }): Draft => {
        const place = this.#blocks.put(block, start, end);
        return { ...draft, ...place, end: place.start + end - start };
      });
    this.#drafts = again.concat(this.#drafts);
    this.#pending = lowest(this.#drafts);
    this.#account = this.#load();
    this.#keptHead = this.#account.head;
    this.#account.next = Math.max(next, this.#account.next);
    this.#shares.forget();
    for (const { name, start, end } of this.#drafts) this.#count(name, end - start, 1);
    for (const draft of back) draft.poster?.settled(draft, 'store-full');
    this.reader?.rowsKept(); // nothing came, and nothing will: he may have waited for it
    return again.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  // ---- rows ----

  /** Where the row begins that holds this number, if there is one. */
  #rowAt(number: number): number {
    const { base } = this.#account;
    if (number <= base) return base;
    const range = {
      from: rowKey(this.#id, base, 0),
      to: rowKey(this.#id, number, MAX_COUNT),
      backwards: true,
    };
    for (const [key] of this.#tables.rows.entries(range)) return parseRowKey(key).first;
    return number;
  }

  #rows(from: number): Iterable<readonly [Buffer, Buffer]> {
    const range = { from: rowKey(this.#id, from, 0), to: rowKey(this.#id, LAST_NUMBER, 0) };
    return this.#tables.rows.entries(range);
  }

  #isWanted(draft: Draft): boolean {
    if (draft.number >= this.#account.head) return true;
    this.#count(draft.name, draft.end - draft.start, -1);
    draft.poster?.settled(draft, null);
    return false;
  }

  /** Removes rows below the wanted head, and counts off what they held. */
  #remove(): void {
    const account = this.#account;
    let left = MAX_REMOVED;
    for (const [key, value] of this.#rows(account.base)) {
      const segment = new Segment(key, value);
      if (segment.first >= this.#wantedHead || left-- === 0) {
        // Stops at a row that stays, or after enough for one commit.
        account.base = segment.first;
        account.oldest = segment.time;
        account.head = left < 0 ? Math.max(account.head, segment.first) : this.#wantedHead;
        return;
      }
      const from = Math.max(account.head, segment.first) - segment.first;
      const to = Math.min(this.#wantedHead - segment.first, segment.count);
      for (let i = from; i < to; i++) this.#count(nameOf(segment.tag(i)), segment.length(i), -1);
      account.head = segment.first + to;
      if (to < segment.count) {
        account.base = segment.first;
        account.oldest = segment.time;
        account.head = this.#wantedHead;
        return;
      }
      this.#tables.rows.remove(key);
    }
    account.head = this.#wantedHead;
    account.base = account.next; // the first that comes makes it right
    account.oldest = 0;
  }

  // ---- accounts ----

  #load(): Account {
    const row = this.#tables.accounts.get(this.#id);
    return row ? decodeAccount(row) : newAccount();
  }

  #count(name: string, length: number, sign: 1 | -1): void {
    this.#account.count += sign;
    this.#account.bytes += sign * length;
    this.#shares.count(name, length, sign);
  }

  #writeAccount(): void {
    const { accounts } = this.#tables;
    this.#shares.write();
    if (this.#account.count === 0) accounts.remove(this.#id);
    else accounts.put(this.#id, encodeAccount(this.#account));
  }
}

function lowest(drafts: readonly Draft[]): number {
  return drafts.reduce((least, { number }) => Math.min(least, number), Number.POSITIVE_INFINITY);
}

/** Consecutive drafts, as many as fit a segment. */
function* runs(drafts: readonly Draft[]): Iterable<readonly Draft[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < drafts.length; i++) {
    const { number, start, end } = drafts[i] as Draft;
    const length = end - start;
    const isNext = i === from || number === (drafts[i - 1] as Draft).number + 1;
    const fits = i === from || (bytes + length <= SEGMENT_BYTES && i - from < MAX_COUNT);
    if (!isNext || !fits) {
      yield drafts.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += length;
  }
  if (drafts.length > from) yield drafts.slice(from);
}
