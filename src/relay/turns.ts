// Public-key work for strangers has a budget of its own: docs/protocols/flexim.md §5.7. Jobs wait by
// address, addresses take turns, and after a few milliseconds the event loop goes on with traffic.

import type { Clock } from '../lib/time.ts';

export interface TurnsOptions {
  readonly turnMs: number;
  /** Jobs of one address that may wait. */
  readonly waiting: number;
  readonly clock: Clock;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #queues = new Map<string, (() => void)[]>(); // in the order in which their turn comes
  #scheduled = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Queues a job; false when the address has too many waiting. Jobs must not throw. */
  add(address: string, job: () => void): boolean {
    const queue = this.#queues.get(address);
    if (!queue) this.#queues.set(address, [job]);
    else if (queue.length >= this.#options.waiting) return false;
    else queue.push(job);
    this.#schedule();
    return true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    const { clock, turnMs } = this.#options;
    const end = clock.now() + turnMs;
    do {
      const next = this.#queues.entries().next();
      if (next.done) return;
      const [address, queue] = next.value;
      this.#queues.delete(address);
      const job = queue.shift();
      if (queue.length > 0) this.#queues.set(address, queue); // behind all others
      job?.();
    } while (clock.now() < end);
    if (this.#queues.size > 0) this.#schedule();
  };
}
