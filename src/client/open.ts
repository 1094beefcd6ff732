// The client's store, opened with care: docs/store.md.

import { type Opening, openStore as open } from '../store/open.ts';
import type { Store } from '../store/store.ts';

export interface StoreOwner {
  /** Of this process. */
  readonly pid: number;
  /** Whether the process that has the store lives; without it, one with another pid is taken to. */
  readonly isAlive?: Opening['isAlive'];
}

/**
 * Opens or makes the store in a directory, for one process at a time. After a crash another process looks
 * it over first. Throws `store-busy`, `store-damaged`, `store-version`, `store-full`, `store-unusable`.
 */
export function openStore(directory: string, { pid, isAlive }: StoreOwner): Promise<Store> {
  return open(directory, 'client', {
    owner: { pid, started: '' },
    isAlive: isAlive ?? (({ pid: other }) => other !== pid),
  });
}
