// Who may come in: connections in all and of one address, how fast they come, logins and new keys.
// docs/protocols/flexim.md §11. Addresses are those of hostGroup(): an IPv6 /64 is one. All of it is
// looked at before a connection owns anything, or before public-key work.

import type { Log } from '../lib/log.ts';
import type { Clock } from '../lib/time.ts';
import { Bucket, Buckets, type Rate } from './buckets.ts';
import type { DropReason, Drops } from './drops.ts';
import { type Limits, rateOf } from './limits.ts';
import { Refusals } from './refusals.ts';

type Closed = 'connections-fast' | 'connections-full' | 'address-full' | 'address-fast';

const WORDS: Readonly<Record<Closed, string>> = {
  'connections-fast': 'connections were closed: more came than --arrivals-per-second',
  'connections-full': 'connections were reset: --connections are open',
  'address-full': 'connections were reset: an address has --connections-per-address open',
  'address-fast': 'connections were reset: an address is over --connects-per-second',
};

export interface DoorsOptions {
  readonly limits: Limits;
  readonly drops: Drops;
  readonly clock: Clock;
  readonly log: Log;
}

export class Doors {
  readonly #limits: Limits;
  readonly #drops: Drops;
  readonly #refusals: Refusals;
  readonly #clock: Clock;
  readonly #arrival: Rate;
  readonly #arrivals = new Bucket();
  readonly #connects: Buckets;
  readonly #logins: Buckets;
  readonly #newKeys: Buckets;
  readonly #open = new Map<string, number>(); // connections by address
  #inAll = 0;

  constructor({ limits, drops, clock, log }: DoorsOptions) {
    this.#limits = limits;
    this.#drops = drops;
    this.#refusals = new Refusals(log);
    this.#clock = clock;
    this.#arrival = rateOf(limits, 'arrivalsPerSecond', { burst: 'arrivalsBurst' });
    const connects = rateOf(limits, 'connectsPerSecond', { burst: 'connectsBurst' });
    this.#connects = new Buckets({ rate: connects, clock });
    this.#logins = new Buckets({ rate: rateOf(limits, 'loginsPerMinute', { per: 60 }), clock });
    this.#newKeys = new Buckets({ rate: rateOf(limits, 'newKeysPerHour', { per: 3_600 }), clock });
  }

  get connections(): number {
    return this.#inAll;
  }

  /** Whether one more may come now, whoever it is; if not, that is cheaper to know before it is there. */
  isOpen(): boolean {
    return this.#arrivals.wait(1, this.#clock.now(), this.#arrival) === 0;
  }

  /** One came and was not let in, for `isOpen` was false. */
  turnedAway(): void {
    this.#shut('connections-fast');
  }

  /** Counts a connection in; false when it must be reset, and then it does not count. */
  enter(address: string): boolean {
    const { connections, connectionsPerAddress } = this.#limits;
    const open = this.#open.get(address) ?? 0;
    // What one address does too much is not charged to all.
    if (open >= connectionsPerAddress) return this.#shut('address-full');
    if (this.#connects.take(address) > 0) return this.#shut('address-fast');
    this.#arrivals.spend(1, this.#clock.now(), this.#arrival);
    if (this.#inAll >= connections) return this.#shut('connections-full');
    this.#open.set(address, open + 1);
    this.#inAll++;
    return true;
  }

  /** Once for each that came in. */
  leave(address: string): void {
    const open = (this.#open.get(address) ?? 0) - 1;
    if (open > 0) this.#open.set(address, open);
    else this.#open.delete(address);
    this.#inAll--;
  }

  /** Seconds until this address may try a login; 0: now, and it counts. */
  login(address: string): number {
    return seconds(this.#logins.take(address));
  }

  /** The same for a key that was never here. */
  newKey(address: string): number {
    return seconds(this.#newKeys.take(address));
  }

  /** A connection that the system could not give us. */
  missed(): void {
    const message = 'connections were lost: no file descriptors left';
    this.#count('no-descriptors', message);
  }

  #shut(reason: Closed): false {
    this.#count(reason, WORDS[reason]);
    return false;
  }

  #count(reason: DropReason, message: string): void {
    this.#drops.count(reason);
    this.#refusals.note(reason, message);
  }
}

/** Whole seconds, as clients are told: never 0 for a wait. */
export function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000);
}
