// One timer for whatever is due next: the earliest wish counts, and the work asks for the next one itself.

export class Alarm {
  readonly #work: () => void;
  #timer: NodeJS.Timeout | null = null;
  #at = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(work: () => void) {
    this.#work = work;
  }

  /** The work is done once, not later than this. */
  within(milliseconds: number): void {
    const at = performance.now() + milliseconds;
    if (this.#isStopped || at >= this.#at) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#at = at;
    this.#timer = setTimeout(() => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#timer = null;
      this.#work();
    }, milliseconds);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer) clearTimeout(this.#timer);
  }
}
