// Public-key work for strangers has a budget of its own: docs/protocols/flexim.md §5.7. Jobs wait by
// address, addresses take turns, and after a short while the event loop goes on with traffic.

import type { Clock } from '../lib/time.ts';
import type { LiveLimits } from './limits.ts';

/** Short work; true when it has more to do, at the address's next turn. */
export type Job = () => boolean;

export interface TurnsOptions {
  readonly turnMs: number;
  /** Jobs of one address that may wait. */
  readonly waiting: number;
  readonly clock: Clock;
}

export class Turns {
  readonly #options: TurnsOptions;
  /** What is done before a turn: traffic that was gathered goes out first. */
  before: () => void = () => {};
  readonly #queues = new Map<string, Job[]>(); // in the order in which their turn comes
  #scheduled = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Queues a job; false when the address has too many waiting. Jobs must not throw. */
  add(address: string, job: Job): boolean {
    const queue = this.#queues.get(address);
    if (!queue) this.#queues.set(address, [job]);
    else if (queue.length >= this.#options.waiting) return false;
    else queue.push(job);
    this.#schedule();
    return true;
  }

  #again(address: string, job: Job): void {
    const queue = this.#queues.get(address);
    if (queue) queue.unshift(job);
    else this.#queues.set(address, [job]);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.before();
    const { clock, turnMs } = this.#options;
    const end = clock.now() + turnMs;
    do {
      const next = this.#queues.entries().next();
      if (next.done) return;
      const [address, queue] = next.value;
      this.#queues.delete(address);
      const job = queue.shift() as Job;
      if (queue.length > 0) this.#queues.set(address, queue); // behind all others
      if (job()) this.#again(address, job);
    } while (clock.now() < end);
    if (this.#queues.size > 0) this.#schedule();
  };
}

/** Those of logins, within limits that may change. */
export function loginTurns(
  limits: Pick<LiveLimits, 'loginTurnMs' | 'loginsWaiting'>,
  clock: Clock,
): Turns {
  return new Turns({
    clock,
    get turnMs() {
      return limits.loginTurnMs;
    },
    get waiting() {
      return limits.loginsWaiting;
    },
  });
}
