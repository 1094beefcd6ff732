// Things that wait for different lengths of time, with one timer for all: a wheel of slots. Constant
// cost for each, whatever waits; they are late by a slot at most.

import type { Clock } from '../lib/time.ts';

const SLOT_MS = 10;

export class Pauses<T> {
  readonly #clock: Clock;
  readonly #over: (item: T) => void;
  readonly #slots = new Map<number, Set<T>>(); // by the number of the slot in which they are over
  readonly #slotOf = new Map<T, number>();
  #passed = 0; // slots up to this one were emptied
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, over: (item: T) => void) {
    this.#clock = clock;
    this.#over = over;
  }

  get size(): number {
    return this.#slotOf.size;
  }

  /** Starts the item's pause, anew if one runs already. */
  start(item: T, milliseconds: number): void {
    this.stop(item);
    const now = this.#clock.now();
    if (this.#slotOf.size === 0) this.#passed = Math.floor(now / SLOT_MS);
    const slot = Math.max(this.#passed + 1, Math.ceil((now + milliseconds) / SLOT_MS));
    const items = this.#slots.get(slot);
    if (items) items.add(item);
    else this.#slots.set(slot, new Set([item]));
    this.#slotOf.set(item, slot);
    this.#timer ??= setTimeout(this.#tick, SLOT_MS);
  }

  stop(item: T): void {
    const slot = this.#slotOf.get(item);
    if (slot === undefined) return;
    this.#slotOf.delete(item);
    const items = this.#slots.get(slot);
    items?.delete(item);
    if (items?.size === 0) this.#slots.delete(slot);
    if (this.#slotOf.size > 0 || !this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  readonly #tick = (): void => {
    this.#timer = null;
    const current = Math.floor(this.#clock.now() / SLOT_MS);
    while (this.#passed < current && this.#slotOf.size > 0) {
      const items = this.#slots.get(++this.#passed) ?? [];
      for (const item of items) {
        this.stop(item);
        this.#over(item);
      }
    }
    if (this.#slotOf.size > 0) this.#timer ??= setTimeout(this.#tick, SLOT_MS);
  };
}
