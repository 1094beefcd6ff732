// What goes to one connected user, in order: from his queue until he has caught up, then at once, and
// by the queue again when he reads too slowly. Numbers never go back: what was sent is below #sentTo,
// and the window remembers what would be lost with the connection. docs/protocols/flexim.md §7.

import type { Clock } from '../lib/time.ts';
import type { Drops } from './drops.ts';
import type { Limits } from './limits.ts';
import type { Mailbox, Poster, Reader, Refusal } from './mailbox.ts';
import type { Memory } from './memory.ts';
import { Patience } from './patience.ts';
import { Progress } from './progress.ts';
import type { Queue } from './queue.ts';
import type { Segment } from './segment.ts';
import { type Lengths, type Recycler, Window } from './window.ts';

/** What an outlet needs of a connection. */
export interface Member extends Recycler {
  readonly key: string;
  /** Bytes that wait to be written. */
  readonly waiting: number;
  /** Bytes put into the output so far. */
  readonly position: number;
  deliver(bytes: Buffer, start: number, end: number): void;
  /** All that was queued at login has been sent. */
  caughtUp(): void;
  /** A newer login of this key took its place. */
  replaced(): void;
  /** Hands on what is not written yet, as if it were: it may still be, or not. */
  surrender(): void;
  /** It holds too much and takes nothing. */
  stalled(): void;
}

/** Who sends a Message. */
export interface Sender extends Poster {
  readonly key: string;
  /** Reads nothing more from him until as many `release`. */
  hold(): void;
  release(): void;
}

/** A Message as it came in: bytes[start..end) belong to the connection it came from. */
export interface Incoming {
  readonly sender: Sender;
  readonly to: string;
  readonly n: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Messages of one sender, as they came in: bytes[start..end). */
export interface Passed extends Lengths {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** 'pending': the sender hears through `settled`. 'dropped' is for /live alone. */
export type Outcome = 'delivered' | 'dropped' | 'pending' | 'unknown' | Refusal;

export interface OutletOptions {
  readonly member: Member;
  readonly mailbox: Mailbox;
  readonly queue: Queue;
  readonly limits: Limits;
  readonly memory: Memory;
  readonly drops: Drops;
  readonly clock: Clock;
  /** How many share the memory. */
  readonly members: () => number;
  /** Every Message is on the disk before it is sent. */
  readonly durable: boolean;
  /** Acknowledgements were turned on before the login. */
  readonly acks: boolean;
}

const PUMP_BYTES = 256 * 1024; // rows are read ahead so far

const UNTOLD = { poster: null, to: '', n: 0, told: false } as const;

export class Outlet implements Reader {
  readonly key: string;
  readonly #options: OutletOptions;
  readonly #window = new Window();
  #sentTo: number; // the highest number that was put into the output
  #isLive = false; // nothing is on the disk that was not sent
  #loginLast: number | null; // the last number queued at login; null when he was told
  #acks: boolean;
  #before = 0; // Messages in the window from before acknowledgements were turned on
  #sent = 0; // Messages sent since then
  #acked = 0;
  #held = 0; // what was last accounted for
  #isLeaving = false;
  #isOver = false;
  readonly #patience: Patience; // of senders
  readonly #progress: Progress;
  #writtenTo = 0;

  constructor(options: OutletOptions) {
    this.#options = options;
    const { member, mailbox, acks } = options;
    this.key = member.key;
    this.#sentTo = mailbox.head - 1;
    this.#loginLast = mailbox.last;
    this.#acks = acks;
    this.#progress = new Progress(options.clock);
    this.#patience = new Patience(options.clock);
    this.#writtenTo = member.position - member.waiting;
    mailbox.reader = this;
  }

  get member(): Member {
    return this.#options.member;
  }

  /** Bytes that are kept for this connection besides its output. */
  get held(): number {
    return this.#window.held;
  }

  /** For how long too little was taken, in milliseconds; 0 when nothing waits. */
  idle(now: number): number {
    return this.#waiting > 0 ? this.#progress.at(now) : 0;
  }

  /** Bytes that he has not taken. */
  get #waiting(): number {
    return Math.max(this.#window.bytes, this.member.waiting);
  }

  /** Everything that was acknowledged is off the disk, as far as the disk allows. */
  get isSettled(): boolean {
    return !this.#options.mailbox.isRemoving;
  }

  // ---- what comes for him ----

