// One budget for all bytes that wait in connections, or were written and are not acknowledged (§6.5 of
// the design, docs/protocols/flexim.md §7.6). Who reads may hold much while there is enough; past half
// of the budget everybody has an equal part, and past three quarters the largest holders let go.

import type { Limits } from './limits.ts';

export interface MemoryOptions {
  /** memoryBytes for all; waitingBytes is what one connection may have waiting while there is enough. */
  readonly limits: Pick<Limits, 'memoryBytes' | 'waitingBytes'>;
  /** Called when much is used: makes room. */
  readonly relieve: () => void;
}

const PAUSE_MS = 20; // looking at all connections takes its time

export class Memory {
  readonly #options: MemoryOptions;
  #used = 0;
  #relieving = false;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  get used(): number {
    return this.#used;
  }

  get isShort(): boolean {
    return this.#used > this.#options.limits.memoryBytes / 2;
  }

  /** How far the largest holders are to be relieved. */
  get excess(): number {
    return this.#used - this.#options.limits.memoryBytes / 2;
  }

  /** Connections report here every change of what they hold. */
  readonly account = (change: number): void => {
    this.#used += change;
    if (this.#relieving || this.#used <= (this.#options.limits.memoryBytes * 3) / 4) return;
    this.#relieving = true;
    setTimeout(() => {
      this.#relieving = false;
      this.#options.relieve();
    }, PAUSE_MS).unref();
  };

  /** What may wait for one of so many connections. */
  share(connections: number): number {
    const { memoryBytes, waitingBytes } = this.#options.limits;
    if (!this.isShort) return waitingBytes;
    return Math.min(waitingBytes, memoryBytes / 2 / Math.max(1, connections));
  }
}
