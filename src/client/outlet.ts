// Events on their way to the user. Who does not take them loses no message: the history has them all.

import { AsyncQueue } from '../lib/queue.ts';
import type { MessengerEvent } from './events.ts';

const MOST = 10_000;

export class Outlet {
  readonly #queue = new AsyncQueue<MessengerEvent>();
  #missed = 0;

  push(event: MessengerEvent): void {
    if (this.#queue.length >= MOST) {
      this.#missed++;
      return;
    }
    if (this.#missed > 0) this.#queue.push({ kind: 'missed', count: this.#missed });
    this.#missed = 0;
    this.#queue.push(event);
  }

  end(error: Error | null = null): void {
    this.#queue.end(error);
  }

  /** A loop over it may be left: what comes later waits for the next loop. */
  events(): AsyncIterableIterator<MessengerEvent> {
    const queue = this.#queue;
    return {
      next: () => queue.next(),
      return: async () => ({ value: undefined, done: true }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