  /** Delivers all of them in one piece; false when nothing was done, and each must go by `deliver`. */
  pass(sender: Sender, run: Passed): boolean {
    const { bytes, start, end, count } = run;
    const { mailbox, durable } = this.#options;
    if (!this.#isLive || durable || !this.#hasRoom(end - start, count) || this.#isTight)
      return false;
    const number = mailbox.nextNumbers(count);
    this.#sentTo = number + count - 1;
    this.#begin();
    this.#window.pushRun(number, sender.key, this.member.position, run);
    this.#sent += count;
    this.member.deliver(bytes, start, end);
    if (this.#lags(1 / 4)) this.#patience.ask(sender);
    return true;
  }

  deliver(message: Incoming): Outcome {
    const { bytes, start, end, sender } = message;
    const length = end - start;
    const { mailbox, durable } = this.#options;
    const goesOn = this.#isLive && this.#hasRoom(length) && !this.#isTight;
    if (!goesOn || durable) return this.#enqueue(message, goesOn);
    const number = mailbox.nextNumber();
    this.#sentTo = number;
    this.#send(number, sender.key, bytes, start, end);
    if (this.#lags(1 / 4)) this.#patience.ask(sender);
    return 'delivered';
  }

  /** Only if it can go out now. */
  deliverLive({ bytes, start, end }: Incoming): Outcome {
    const { mailbox, durable } = this.#options;
    const overtakes = durable && !mailbox.isKept;
    if (!this.#isLive || overtakes || !this.#hasRoom(end - start)) {
      this.#options.drops.count(this.#isLive ? 'live-slow' : 'live-away');
      return 'dropped';
    }
    this.#send(0, null, bytes, start, end);
    return 'delivered';
  }

  #enqueue(message: Incoming, goesOn: boolean): Outcome {
    const { mailbox, queue } = this.#options;
    if (!goesOn) this.#isLive = false;
    // A durable relay hands a Message on as soon as it is kept: then no quota holds, and no event.
    const outcome = post(queue, mailbox, message, { must: goesOn, told: !goesOn });
    if (!goesOn && outcome === 'pending') this.pump();
    return outcome;
  }

  #send(number: number, sender: string | null, bytes: Buffer, start: number, end: number): void {
    this.#begin();
    this.#window.push(number, sender, this.member.position, end - start);
    this.#sent++;
    this.member.deliver(bytes, start, end);
  }

  /** Who had nothing to take begins to be slow only now. */
  #begin(): void {
    if (this.#window.count === 0) this.#progress.begins();
  }

  #hasRoom(length: number, messages = 1): boolean {
    const { member, limits, memory, members } = this.#options;
    const { count, bytes } = this.#window;
    if (count + messages > limits.windowMessages) return false;
    if (count > 0 && bytes + length > limits.windowBytes) return false;
    return member.waiting === 0 || member.waiting + length <= memory.share(members());
  }

