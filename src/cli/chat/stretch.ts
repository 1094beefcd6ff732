// A stretch of one timeline in memory: everything from `low` to `high`, both places in the history, in
// order. It grows at both ends, and knows whether the history goes on there.

import type { Entry, State } from './model.ts';

export interface Item {
  /** Its place in the history; of what is not in the history, a little behind the one before it. */
  readonly order: number;
  /** Of the message; '' for what is not in the history. */
  readonly id: string;
  readonly entry: Entry;
}

const STATES: readonly (State | null)[] = [
  null,
  'queued',
  'accepted',
  'delivered',
  'read',
  'failed',
];

export const isLater = (a: State | null, b: State | null) => STATES.indexOf(a) > STATES.indexOf(b);

export class Stretch {
  #items: Item[] = [];
  /** All of the history from here on is here; 0 is its beginning. */
  low: number;
  /** … up to here. */
  high: number;

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
  }

  get size(): number {
    return this.#items.length;
  }
  get hasOldest(): boolean {
    return this.low === 0;
  }

  /** Whether what is next to this place can be told, or will be as the stretch grows. */
  covers(order: number): boolean {
    return order >= this.low - 1 && order <= this.high + 1;
  }

  items(): readonly Item[] {
    return this.#items;
  }

  /** How many are below the place. */
  below(order: number): number {
    let [from, to] = [0, this.#items.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#items[middle] as Item).order < order) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  before(order: number, count: number): Entry[] {
    const end = this.below(order);
    return this.#items.slice(Math.max(0, end - count), end).map(({ entry }) => entry);
  }

  after(order: number, count: number): Entry[] {
    const at = this.below(order);
    const from = this.#items[at]?.order === order ? at + 1 : at;
    return this.#items.slice(from, from + count).map(({ entry }) => entry);
  }

  /** Puts items where they belong. Gives those that were not here, and those whose state has risen. */
  merge(items: readonly Item[]): { readonly added: Item[]; readonly changed: Item[] } {
    const added: Item[] = [];
    const changed: Item[] = [];
    for (const item of items) {
      const at = this.below(item.order);
      const present = this.#items[at];
      if (present?.order !== item.order) added.push(item);
      else if (isLater(item.entry.state, present.entry.state)) {
        this.#items[at] = item;
        changed.push(item);
      }
    }
    const last = this.#items.at(-1)?.order ?? -1;
    if (added.every(({ order }) => order > last)) this.#items.push(...added);
    else this.#items = [...this.#items, ...added].sort(byOrder);
    return { added, changed };
  }

  /** The newest with this message id gets another state; null when it is not here or had it. */
  advance(id: string, state: State): Entry | null | undefined {
    for (let i = this.#items.length - 1; i >= 0; i--) {
      const item = this.#items[i] as Item;
      if (item.id !== id || item.entry.from !== 'me') continue;
      if (!isLater(state, item.entry.state)) return null;
      const entry = { ...item.entry, state };
      this.#items[i] = { ...item, entry };
      return entry;
    }
    return undefined;
  }

  /** Forgets all but the newest so many. */
  trim(count: number): void {
    if (this.#items.length <= count) return;
    this.#items = this.#items.slice(-count);
    this.low = Math.ceil((this.#items[0] as Item).order);
  }
}

const byOrder = (a: Item, b: Item) => a.order - b.order;
