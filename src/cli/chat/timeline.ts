// One conversation as far as it is in memory: its newest part, and, while somebody looks at what is long
// ago, a part around that. What is missing is read in the background, some of it before it is asked for.

import { setImmediate as turn } from 'node:timers/promises';
import type { Message } from '../../client/events.ts';
import type { Page } from '../../client/history.ts';
import { entryOf } from './content.ts';
import type { Entry, Part, State } from './model.ts';
import { type Item, Stretch } from './stretch.ts';

const FIRST = 30; // a screen is there sooner when the first page is no longer than it
const PAGE = 250;
const AHEAD = 100; // entries between what is looked at and the edge, when more is read
const MOST = 4_000; // kept of the newest part once nobody looks further up
const KEEP = 1_000;
const OLDER_TAIL = 'older tail';
const NOTE_STEP = 1e-6; // between notes at one place

export interface Hooks {
  read(page: Page): Promise<readonly Message[]>;
  /** More can be looked at. */
  loaded(): void;
  /** At the end. */
  entry(entry: Entry): void;
  state(entry: Entry): void;
  failed(error: unknown): void;
}

export class Timeline {
  readonly #hooks: Hooks;
  #tail = new Stretch(Number.POSITIVE_INFINITY, 0);
  #far: Stretch | null = null;
  #isLoaded = false;
  readonly #reading = new Map<string, Promise<void>>();
  #again = false; // something came while the newest were being read
  #firstHigh = 0; // up to here nothing was told: it was there when the newest were read first
  readonly #told = new Set<number>(); // what came before that
  #notes = 0;
  #isBroken = false; // a reading failed: nothing more is read by itself

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  before(entry: string | null, count: number): Part {
    if (entry === null) this.#settle();
    const order = entry === null ? Number.POSITIVE_INFINITY : Number(entry);
    const stretch = entry === null ? this.#tail : this.#around(order);
    const there = stretch.below(order);
    if (!stretch.hasOldest && there <= count + AHEAD) this.#older(stretch, count - there);
    const entries = stretch.before(order, count);
    return { entries, pending: entries.length < count && !stretch.hasOldest && !this.#isBroken };
  }

  after(entry: string, count: number): Part {
    const order = Number(entry);
    const stretch = this.#around(order);
    const isTail = stretch === this.#tail;
    if (!isTail && stretch.size - stretch.below(order) <= count + AHEAD) this.#newer(stretch);
    const entries = stretch.after(order, count);
    return { entries, pending: entries.length < count && !isTail && !this.#isBroken };
  }

  /** When the newest ones are there, if they can be read; as many as a screen shows. */
  async newest(count: number): Promise<void> {
    this.before(null, count);
    await this.#reading.get(OLDER_TAIL);
  }

  /** A message came: it is told once, whether it is in memory by now or not. */
  came(message: Message): void {
    const { order } = message;
    if (this.#isLoaded && order > this.#firstHigh) return this.catchUp();
    this.#told.add(order);
    this.#hooks.entry(entryOf(message));
  }

  /** Reads what is new at the end. */
  catchUp(): void {
    if (!this.#isLoaded) return;
    if (this.#reading.has('new')) this.#again = true;
    else
      this.#read('new', async () => {
        do {
          this.#again = false;
          await this.#catchUp();
        } while (this.#again);
      });
  }

  /** What was read before may be out of date. */
  refresh(): void {
    this.#isBroken = false;
    if (!this.#isLoaded) return;
    this.#read('states', async () => {
      const messages = await this.#hooks.read({ limit: PAGE });
      const known = messages.filter(({ order }) => order <= this.#tail.high);
      for (const { entry } of this.#tail.merge(known.map(itemOf)).changed) this.#hooks.state(entry);
      this.catchUp();
    });
  }

  /** A message that we sent has another state. */
  advance(id: string, state: State): void {
    const found = [this.#tail, this.#far].map((stretch) => stretch?.advance(id, state));
    for (const entry of found) if (entry) this.#hooks.state(entry);
    // Not here: it may have been sent by another process just now.
    if (found.every((each) => each === undefined)) this.catchUp();
  }

  /** Says something at the end that is not in the history. */
  note(text: string, at: number): void {
    const add = () => {
      const order = this.#tail.high + ++this.#notes * NOTE_STEP;
      const base = {
        id: String(order),
        from: 'system',
        text,
        at,
        written: null,
        state: null,
      } as const;
      const entry: Entry = { ...base, notify: false, action: false };
      this.#tail.merge([{ order, id: '', entry }]);
      this.#hooks.entry(entry);
    };
    if (this.#isLoaded) return add();
    this.#older(this.#tail);
    void this.#reading.get(OLDER_TAIL)?.then(() => this.#isLoaded && add());
  }

  /** The part that shows what is next to this place. */
  #around(order: number): Stretch {
    if (this.#tail.covers(order) || order >= this.#tail.low) return this.#tail;
    if (this.#far?.covers(order)) return this.#far;
    const place = Math.floor(order);
    this.#far = new Stretch(place + 1, place);
    return this.#far;
  }

  /** Whoever looks at the newest does not look at what is long ago. */
  #settle(): void {
    this.#far = null;
    if (this.#tail.size > MOST) this.#tail.trim(KEEP);
  }

  /** `missing` are waited for; without any, others go first. */
  #older(stretch: Stretch, missing = 1): void {
    const isTail = stretch === this.#tail;
    this.#read(isTail ? OLDER_TAIL : 'older far', async () => {
      if (missing <= 0) await turn();
      const { low } = stretch;
      const limit = isTail && !this.#isLoaded ? Math.max(FIRST, missing) : PAGE;
      const messages = await this.#hooks.read({
        limit,
        ...(Number.isFinite(low) ? { before: low } : {}),
      });
      if (stretch.low !== low) return; // trimmed meanwhile
      stretch.merge(messages.map(itemOf));
      stretch.low = messages.length < limit ? 0 : (messages[0]?.order ?? 0);
      const isFirst = isTail && !this.#isLoaded;
      if (isFirst) this.#firstHigh = stretch.high = messages.at(-1)?.order ?? 0;
      if (isFirst) this.#isLoaded = true;
      this.#join();
      this.#hooks.loaded();
      if (isFirst) void turn().then(() => this.catchUp()); // what came while this was under way
    });
  }

  #newer(stretch: Stretch): void {
    this.#read('newer far', async () => {
      const messages = await this.#hooks.read({ limit: PAGE, after: stretch.high });
      stretch.merge(messages.map(itemOf));
      stretch.high = messages.at(-1)?.order ?? stretch.high;
      // Between this and the newest part there is nothing.
      if (messages.length < PAGE && this.#isLoaded)
        stretch.high = Math.max(stretch.high, this.#tail.low);
      if (!this.#isLoaded) this.#older(this.#tail);
      this.#join();
      this.#hooks.loaded();
    });
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const messages = await this.#hooks.read({ after: this.#tail.high, limit: PAGE });
      this.#tail.high = messages.at(-1)?.order ?? this.#tail.high;
      for (const { entry, order } of this.#tail.merge(messages.map(itemOf)).added)
        if (!this.#told.delete(order)) this.#hooks.entry(entry);
      if (messages.length < PAGE) return;
    }
  }

  /** The two parts meet: they are one. */
  #join(): void {
    const far = this.#far;
    if (!far || !this.#isLoaded || far.high < this.#tail.low - 1) return;
    this.#tail.merge(far.items());
    this.#tail.low = Math.min(far.low, this.#tail.low);
    this.#far = null;
  }

  /** One reading of a kind at a time. */
  #read(kind: string, work: () => Promise<void>): void {
    if (this.#reading.has(kind) || this.#isBroken) return;
    const reading = work()
      .catch((error: unknown) => {
        this.#isBroken = true;
        this.#hooks.failed(error);
      })
      .finally(() => this.#reading.delete(kind));
    this.#reading.set(kind, reading);
  }
}

function itemOf(message: Message): Item {
  return { order: message.order, id: message.id, entry: entryOf(message) };
}
