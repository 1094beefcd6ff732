// An export (dump.ts) as a store: into one beside the empty one, whose place it takes when it is whole.

import { FleximError } from '../lib/errors.ts';
import { type DumpRow, Importer, sealRow } from './dump.ts';
import { writeFailure } from './failures.ts';
import { type Opening, openStore } from './open.ts';
import { draftOf, makeWorkPlace, removeWorkPlace } from './swap.ts';
import { RowWriter } from './writer.ts';

export interface Imported {
  readonly path: string;
  readonly rows: number;
  readonly tables: Readonly<Record<string, number>>;
}

/**
 * Throws `bad-input` when the store holds rows or the export is not whole, and what `openStore` throws;
 * the store is as it was then.
 */
export async function importStore(
  directory: string,
  name: string,
  opening: Opening,
  lines: AsyncIterable<string>,
  onProgress: (rows: number) => void = () => {},
): Promise<Imported> {
  const store = await openStore(directory, name, opening);
  const { path } = store;
  try {
    if (!store.isEmpty)
      throw new FleximError(
        'bad-input',
        `the store ${path} is not empty, and an import replaces it: move it away, or use another --data`,
      );
    makeWorkPlace(path);
    const importer = await fill(draftOf(path), lines, onProgress);
    opening.onStep?.('copied');
    await store.replaceWith(draftOf(path));
    opening.onStep?.('swapped');
    return { path, rows: importer.rows, tables: importer.tables };
  } finally {
    removeWorkPlace(path);
    await store.close();
  }
}

async function fill(
  draft: string,
  lines: AsyncIterable<string>,
  onProgress: (rows: number) => void,
): Promise<Importer> {
  const importer = new Importer();
  const writer = new RowWriter(draft);
  try {
    for await (const line of lines) {
      const row: DumpRow | null = importer.take(line);
      if (row && (await writer.put(row.table, row.key, sealRow(row)))) onProgress(importer.rows);
    }
    importer.finish();
    await writer.flush();
    return importer;
  } catch (error) {
    throw error instanceof FleximError ? error : writeFailure(draft, error);
  } finally {
    await writer.close();
  }
}
