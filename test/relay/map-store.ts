// What a relay needs of a store, over Maps.

import type { DirectoryStore } from '../../src/relay/directory.ts';

/** Keys in order of bytes, one transaction behind the other, as the real one. */
export function mapStore(): DirectoryStore & { fail: Error | null } {
  const tables = new Map<string, Map<string, unknown>>();
  const store = {
    fail: null as Error | null,
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
