// Rows of a table by group and in an order, so that no rule looks at all rows for those of one person.

/** A table keeps its indexes up to date. Orders that rise cost nothing; another one sorts the group anew. */
export class Index<K, V> {
  readonly #groupOf: (row: V) => string | null;
  readonly #orderOf: (row: V) => number;
  readonly #groups = new Map<string, Group<K, V>>();

  /** A row whose group is null is left out. Rows of one order stand as they came. */
  constructor(groupOf: (row: V) => string | null, orderOf: (row: V) => number = () => 0) {
    this.#groupOf = groupOf;
    this.#orderOf = orderOf;
  }

  groups(): string[] {
    return [...this.#groups.keys()];
  }

  size(group: string): number {
    return this.#groups.get(group)?.rows.size ?? 0;
  }

  /** A copy, so that rows may be changed while one goes over them. */
  entries(group: string): [K, V][] {
    return [...this.#sorted(group)];
  }

  rows(group: string): V[] {
    return [...this.#sorted(group).values()];
  }

  /** No copy: while one goes over it, rows may be removed, but none be added. */
  each(group: string): Iterable<V> {
    return this.#sorted(group).values();
  }

  replace(id: K, before: V | undefined, after: V | undefined): void {
    const from = before === undefined ? null : this.#groupOf(before);
    const to = after === undefined ? null : this.#groupOf(after);
    const stays = from === to && before && after && this.#orderOf(before) === this.#orderOf(after);
    if (from !== null && !stays) this.#remove(from, id);
    if (to !== null) this.#add(to, id, after as V);
  }

  #add(name: string, id: K, row: V): void {
    const order = this.#orderOf(row);
    const group = this.#groups.get(name) ?? { rows: new Map<K, V>(), last: order, isSorted: true };
    this.#groups.set(name, group);
    if (!group.rows.has(id)) {
      if (order < group.last) group.isSorted = false;
      group.last = Math.max(group.last, order);
    }
    group.rows.set(id, row);
  }

  #remove(name: string, id: K): void {
    const group = this.#groups.get(name);
    group?.rows.delete(id);
    if (group?.rows.size === 0) this.#groups.delete(name);
  }

  #sorted(name: string): Map<K, V> {
    const group = this.#groups.get(name);
    if (!group) return new Map();
    if (!group.isSorted) {
      const rows = [...group.rows];
      rows.sort(([, a], [, b]) => this.#orderOf(a) - this.#orderOf(b));
      group.rows = new Map(rows);
      group.isSorted = true;
    }
    return group.rows;
  }
}

interface Group<K, V> {
  rows: Map<K, V>;
  last: number;
  isSorted: boolean;
}
