// The account of every message: what the relay promised its sender (docs/protocols/flexim.md §6 and §7),
// what its recipient got, and where the two differ. It forgets what is finished, so that its memory is
// bounded by what is under way.

import { crc32 } from 'node:zlib';
import type { Address } from './letter.ts';

export const VIOLATIONS = [
  'altered', // not the bytes that were sent
  'event', // events about one message that contradict each other, or that came after the barrier
  'lost', // accepted, and not delivered
  'misdelivered', // given to somebody it is not for
  'order', // behind a later one of the same sender
  'refused-delivered', // its sender was told that it was not accepted
  'repeat-acknowledged', // delivered again after its acknowledgement was confirmed
  'repeat-in-session', // twice on one connection
  'unsent', // nobody sent it
  // Of the relay as such:
  'crash',
  'hang',
  'login',
  'protocol',
] as const;

export type ViolationKind = (typeof VIOLATIONS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  readonly what: string;
}

/** 'passed': a barrier was passed without an event, so it holds unless this relay is killed. */
type State = 'sent' | 'passed' | 'accepted' | 'refused';
export type Fate = 'killed' | 'stopped';

export interface Letter extends Address {
  readonly crc: number; // of the whole frame
  state: State;
  /** When it was accepted, in the ledger's own counting. */
  accepted: number;
  /** The session that got it last; 0 for none. */
  session: number;
  /** A later one of the pair came first: from here on it cannot come any more. */
  overtaken: boolean;
}

export interface Pair {
  readonly sender: number;
  sent: number;
  high: number; // the highest that was received
  closed: number; // up to here nothing may come again
  readonly open: Map<number, Letter>; // in the order of sending
}

export interface LedgerOptions {
  /** The relay runs with --durable: passing a barrier is being accepted. */
  readonly durable?: boolean;
}

const MAX_KEPT = 100; // violations; more of them say no more

export class Ledger {
  readonly violations: Violation[] = [];
  readonly counts = {
    sent: 0,
    accepted: 0,
    refused: 0,
    delivered: 0,
    repeated: 0,
    acknowledged: 0,
    excused: 0, // not promised, and lost
    garbled: 0,
    violations: 0,
  };
  readonly options: LedgerOptions;
  readonly #pairs = new Map<number, Map<number, Pair>>(); // by recipient, then sender
  readonly #loose = new Set<number>();
  readonly #smudged = new Set<number>();
  readonly #fates = new Map<number, Fate>();
  readonly #passed = new Set<Letter>();
  #sessions = 0;
  readonly #newest = new Map<number, number>(); // session, by recipient
  #clock = 0;

  constructor(options: LedgerOptions = {}) {
    this.options = options;
  }

  violation(kind: ViolationKind, what: string): void {
    this.counts.violations++;
    if (this.violations.length < MAX_KEPT) this.violations.push({ kind, what });
  }

  /** This recipient does without acknowledgements: he may lose messages, or get them again. */
  loosen(recipient: number): void {
    this.#loose.add(recipient);
  }

  isLoose(recipient: number): boolean {
    return this.#loose.has(recipient);
  }

  /** What this one sends and gets is altered on the way: what it says and hears proves nothing. */
  smudge(client: number): void {
    this.#smudged.add(client);
    this.#loose.add(client);
  }

