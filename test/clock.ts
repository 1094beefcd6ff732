// A clock whose time passes at the test's word alone, with timers that follow it.

import { mock } from 'node:test';
import type { Clock } from '../src/lib/time.ts';

export class FakeClock implements Clock {
  #now = 1_000_000;
  now = () => this.#now;
  wall = () => 0;

  /** Passes time, and fires what is due when timers are mocked. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    // In small steps: a timer that fires late would see a clock that is ahead of it.
    while (this.#now < end) {
      const step = Math.min(5, end - this.#now);
      this.#now += step;
      if (this.#isMocked) mock.timers.tick(step);
    }
  }

  #isMocked = false;

  /** Runs a test with timers of this clock. */
  async during(work: () => unknown): Promise<void> {
    mock.timers.enable({ apis: ['setTimeout'] });
    this.#isMocked = true;
    try {
      await work();
    } finally {
      this.#isMocked = false;
      mock.timers.reset();
    }
  }
}
