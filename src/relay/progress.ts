// Since when somebody has taken too little of what waits for him: who does so for long is cut when memory is
// short (--stall-timeout).

import type { Clock } from '../lib/time.ts';

const ENOUGH = 64 * 1024;

export class Progress {
  readonly #clock: Pick<Clock, 'now'>;
  #since: number;
  #taken = 0; // bytes since then
  #due = 0; // of what waited then

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** There is something to take, where nothing was before. */
  begins(): void {
    this.#restart(0);
  }

  /**
   * He took so many bytes, and so many wait. It counts when he has taken all that waited when it last counted, or 64
   * KiB of it: a Message now and then is no sign of life from somebody who holds much memory.
   */
  took(bytes: number, waiting: number): void {
    this.#taken += bytes;
    if (waiting > 0 && this.#taken >= this.#due) this.#restart(Math.min(ENOUGH, waiting));
  }

  /** For how many milliseconds it has not counted. */
  at(now: number): number {
    return now - this.#since;
  }

  #restart(due: number): void {
    this.#since = this.#clock.now();
    this.#taken = 0;
    this.#due = due;
  }
}