  /** Of one of these, or of anybody when there is one and none is named. */
  isSmudged(...clients: readonly number[]): boolean {
    if (clients.length === 0) return this.#smudged.size > 0;
    return clients.some((each) => this.#smudged.has(each));
  }

  /** How many messages are kept in memory. */
  get size(): number {
    let size = 0;
    for (const pairs of this.#pairs.values())
      for (const { open } of pairs.values()) size += open.size;
    return size;
  }

  pair(sender: number, recipient: number): Pair {
    const pairs = this.#pairs.get(recipient) ?? new Map<number, Pair>();
    this.#pairs.set(recipient, pairs);
    const pair = pairs.get(sender) ?? { sender, sent: 0, high: 0, closed: 0, open: new Map() };
    pairs.set(sender, pair);
    return pair;
  }

  // ---- what senders learn ----

  /** Enters a new message; `write` makes its frame. */
  post(sender: number, recipient: number, write: (seq: number) => Buffer) {
    const pair = this.pair(sender, recipient);
    const seq = ++pair.sent;
    const frame = write(seq);
    const letter: Letter = {
      sender,
      recipient,
      seq,
      crc: crc32(frame),
      state: 'sent',
      accepted: 0,
      session: 0,
      overtaken: false,
    };
    pair.open.set(seq, letter);
    this.counts.sent++;
    return { letter, frame };
  }

  /** Event 20. */
  queued(letter: Letter): void {
    if (letter.state !== 'sent')
      this.violation('event', `${name(letter)}: 20 for one ${letter.state}`);
    this.#accept(letter);
  }

  /** Event -20 or -21. */
  refused(letter: Letter): void {
    if (letter.state !== 'sent')
      this.violation('event', `${name(letter)}: refused, and it was ${letter.state}`);
    if (letter.session > 0) this.violation('refused-delivered', name(letter));
    letter.state = 'refused';
    this.counts.refused++;
  }

  /** A barrier was answered behind it, and there was no event before. */
  passed(letter: Letter, generation: number): void {
    if (letter.state !== 'sent') return;
    const fate = this.#fates.get(generation);
    if (this.options.durable || fate === 'stopped') return this.#accept(letter);
    if (fate === 'killed') return;
    letter.state = 'passed';
    this.#passed.add(letter);
    if (letter.overtaken) this.#lost(letter, 'a later one came first');
  }

  /** How a relay ended. What it held in memory alone is gone when it was killed (§7.6). */
  ended(generation: number, fate: Fate): void {
    this.#fates.set(generation, fate);
    this.#fates.delete(generation - 100);
    for (const letter of this.#passed)
      if (fate === 'stopped') this.#accept(letter);
      else letter.state = 'sent';
    this.#passed.clear();
  }

  #accept(letter: Letter): void {
    const known = letter.state === 'passed' && letter.overtaken; // and told already
    letter.state = 'accepted';
    letter.accepted = ++this.#clock;
    this.counts.accepted++;
    if (letter.overtaken && !known) this.#lost(letter, 'a later one came first');
  }

  #lost(letter: Letter, why: string): void {
    if (letter.session > 0 || this.#loose.has(letter.recipient)) return;
    this.violation('lost', `${name(letter)}: ${why}`);
  }

  // ---- what recipients get ----

  /** A login whose AuthResponse is about to be sent: its number, and what was accepted before it. */
  login(recipient: number) {
    const id = ++this.#sessions;
    this.#newest.set(recipient, id);
    return { id, moment: this.#clock };
  }

  /** Nobody has logged in as this recipient since. */
  isNewest(recipient: number, id: number): boolean {
    return this.#newest.get(recipient) === id;
  }

  /** A first receipt: nothing promised before it may be missing. */
  advance(pair: Pair, to: number): void {
    for (let seq = pair.high + 1; seq < to; seq++) {
      const letter = pair.open.get(seq);
      if (!letter || letter.overtaken) continue;
      letter.overtaken = true;
      if (letter.state === 'accepted' || letter.state === 'passed')
        this.#lost(letter, `${to} came first`);
    }
    pair.high = to;
  }

  /** All up to `seq` is finished, whatever became of it. */
  close(pair: Pair, seq: number): void {
    pair.closed = Math.max(pair.closed, seq);
    for (const [each, letter] of pair.open) {
      if (each > seq) return;
      if (letter.session === 0 && letter.state === 'sent') this.counts.excused++;
      pair.open.delete(each);
    }
  }

  /** All accepted for a recipient before that moment must have come: event 22. */
  queueSent(recipient: number, moment: number): void {
    if (this.#loose.has(recipient)) return;
    for (const pair of this.#pairs.get(recipient)?.values() ?? [])
      for (const letter of pair.open.values())
        if (letter.state === 'accepted' && letter.accepted <= moment && !letter.overtaken) {
          this.#lost(letter, 'event 22 came without it');
          if (letter.session === 0) letter.overtaken = true; // told once
        }
  }

  /** All is quiet and delivered, in the present relay's life: what is missing now is lost. */
  settle(): void {
    for (const pairs of this.#pairs.values())
      for (const pair of pairs.values()) {
        for (const letter of pair.open.values())
          if ((letter.state === 'accepted' || letter.state === 'passed') && !letter.overtaken)
            this.#lost(letter, 'the queue is empty');
        pair.high = pair.sent;
        this.close(pair, pair.sent);
      }
    this.#passed.clear();
  }
}

export function name({ sender, recipient, seq }: Address): string {
  return `${sender}→${recipient} #${seq}`;
}
