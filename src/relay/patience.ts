// Fast senders: who outruns a reader is not read from for a moment; then the queue takes over.

import type { Clock } from '../lib/time.ts';

/** A sender, as far as he can be made to wait. */
interface Waiting {
  hold(): void;
  release(): void;
}

const HOLD_MS = 100; // for which a fast sender waits for a slower reader
const PENALTY_MS = 10_000; // for which nobody waits again for a reader that did not catch up

export class Patience {
  readonly #clock: Pick<Clock, 'now'>;
  #senders: Set<Waiting> | null = null; // those who wait for this reader
  #timer: NodeJS.Timeout | null = null;
  #noneUntil = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Somebody waits. */
  get isAsked(): boolean {
    return this.#senders !== null;
  }

  /** He waits, unless he does already, or this reader was waited for in vain. */
  ask(sender: Waiting): void {
    if (this.#clock.now() < this.#noneUntil || this.#senders?.has(sender)) return;
    this.#senders ??= new Set();
    this.#senders.add(sender);
    sender.hold();
    if (this.#timer) return;
    // What the relay itself was too late to read is looked at first: then the reader may have caught up.
    const timer = setTimeout(() => setImmediate(() => this.#lose(timer)), HOLD_MS);
    this.#timer = timer;
  }

  #lose(timer: NodeJS.Timeout): void {
    if (this.#timer !== timer) return;
    this.#noneUntil = this.#clock.now() + PENALTY_MS;
    this.letGo();
  }

  letGo(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const senders = this.#senders;
    this.#senders = null;
    if (!senders) return;
    // Behind what is under way: what they sent is cut at once, and this may be in the midst of another's frames.
    queueMicrotask(() => {
      for (const sender of senders) sender.release();
    });
  }
}
