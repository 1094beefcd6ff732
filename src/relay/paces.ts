// How fast a key may send: docs/protocols/flexim.md §6.4 and §11. Its buckets belong to the key and not
// to a connection, and outlive it until they are full: coming back refills nothing. What was read is
// paid for after each chunk; who is in debt is not read from until it is paid.

import type { Clock } from '../lib/time.ts';
import { Bucket, Buckets, type Rate } from './buckets.ts';
import { type Limits, rateOf } from './limits.ts';
import { seconds } from './logins.ts';
import { Pauses } from './pauses.ts';

/** What is needed of a connection. */
interface Reading {
  hold(): void;
  release(): void;
}

/** The buckets of one key. */
interface Purse {
  readonly key: string;
  readonly messages: Bucket;
  readonly bytes: Bucket;
  readonly commands: Bucket;
  users: number; // connections: two for a moment, when a newer one replaces an older one
}

const MOST_RESTING = 50_000;
const LOOKED_AT = 2;

export class Paces {
  readonly clock: Clock;
  readonly messages: Rate;
  readonly bytes: Rate;
  readonly commands: Rate;
  readonly pauses: Pauses<Pace>;
  readonly #fetches: Buckets; // of a requester, and of a requester with one target
  readonly #fetchesOfOne: Buckets;
  readonly #purses = new Map<string, Purse>(); // of keys that are connected
  readonly #resting = new Map<string, Purse>(); // of others, in the order in which they left

  constructor(limits: Limits, clock: Clock) {
    this.clock = clock;
    this.messages = rateOf(limits, 'messagesPerSecond', { burst: 'messagesBurst' });
    this.bytes = rateOf(limits, 'bytesPerSecond', { burst: 'bytesBurst' });
    this.commands = rateOf(limits, 'commandsPerSecond', { burst: 'commandsBurst' });
    const hourly = (count: keyof Limits) => ({
      rate: rateOf(limits, count, { per: 3_600 }),
      clock,
    });
    this.#fetches = new Buckets(hourly('fetchesPerHour'));
    this.#fetchesOfOne = new Buckets(hourly('fetchesOfOnePerHour'));
    this.pauses = new Pauses(clock, (pace) => pace.due());
  }

  /** Keys that are connected, and those whose buckets are not full yet. */
  get size(): number {
    return this.#purses.size + this.#resting.size;
  }

  /** Seconds until the key may fetch a one-time prekey of another; 0: now, and it counts. */
  fetch(key: string, target: string): number {
    const wait = this.#fetchesOfOne.take(`${key} ${target}`);
    return seconds(wait > 0 ? wait : this.#fetches.take(key));
  }

  enter(key: string, reading: Reading): Pace {
    const present = this.#purses.get(key) ?? this.#resting.get(key);
    const purse = present ?? {
      key,
      messages: new Bucket(),
      bytes: new Bucket(),
      commands: new Bucket(),
      users: 0,
    };
    this.#resting.delete(key);
    this.#purses.set(key, purse);
    purse.users++;
    return new Pace(this, purse, reading);
  }

  leave(purse: Purse): void {
    if (--purse.users > 0) return;
    this.#purses.delete(purse.key);
    this.#resting.set(purse.key, purse);
    this.#forget();
  }

  #forget(): void {
    const now = this.clock.now();
    let looked = 0;
    for (const [key, purse] of this.#resting) {
      const isTooMany = this.#resting.size > MOST_RESTING;
      if (!isTooMany && (++looked > LOOKED_AT || !this.#isFull(purse, now))) return;
      this.#resting.delete(key);
    }
  }

  #isFull({ messages, bytes, commands }: Purse, now: number): boolean {
    return (
      messages.isFull(now, this.messages) &&
      bytes.isFull(now, this.bytes) &&
      commands.isFull(now, this.commands)
    );
  }
}

/** The pace of one connection of a key. */
export class Pace {
  readonly #paces: Paces;
  readonly #purse: Purse;
  readonly #reading: Reading;
  #paid = 0; // Messages of this connection that are paid for
  #isHeld = false;
  #isOver = false;

  constructor(paces: Paces, purse: Purse, reading: Reading) {
    this.#paces = paces;
    this.#purse = purse;
    this.#reading = reading;
  }

  /** A chunk was read; `messages` of this connection came until now. One look at the clock a chunk. */
  read(bytes: number, messages: number): void {
    if (this.#isOver) return;
    const wait = this.#pay(bytes, messages);
    if (wait === 0 || this.#isHeld) return;
    this.#isHeld = true;
    this.#reading.hold();
    this.#paces.pauses.start(this, wait);
  }

  /** Seconds until the key may give the next command; 0: now, and it counts. */
  command(): number {
    const { clock, commands } = this.#paces;
    return seconds(this.#purse.commands.take(1, clock.now(), commands));
  }

  /** The connection sends no more; `messages` as for `read`. */
  end(messages: number): void {
    if (this.#isOver) return;
    this.#pay(0, messages);
    this.#isOver = true;
    this.#paces.pauses.stop(this);
    this.#paces.leave(this.#purse);
    this.#go();
  }

  /** The pause is over; what came in the meantime may make it longer. */
  due(): void {
    const wait = this.#pay(0, this.#paid);
    if (wait > 0) this.#paces.pauses.start(this, wait);
    else this.#go();
  }

  #pay(bytes: number, messages: number): number {
    const { clock, messages: messageRate, bytes: byteRate } = this.#paces;
    if (messageRate.perSecond === Infinity && byteRate.perSecond === Infinity) {
      this.#paid = messages;
      return 0;
    }
    const now = clock.now();
    const forMessages = this.#purse.messages.spend(messages - this.#paid, now, messageRate);
    this.#paid = messages;
    return Math.max(forMessages, this.#purse.bytes.spend(bytes, now, byteRate));
  }

  #go(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#reading.release();
  }
}
