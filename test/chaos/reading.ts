// What one connection of a recipient gets: each Message is held against the ledger as it comes.

import { crc32 } from 'node:zlib';
import type { Frame } from '../peer.ts';
import { type Ledger, type Letter, name, type Pair, type ViolationKind } from './ledger.ts';
import { type Address, readLetter } from './letter.ts';

export class Reading {
  readonly #ledger: Ledger;
  readonly #recipient: number;
  readonly #id: number;
  readonly #moment: number;
  readonly #last = new Map<number, number>(); // by sender
  readonly #waiting: (Address | null)[] = []; // received, and not confirmed
  #confirmed = 0;
  received = 0;

  constructor(ledger: Ledger, recipient: number) {
    const { id, moment } = ledger.login(recipient);
    this.#ledger = ledger;
    this.#recipient = recipient;
    this.#id = id;
    this.#moment = moment;
  }

  /** A Message frame. Every one counts, also one that nobody can read (§7.4). */
  take(frame: Frame): void {
    this.received++;
    this.#waiting.push(this.#judge(frame));
  }

  /** What it is, or null when it counts for nothing. */
  #judge(frame: Frame): Address | null {
    const ledger = this.#ledger;
    const address = readLetter(frame);
    if (!address) {
      if (ledger.isSmudged()) ledger.counts.garbled++;
      else ledger.violation('altered', `${this.#recipient} got what cannot be read`);
      return null;
    }
    const pair = ledger.pair(address.sender, address.recipient);
    const shown = `${name(address)}, got by ${this.#recipient}`;
    if (address.seq > pair.sent) ledger.violation('unsent', shown);
    else if (address.recipient === this.#recipient) {
      this.#account(pair, address.seq, { frame, shown });
      return address;
    } else if (ledger.isSmudged(address.sender)) ledger.counts.garbled++;
    else ledger.violation('misdelivered', shown);
    return null;
  }

  #account(pair: Pair, seq: number, { frame, shown }: { frame: Frame; shown: string }): void {
    const ledger = this.#ledger;
    const last = this.#last.get(pair.sender) ?? 0;
    const letter = pair.open.get(seq);
    const kind = this.#oddity(pair, seq, { letter, last });
    this.#last.set(pair.sender, Math.max(last, seq));
    if (kind) ledger.violation(kind, `${shown}, after ${last} (${pair.high} in all)`);
    if (letter && letter.crc !== crc32(frame.bytes)) this.#altered(pair.sender, shown);
    if (letter?.state === 'refused') ledger.violation('refused-delivered', shown);
    if (seq > pair.high) {
      ledger.advance(pair, seq);
      ledger.counts.delivered++;
    } else if (!kind) ledger.counts.repeated++;
    if (letter) letter.session = this.#id;
  }

  #altered(sender: number, shown: string): void {
    if (this.#ledger.isSmudged(sender, this.#recipient)) this.#ledger.counts.garbled++;
    else this.#ledger.violation('altered', shown);
  }

  /** What still comes on a connection that was replaced may have been under way before its successor acknowledged it. */
  get #isOwn(): boolean {
    return this.#ledger.isNewest(this.#recipient, this.#id);
  }

  #oddity(
    pair: Pair,
    seq: number,
    { letter, last }: { letter: Letter | undefined; last: number },
  ): ViolationKind | null {
    const loose = this.#ledger.isLoose(this.#recipient);
    if (seq === last || letter?.session === this.#id) return 'repeat-in-session';
    if (seq <= pair.closed && !loose) return this.#isOwn ? 'repeat-acknowledged' : null;
    if (seq < last) return 'order';
    // A smudged one may not have been readable when it came in its place.
    const late = letter?.session === 0 && seq <= pair.high;
    if (late && !this.#ledger.isSmudged(this.#recipient)) return 'order';
    return null;
  }

  /** The ACK of the first n was confirmed by an answered PING behind it. */
  confirmed(n: number): void {
    const done = this.#waiting.splice(0, n - this.#confirmed);
    this.#confirmed += done.length;
    this.#ledger.counts.acknowledged += done.length;
    for (const address of done)
      if (address)
        this.#ledger.close(this.#ledger.pair(address.sender, this.#recipient), address.seq);
  }

  queueSent(): void {
    this.#ledger.queueSent(this.#recipient, this.#moment);
  }
}
