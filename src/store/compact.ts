// A store without its free pages: a copy is made beside it and takes its place.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { absent } from './failures.ts';
import { META, OWNER_KEY } from './format.ts';
import { type Opening, openStore } from './open.ts';
import { Store } from './store.ts';
import { draftOf, makeWorkPlace, removeWorkPlace } from './swap.ts';

export interface Compacted {
  readonly path: string;
  readonly before: number; // bytes
  readonly after: number;
}

/** Throws what `openStore` throws, `store-full` and `store-failed`; the store stays as it was then. */
export async function compactStore(
  directory: string,
  name: string,
  opening: Opening,
): Promise<Compacted> {
  if (!existsSync(join(directory, `${name}.lmdb`))) throw absent(join(directory, `${name}.lmdb`));
  const store = await openStore(directory, name, opening);
  const { path } = store;
  const before = statSync(path).size;
  try {
    const place = makeWorkPlace(path);
    await store.copyTo(draftOf(path));
    opening.onStep?.('copied');
    await disown(place, name);
    await store.replaceWith(draftOf(path));
  } catch (error) {
    removeWorkPlace(path);
    await store.close();
    throw error;
  }
  opening.onStep?.('swapped');
  removeWorkPlace(path);
  return { path, before, after: statSync(path).size };
}

/** The copy says that it belongs to us, and will outlive us. */
async function disown(directory: string, name: string): Promise<void> {
  const copy = new Store(directory, name);
  try {
    await copy.transaction(() => copy.table(META).remove(OWNER_KEY));
  } finally {
    await copy.close();
  }
}
