// Who may come in: connections in all and of one address, and how fast they come. docs/protocols/flexim.md
// §11. Addresses are those of hostGroup(): an IPv6 /64 is one. All of it is looked at before a connection
// owns anything. Where a porter stands at the door (cli/porter/), this runs in its process.

import type { Log } from '../lib/log.ts';
import type { Clock } from '../lib/time.ts';
import { Bucket, Buckets, type Rate } from './buckets.ts';
import type { Drops } from './drops.ts';
import { type Limits, rateOf } from './limits.ts';
import { Refusals } from './refusals.ts';

export type ShutReason =
  | 'connections-fast'
  | 'connections-full'
  | 'address-full'
  | 'address-fast'
  | 'no-descriptors';

const WORDS: Readonly<Record<ShutReason, string>> = {
  'connections-fast': 'connections were closed: more came than --arrivals-per-second',
  'connections-full': 'connections were reset: --connections are open',
  'address-full': 'connections were reset: an address has --connections-per-address open',
  'address-fast': 'connections were reset: an address is over --connects-per-second',
  'no-descriptors': 'connections were lost: no file descriptors left',
};

/** Hears of everybody who was not let in. */
export type Shut = (reason: ShutReason, times?: number) => void;

/** Counts them, and tells the operator without filling his log. */
export function countShut(drops: Drops, log: Log): Shut {
  const refusals = new Refusals(log);
  return (reason, times = 1) => {
    drops.count(reason, times);
    refusals.note(reason, WORDS[reason], times);
  };
}

/** The limits that concern the door. */
export const DOOR_LIMITS = [
  'connections',
  'connectionsPerAddress',
  'connectsPerSecond',
  'connectsBurst',
  'arrivalsPerSecond',
  'arrivalsBurst',
] as const satisfies readonly (keyof Limits)[];
export type DoorLimits = Pick<Limits, (typeof DOOR_LIMITS)[number]>;

export interface DoorsOptions {
  readonly limits: DoorLimits;
  readonly clock: Clock;
  readonly shut: Shut;
}

export class Doors {
  readonly #limits: DoorLimits;
  readonly #shut: Shut;
  readonly #clock: Clock;
  readonly #arrival: Rate;
  readonly #arrivals = new Bucket();
  readonly #connects: Buckets;
  readonly #open = new Map<string, number>(); // connections by address
  #inAll = 0;

  constructor({ limits, clock, shut }: DoorsOptions) {
    this.#limits = limits;
    this.#shut = shut;
    this.#clock = clock;
    this.#arrival = rateOf(limits, 'arrivalsPerSecond', { burst: 'arrivalsBurst' });
    const connects = rateOf(limits, 'connectsPerSecond', { burst: 'connectsBurst' });
    this.#connects = new Buckets({ rate: connects, clock });
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
    if (open >= connectionsPerAddress) return this.#refuse('address-full');
    if (this.#connects.take(address) > 0) return this.#refuse('address-fast');
    this.#arrivals.spend(1, this.#clock.now(), this.#arrival);
    if (this.#inAll >= connections) return this.#refuse('connections-full');
    this.count(address);
    return true;
  }

  /** One that is in already, let in by somebody else. */
  count(address: string): void {
    this.#open.set(address, (this.#open.get(address) ?? 0) + 1);
    this.#inAll++;
  }

  /** Once for each that came in. */
  leave(address: string): void {
    const open = (this.#open.get(address) ?? 0) - 1;
    if (open > 0) this.#open.set(address, open);
    else this.#open.delete(address);
    this.#inAll--;
  }

  /** A connection that the system could not give us. */
  missed(): void {
    this.#shut('no-descriptors');
  }

  #refuse(reason: ShutReason): false {
    this.#shut(reason);
    return false;
  }
}
