// A store without its free pages and half-empty ones: its rows are written anew, in order, into a file
// beside it that takes its place. Every checksum is looked at on the way.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FleximError } from '../lib/errors.ts';
import { absent, writeFailure } from './failures.ts';
import { type Opening, openStore } from './open.ts';
import type { Store } from './store.ts';
import { draftOf, makeWorkPlace, removeWorkPlace } from './swap.ts';
import { RowWriter } from './writer.ts';

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
  onProgress: (rows: number) => void = () => {},
): Promise<Compacted> {
  const path = join(directory, `${name}.lmdb`);
  if (!existsSync(path)) throw absent(path);
  const store = await openStore(directory, name, opening);
  const before = statSync(path).size;
  try {
    makeWorkPlace(path);
    await copy(store, draftOf(path), onProgress);
    opening.onStep?.('copied');
    await store.replaceWith(draftOf(path));
  } finally {
    removeWorkPlace(path);
    await store.close();
  }
  opening.onStep?.('swapped');
  return { path, before, after: statSync(path).size };
}

async function copy(
  store: Store,
  draft: string,
  onProgress: (rows: number) => void,
): Promise<void> {
  const writer = new RowWriter(draft);
  let rows = 0;
  try {
    for (const { table, key, sealed } of store.rows()) {
      rows++;
      if (await writer.put(table, key, sealed)) onProgress(rows);
    }
    await writer.flush();
  } catch (error) {
    throw error instanceof FleximError ? error : writeFailure(draft, error);
  } finally {
    await writer.close();
  }
}
