// How often an address may try to log in, and with keys that were never here: docs/protocols/flexim.md §11.
// Looked at before public-key work, and before anything is kept.

import type { Clock } from '../lib/time.ts';
import { Buckets } from './buckets.ts';
import { type Limits, rateOf } from './limits.ts';

export class Logins {
  readonly #tries: Buckets;
  readonly #newKeys: Buckets;

  constructor(limits: Limits, clock: Clock) {
    this.#tries = new Buckets({ rate: rateOf(limits, 'loginsPerMinute', { per: 60 }), clock });
    this.#newKeys = new Buckets({ rate: rateOf(limits, 'newKeysPerHour', { per: 3_600 }), clock });
  }

  /** Seconds until this address may try a login; 0: now, and it counts. */
  try(address: string): number {
    return seconds(this.#tries.take(address));
  }

  /** The same for a key that was never here. */
  newKey(address: string): number {
    return seconds(this.#newKeys.take(address));
  }
}

/** Whole seconds, as clients are told: never 0 for a wait. */
export function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1_000);
}
