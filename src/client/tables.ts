// What the client keeps, while it runs: tables of rows in memory, and one of rows that stay on the disk.
// Rules change them freely; a journal notes what was changed, so that a step can be taken back, and so
// that all changes of one step are written at once (docs/protocols/fe1.md §11).

import type { Index } from './indexes.ts';

export interface Kept<V> {
  /** What is on the disk, without what the journal holds. */
  read(id: string): V | undefined;
}

interface Change {
  readonly table: TableName;
  readonly id: string;
  readonly value: unknown; // undefined: removed
  readonly isNew: boolean; // the disk has no row of that name
}

export type TableName = string;

export class Journal {
  readonly #undo: (() => void)[] = [];
  readonly #changes = new Map<string, Change>();

  /** A place to come back to. */
  get mark(): number {
    return this.#undo.length;
  }

  note(change: Change, undo: () => void): void {
    const key = `${change.table} ${change.id}`;
    const before = this.#changes.get(key);
    this.#undo.push(() => {
      undo();
      if (before) this.#changes.set(key, before);
      else this.#changes.delete(key);
    });
    this.#changes.set(key, before ? { ...change, isNew: before.isNew } : change);
  }

  get(table: TableName, id: string): Change | undefined {
    return this.#changes.get(`${table} ${id}`);
  }

  undoTo(mark: number): void {
    while (this.#undo.length > mark) this.#undo.pop()?.();
  }

  /** What is to be written, one change for each row; nothing for one that came and went. */
  changes(): Change[] {
    return [...this.#changes.values()].filter(({ value, isNew }) => value !== undefined || !isNew);
  }

  /** It is written. */
  clear(): void {
    this.#undo.length = 0;
    this.#changes.clear();
  }
}

/** Rows in memory; all of them are on the disk, too. */
export class Table<K extends string | number, V> {
  readonly name: TableName;
  readonly #journal: Journal;
  readonly #indexes: readonly Index<K, V>[];
  readonly #rows = new Map<K, V>();

  constructor(name: TableName, journal: Journal, indexes: readonly Index<K, V>[] = []) {
    this.name = name;
    this.#journal = journal;
    this.#indexes = indexes;
  }

  /** A row from the disk. */
  load(id: K, value: V): void {
    this.#put(id, value);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(id: K): V | undefined {
    return this.#rows.get(id);
  }

  has(id: K): boolean {
    return this.#rows.has(id);
  }

  /** A copy, so that rows may be changed while one goes over them. */
  entries(): [K, V][] {
    return [...this.#rows];
  }

  keys(): K[] {
    return [...this.#rows.keys()];
  }

  values(): V[] {
    return [...this.#rows.values()];
  }

  set(id: K, value: V): void {
    this.#change(id, value);
  }

  delete(id: K): void {
    if (this.#rows.has(id)) this.#change(id, undefined);
  }

  #change(id: K, value: V | undefined): void {
    const before = this.#rows.get(id);
    this.#put(id, value);
    const change = { table: this.name, id: String(id), value, isNew: before === undefined };
    this.#journal.note(change, () => this.#put(id, before));
  }

  #put(id: K, value: V | undefined): void {
    for (const index of this.#indexes) index.replace(id, this.#rows.get(id), value);
    if (value === undefined) this.#rows.delete(id);
    else this.#rows.set(id, value);
  }
}

/** Rows that are read when they are asked for, one by one. */
export class DiskTable<V> {
  readonly name: TableName;
  readonly #journal: Journal;
  readonly #kept: Kept<V>;

  constructor(name: TableName, journal: Journal, kept: Kept<V>) {
    this.name = name;
    this.#journal = journal;
    this.#kept = kept;
  }

  get(id: string): V | undefined {
    const change = this.#journal.get(this.name, id);
    return change ? (change.value as V | undefined) : this.#kept.read(id);
  }

  set(id: string, value: V): void {
    this.#journal.note({ table: this.name, id, value, isNew: false }, () => {});
  }
}
