// What a relay needs of a store, over Maps.

import type { DirectoryStore } from '../../src/relay/directory.ts';
import type { ByteRows } from '../../src/relay/mailbox.ts';
import type { QueueStore } from '../../src/relay/queue.ts';

export type MapStore = DirectoryStore &
  QueueStore & {
    /** What transactions and batches fail with. */
    fail: Error | null;
    /** When set, a batch is kept once it is resolved. */
    gate: Promise<void> | null;
    batches: number;
  };

/** The rest of what a relay of paper is given. */
export const PAPER = {
  durable: false,
  tagOf: (recipient: string, sender: string) => Buffer.from(`${recipient[0]}${sender.slice(0, 7)}`),
  broken: (error: Error) => {
    throw error;
  },
} as const;

/** Keys in order of bytes, one transaction behind the other, as the real one. */
export function mapStore(): MapStore {
  const bytes = new Map<string, ReturnType<typeof byteRows>>();
  const tables = new Map<string, Map<string, unknown>>();
  const store = {
    fail: null as Error | null,
    gate: null as Promise<void> | null,
    batches: 0,
    bytes: (name: string): ByteRows => {
      const rows = bytes.get(name) ?? byteRows();
      bytes.set(name, rows);
      return rows;
    },
    batch: async (work: () => void): Promise<void> => {
      store.batches++;
      work();
      const written = [...bytes.values()].map((rows) => rows.take());
      await store.gate;
      await new Promise(setImmediate);
      if (store.fail) throw store.fail;
      for (const apply of written) apply();
    },
    table: <V>(name: string) => {
      const rows = (tables.get(name) ?? new Map()) as Map<string, V>;
      tables.set(name, rows as Map<string, unknown>);
      return {
        get: (key: string) => rows.get(key),
        put: (key: string, value: V) => {
          rows.set(key, value);
        },
        remove: (key: string) => {
          rows.delete(key);
        },
        entries: ({ prefix = '', after }: { prefix?: string; after?: string } = {}) =>
          [...rows]
            .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
            .filter(([key]) => key.startsWith(prefix) && (after === undefined || key > after)),
      };
    },
    transaction: async <T>(work: () => T): Promise<T> => {
      if (store.fail) throw store.fail;
      return work();
    },
  };
  return store;
}

/** What is put in a batch is seen once the batch is kept. */
function byteRows() {
  const rows = new Map<string, Buffer>();
  let order: string[] | null = null; // the keys in order, until a row comes or goes
  let changes: (() => void)[] = [];
  const from = (names: readonly string[], name: string): number => {
    let [low, high] = [0, names.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((names[middle] as string) < name) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    get: (key: Uint8Array) => rows.get(nameOf(key)),
    put: (key: Uint8Array, value: Uint8Array) => {
      const copy = Buffer.from(value);
      const name = nameOf(key);
      changes.push(() => {
        if (!rows.has(name)) order = null;
        rows.set(name, copy);
      });
    },
    remove: (key: Uint8Array) => {
      const name = nameOf(key);
      changes.push(() => {
        if (rows.delete(name)) order = null;
      });
    },
    entries: (range?: { from: Uint8Array; to: Uint8Array; backwards?: boolean }) => {
      order ??= [...rows.keys()].sort();
      const within = range
        ? order.slice(from(order, nameOf(range.from)), from(order, nameOf(range.to)))
        : order.slice();
      if (range?.backwards) within.reverse();
      return rowsOf(rows, within);
    },
    take: () => {
      const taken = changes;
      changes = [];
      return () => {
        for (const change of taken) change();
      };
    },
  };
}

/** A text whose order is that of the bytes. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

function* rowsOf(rows: ReadonlyMap<string, Buffer>, names: readonly string[]) {
  for (const name of names) {
    const value = rows.get(name);
    if (value) yield [Buffer.from(name, 'latin1'), value] as const;
  }
}
