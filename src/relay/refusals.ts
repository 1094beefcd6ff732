// Refusals that can come by the thousand are logged at once, then summed up once a minute: the operator
// hears of each flood, and the log does not grow by what strangers do.

import type { Log } from '../lib/log.ts';

const PERIOD_MS = 60_000;

interface Sum {
  readonly message: string;
  count: number;
  timer: NodeJS.Timeout;
}

export class Refusals {
  readonly #log: Log;
  readonly #sums = new Map<string, Sum>(); // of the period that runs, by reason

  constructor(log: Log) {
    this.#log = log;
  }

  /** More refusals for this reason; the first of a period are logged at once. */
  note(reason: string, message: string, count = 1): void {
    const sum = this.#sums.get(reason);
    if (sum) {
      sum.count += count;
      return;
    }
    this.#log.warn({ reason, count }, message);
    this.#begin(reason, message);
  }

  #begin(reason: string, message: string): void {
    const timer = setTimeout(() => this.#end(reason), PERIOD_MS);
    timer.unref();
    this.#sums.set(reason, { message, count: 0, timer });
  }

  #end(reason: string): void {
    const sum = this.#sums.get(reason);
    this.#sums.delete(reason);
    if (!sum || sum.count === 0) return;
    this.#log.warn({ reason, count: sum.count, minutes: 1 }, sum.message);
    this.#begin(reason, sum.message);
  }
}