  /**
   * What he does not acknowledge could not go to the disk, and the memory for it is half used: one at
   * a time, or a full disk would fill the memory.
   */
  get #isTight(): boolean {
    const { member, queue, memory, limits } = this.#options;
    if (!queue.isFull || (this.#window.count === 0 && member.waiting === 0)) return false;
    return memory.used + queue.uncommitted > limits.memoryBytes / 2;
  }

  // ---- from the queue ----

  rowsKept(): void {
    this.pump();
  }

  /** Sends what is on the disk, as far as there is room. */
  pump(): void {
    const { member, mailbox, queue, durable } = this.#options;
    if (this.#isLeaving || queue.isBroken || (this.#isLive && !durable)) return;
    let isAll = false; // of what is on the disk
    while (!isAll && this.#hasRoom(0) && member.waiting < PUMP_BYTES) {
      const segment = queue.read(mailbox, this.#sentTo + 1);
      if (segment) this.#sendSegment(segment);
      else isAll = true;
    }
    this.#isLive = isAll && (durable || mailbox.isKept);
    if (this.#loginLast === null || queue.isBroken) return;
    if (this.#sentTo < this.#loginLast && !(isAll && mailbox.isKept)) return;
    this.#loginLast = null;
    member.caughtUp();
  }

  #sendSegment(segment: Segment): void {
    const { member, mailbox, queue, limits } = this.#options;
    const wanted = Math.max(this.#sentTo + 1, mailbox.head);
    const first = Math.max(0, wanted - segment.first);
    const room = limits.windowMessages - this.#window.count;
    const last = Math.min(segment.count, first + room);
    let start = 0;
    for (let i = 0; i < first; i++) start += segment.length(i);
    let end = start;
    const offset = member.position - start;
    this.#begin();
    for (let i = first; i < last; i++) {
      const length = segment.length(i);
      this.#window.push(segment.first + i, null, offset + end, length);
      end += length;
    }
    this.#sent += last - first;
    this.#sentTo = segment.first + last - 1;
    member.deliver(segment.frames, start, end);
    if (last < segment.count) queue.keep(mailbox, segment);
  }

  // ---- what becomes of it ----

  /** A piece of the output, block[0..length), was handed to the channel. */
  handed(start: number, block: Buffer, length: number): boolean {
    if (this.#isOver) return false;
    this.#begin(); // an answer alone
    const isKept = this.#window.keep(start, block, length);
    this.#account();
    return isKept;
  }

  /** The output is written up to here. Without acknowledgements it is delivered then. */
  written(position: number): void {
    if (this.#isOver) return; // another may have taken the mailbox on
    const before = this.#window.count;
    const last = this.#window.forgetTo(position, this.#acks ? this.#before : before);
    if (this.#acks) this.#before -= before - this.#window.count;
    this.#progress.took(position - this.#writtenTo, this.#waiting);
    this.#writtenTo = position;
    this.#delivered(last);
    if (this.#patience.isAsked && !this.#lags(1 / 8)) this.#patience.letGo();
  }

  /** Acknowledgements are on from the next Message on. */
  acknowledging(): void {
    if (this.#acks) return;
    this.#acks = true;
    this.#before = this.#window.count;
    this.#sent = 0;
  }

  /** So many are safe at the client. */
  get acknowledged(): number {
    return this.#acked;
  }

  /** The first n are safe at the client; false when that cannot be. */
  acknowledge(n: number): boolean {
    if (this.#isOver || !this.#acks || n > this.#sent || n < this.#acked) return false;
    if (n === this.#acked) return true;
    const before = this.#window.bytes;
    const last = this.#window.forget(this.#before + n - this.#acked);
    this.#before = 0;
    this.#acked = n;
    this.#progress.took(before - this.#window.bytes, this.#waiting);
    this.#delivered(last);
    if (this.#patience.isAsked && !this.#lags(1 / 8)) this.#patience.letGo();
    return true;
  }

  #delivered(last: number): void {
    const { mailbox, queue } = this.#options;
    this.#window.release(this.member);
    this.#account();
    if (last > 0) queue.removeTo(mailbox, last);
    this.pump();
  }

  #account(): void {
    const held = this.#window.held;
    if (held === this.#held) return;
    this.#options.memory.account(held - this.#held);
    this.#held = held;
  }

  /** Queues what would be lost with the connection: to free memory, or because it ends. */
  spill(): void {
    const { mailbox, queue } = this.#options;
    for (const { number, sender, frame } of this.#window.takeNeeded())
      queue.append(mailbox, {
        number,
        sender,
        bytes: frame,
        start: 0,
        end: frame.length,
        ...UNTOLD,
      });
    this.#account();
  }

  /** Nothing more goes out; what was sent may still arrive or be acknowledged. */
  leave(): void {
    this.#isLeaving = true;
    this.#patience.letGo();
  }

  /** The connection is over, or another took its place: nothing goes out here any more. */
  close(): void {
    if (this.#isOver) return;
    this.leave();
    this.member.surrender();
    this.spill();
    this.#isOver = true;
    const { mailbox, queue } = this.#options;
    if (mailbox.reader === this) mailbox.reader = null;
    queue.release(mailbox);
  }

  // ---- fast senders ----

  /** Waits to be written, or to be acknowledged: more than this part of what may. */
  #lags(part: number): boolean {
    const { waitingBytes, windowMessages, windowBytes } = this.#options.limits;
    const { count, bytes } = this.#window;
    if (this.member.waiting > waitingBytes * part) return true;
    return count > windowMessages * 2 * part || bytes > windowBytes * 2 * part;
  }
}

/** Queues an incoming Message in a mailbox. */
export function post(
  queue: Queue,
  mailbox: Mailbox,
  { sender, to, n, bytes, start, end }: Incoming,
  { must, told }: { readonly must: boolean; readonly told: boolean },
): Outcome {
  const refusal = must ? null : queue.refusal(mailbox, sender.key, end - start);
  if (refusal) return refusal;
  const number = mailbox.nextNumber();
  const from = { sender: sender.key, poster: sender, to, n, told };
  queue.append(mailbox, { number, bytes, start, end, ...from });
  return 'pending';
}
