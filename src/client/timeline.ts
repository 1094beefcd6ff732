// The history on the disk: the newest lines of each person are rows, all older ones stand in blocks. A line is
// in one of the two, and every row is newer than every block. A block is written in the transaction that
// removes its rows; when a line in it changes (somebody has read it) the block is written anew.

import { utf8, view } from '../lib/bytes.ts';
import { Block, cut, encodeBlock, hasText } from './blocks.ts';
import { contentOf } from './lines.ts';
import type { Line } from './records.ts';
import type { Places, Vault, Write } from './vault.ts';

export const BLOCK_LINES = 256;

const ROWS = 'h';
const BLOCKS = 'g'; // by the order of the first line
const FOLDED = 'f'; // what a search reads of each block, under the same place
const BLOCKS_KEPT = 8; // decoded, by key and place

export interface TimelineOptions {
  readonly vault: Vault;
  /** Lines of a block; as many rows stay. */
  readonly size: number;
  readonly read: (bytes: Uint8Array) => Line;
  readonly bytes: (line: Line) => Uint8Array;
  /** Runs what meets `malformed` when the store is damaged. */
  readonly sound: <T>(work: () => T) => T;
}

/** What there is of one person. */
interface Shelf {
  readonly sealed: number; // the last order in a block
  readonly rows: number;
  readonly newest: number; // the last order of a row
}

export interface Planned {
  readonly writes: readonly Write[];
  /** To be called when they are on the disk. */
  kept(): void;
}

const NONE = -1;

export class Timeline {
  readonly #options: TimelineOptions;
  readonly #shelves = new Map<string, Shelf>();
  readonly #blocks = new Map<string, Block>();

  constructor(options: TimelineOptions) {
    this.#options = options;
  }

  // ---- reading ----

  get(key: string, order: number): Line | undefined {
    const { vault, read } = this.#options;
    const isRow = order > this.#shelf(key).sealed;
    const bytes = isRow ? vault.read(vault.name(ROWS, key, order)) : undefined;
    // It may have become part of a block this very moment.
    return bytes ? read(bytes) : this.#blockWith(key, order)?.get(order);
  }

  /** To be read in one go: what is written meanwhile could change places. */
  *lines(key: string, which: Places = {}, wanted: string | null = null): Generator<Line> {
    if (which.backwards) yield* this.#rows(key, which, wanted);
    yield* this.#sealed(key, which, wanted);
    if (!which.backwards) yield* this.#rows(key, which, wanted);
  }

