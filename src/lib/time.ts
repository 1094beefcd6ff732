// Two clocks: `now` is monotonic, in milliseconds, for every limit; `wall` is Unix time in seconds,
// for what people and other machines see.

export interface Clock {
  now(): number;
  wall(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Math.floor(Date.now() / 1000),
};

export const DAY_S = 86_400;

/** Deadlines of one length for many things: one timer for all, constant cost for each. Infinity: none. */
export class Deadlines<T> {
  readonly #length: number;
  readonly #clock: Clock;
  readonly #expire: (item: T) => void;
  readonly #due = new Map<T, number>(); // insertion order is the order of expiry
  #timer: NodeJS.Timeout | null = null;

  constructor(milliseconds: number, clock: Clock, expire: (item: T) => void) {
    this.#length = milliseconds;
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Starts the item's deadline, anew if it runs already. */
  start(item: T): void {
    if (this.#length === Infinity) return;
    this.#due.delete(item);
    this.#due.set(item, this.#clock.now() + this.#length);
    this.#timer ??= setTimeout(this.#fire, this.#length);
  }

  stop(item: T): void {
    this.#due.delete(item);
    if (this.#due.size > 0 || !this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  readonly #fire = (): void => {
    this.#timer = null;
    const now = this.#clock.now();
    for (const [item, due] of this.#due) {
      if (due > now) {
        if (this.#timer) clearTimeout(this.#timer); // one that expire() started is too late for this
        this.#timer = setTimeout(this.#fire, due - now);
        return;
      }
      this.#due.delete(item);
      this.#expire(item);
    }
  };
}
