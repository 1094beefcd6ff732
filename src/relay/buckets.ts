// Token buckets: so much at once, so much a second, on the monotonic clock. A bucket is two numbers and
// no timer; what it lacks to be full is kept, not what it holds, so a bucket that nobody has used is
// full whatever its size, and its rate may change while it is in use.

import type { Clock } from '../lib/time.ts';

/** How fast a bucket fills and what it holds. Infinity in either is no limit. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

const NOTHING = 1e-9; // what rounding leaves

export class Bucket {
  #spent = 0; // what it lacks to be full, at #at; more than the burst is a debt
  #at = 0;

  /** Takes n, or nothing: then the milliseconds until n are there. More than it holds needs it full. */
  take(n: number, now: number, rate: Rate): number {
    const wait = this.wait(n, now, rate);
    if (wait === 0) this.spend(n, now, rate);
    return wait;
  }

  /** As `take`, and takes nothing. */
  wait(n: number, now: number, { perSecond, burst }: Rate): number {
    if (perSecond === Infinity) return 0;
    const over = this.#spentAt(now, perSecond) + Math.min(n, burst) - burst;
    return over > NOTHING ? (over / perSecond) * 1_000 : 0;
  }

  /** Takes n in any case; the milliseconds until the debt is paid, 0 when there is none. */
  spend(n: number, now: number, { perSecond, burst }: Rate): number {
    if (perSecond === Infinity) return 0;
    this.#spent = this.#spentAt(now, perSecond) + n;
    this.#at = now;
    const debt = this.#spent - burst;
    return debt > NOTHING ? (debt / perSecond) * 1_000 : 0;
  }

  isFull(now: number, { perSecond }: Rate): boolean {
    return perSecond === Infinity || this.#spentAt(now, perSecond) < NOTHING;
  }

  #spentAt(now: number, perSecond: number): number {
    return Math.max(0, this.#spent - ((now - this.#at) / 1_000) * perSecond);
  }
}

export interface BucketsOptions {
  readonly rate: Rate;
  readonly clock: Clock;
  /** Buckets kept at most: beyond, the one that was used least lately is forgotten, and so full. */
  readonly most?: number;
}

const MOST = 50_000;
const LOOKED_AT = 2; // old buckets for each use: more than one, so that forgetting keeps up

/** Buckets under names that strangers choose. A full bucket is no different from none: forgotten. */
export class Buckets {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>(); // in the order of their last use

  constructor({ rate, clock, most = MOST }: BucketsOptions) {
    this.#rate = rate;
    this.#clock = clock;
    this.#most = most;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes n from the bucket of that name: 0, or nothing was taken and the milliseconds to wait. */
  take(name: string, n = 1): number {
    if (this.#rate.perSecond === Infinity) return 0;
    const now = this.#clock.now();
    const present = this.#buckets.get(name);
    const bucket = present ?? new Bucket();
    const wait = bucket.take(n, now, this.#rate);
    if (wait > 0) return wait; // the cheapest way out is that of a flood
    if (present) this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    this.#forget(now);
    return 0;
  }

  #forget(now: number): void {
    let looked = 0;
    for (const [name, bucket] of this.#buckets) {
      const isTooMany = this.#buckets.size > this.#most;
      if (!isTooMany && (++looked > LOOKED_AT || !bucket.isFull(now, this.#rate))) return;
      this.#buckets.delete(name);
    }
  }
}