  *#rows(key: string, which: Places, wanted: string | null): Generator<Line> {
    const { vault, read } = this.#options;
    for (const [, bytes] of vault.placed(ROWS, key, which)) {
      const line = read(bytes);
      if (wanted === null || hasText(contentOf(line).msg, wanted)) yield line;
    }
  }

  *#sealed(key: string, which: Places, wanted: string | null): Generator<Line> {
    const from = this.#placeOf(key, which.from ?? 0) ?? which.from ?? 0;
    const range = { ...which, from };
    const places = wanted === null ? this.#places(key, range) : this.#hits(key, range, wanted);
    for (const place of places) yield* this.#block(key, place)?.lines(which, wanted) ?? [];
  }

  #places(key: string, which: Places): Iterable<number> {
    return this.#options.vault.places(BLOCKS, key, which);
  }

  /** Where there are blocks that have it in a text, or across two. */
  *#hits(key: string, which: Places, wanted: string): Generator<number> {
    const bytes = view(utf8(wanted));
    for (const [place, folded] of this.#options.vault.placed(FOLDED, key, which))
      if (view(folded).includes(bytes)) yield place;
  }

  /** Of the block that has a line of this order in it, if there is one. */
  #placeOf(key: string, order: number): number | undefined {
    for (const place of this.#places(key, { before: order + 1, backwards: true })) return place;
    return undefined;
  }

  #blockWith(key: string, order: number): Block | undefined {
    const place = this.#placeOf(key, order);
    return place === undefined ? undefined : this.#block(key, place);
  }

  #block(key: string, place: number): Block | undefined {
    const { vault, sound } = this.#options;
    const name = `${key}:${place}`;
    const known = this.#blocks.get(name);
    if (known) return known;
    const bytes = vault.read(vault.name(BLOCKS, key, place));
    const block = bytes && sound(() => new Block(key, bytes));
    if (!block) return undefined;
    for (const oldest of this.#blocks.keys())
      if (this.#blocks.size >= BLOCKS_KEPT) this.#blocks.delete(oldest);
    this.#blocks.set(name, block);
    return block;
  }

  #shelf(key: string): Shelf {
    const known = this.#shelves.get(key);
    if (known) return known;
    const place = this.#placeOf(key, Number.MAX_SAFE_INTEGER);
    const sealed = place === undefined ? NONE : (this.#block(key, place)?.last ?? NONE);
    const places = [...this.#options.vault.places(ROWS, key)];
    const shelf = { sealed, rows: places.length, newest: places.at(-1) ?? NONE };
    this.#shelves.set(key, shelf);
    return shelf;
  }

  // ---- writing ----

  /** How these lines, new ones or changed ones, come to the disk, and what is joined to blocks then. */
  plan(lines: readonly Line[]): Planned {
    const writes: Write[] = [];
    const shelves = new Map<string, Shelf>();
    const people = new Map<string, Line[]>();
    for (const line of lines) {
      const some = people.get(line.peer) ?? [];
      people.set(line.peer, some);
      some.push(line);
    }
    const stale: string[] = [];
    for (const [key, some] of people) {
      const { sealed } = this.#shelf(key);
      const old = some.filter(({ order }) => order <= sealed);
      for (const place of this.#rewrite(key, old, writes)) stale.push(`${key}:${place}`);
      const rows = some.filter(({ order }) => order > sealed);
      shelves.set(key, this.#add(key, rows, writes));
    }
    const kept = () => {
      for (const [key, shelf] of shelves) this.#shelves.set(key, shelf);
      for (const name of stale) this.#blocks.delete(name);
    };
    return { writes, kept };
  }

  /** Lines in blocks: these are written with them; their places. */
  #rewrite(key: string, lines: readonly Line[], writes: Write[]): Iterable<number> {
    const { vault } = this.#options;
    const changed = new Map<number, Line[]>();
    for (const line of lines) {
      const place = this.#placeOf(key, line.order) as number;
      const all = changed.get(place) ?? [...(this.#block(key, place) as Block).lines()];
      changed.set(
        place,
        all.map((each) => (each.order === line.order ? line : each)),
      );
    }
    for (const [place, all] of changed)
      writes.push({ name: vault.name(BLOCKS, key, place), bytes: encodeBlock(all).block });
    return changed.keys();
  }

  /** Rows, and a block of the oldest ones as often as there are two blocks of them. */
  #add(key: string, lines: readonly Line[], writes: Write[]): Shelf {
    const { size, vault, bytes } = this.#options;
    const { newest, ...before } = this.#shelf(key);
    const changed = new Map(lines.map((line) => [line.order, line]));
    let rows = before.rows + lines.filter(({ order }) => order > newest).length;
    let { sealed } = before;
    while (rows >= 2 * size) {
      const joined = cut(this.#oldest(key, sealed, changed), size);
      this.#join(key, joined, writes);
      for (const { order } of joined) changed.delete(order);
      sealed = joined.at(-1)?.order ?? sealed;
      rows -= joined.length;
    }
    for (const line of changed.values())
      writes.push({ name: vault.name(ROWS, key, line.order), bytes: bytes(line) });
    return { sealed, rows, newest: Math.max(newest, ...lines.map(({ order }) => order)) };
  }

  /** The oldest rows behind a place, as they are to be. */
  #oldest(key: string, sealed: number, changed: ReadonlyMap<number, Line>): Line[] {
    const { size, vault, read } = this.#options;
    const found: Line[] = [];
    for (const [order, bytes] of vault.placed(ROWS, key, { from: sealed + 1 })) {
      if (found.length >= size) return found;
      found.push(changed.get(order) ?? read(bytes));
    }
    const last = found.at(-1)?.order ?? sealed;
    const rest = [...changed.values()].filter(({ order }) => order > last);
    return [...found, ...rest.sort((a, b) => a.order - b.order)];
  }

  #join(key: string, lines: readonly Line[], writes: Write[]): void {
    const { vault } = this.#options;
    const place = (lines[0] as Line).order;
    const { block, folded } = encodeBlock(lines);
    writes.push({ name: vault.name(BLOCKS, key, place), bytes: block });
    writes.push({ name: vault.name(FOLDED, key, place), bytes: folded });
    for (const { order } of lines) writes.push({ name: vault.name(ROWS, key, order), bytes: null });
  }
}
