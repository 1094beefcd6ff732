// A store for reading only, also while another process owns it: for numbers and exports.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isFleximError } from '../lib/errors.ts';
import { checkStore, type Watch } from './check.ts';
import { isIntact, openValue, unseal } from './checksum.ts';
import {
  type Environment,
  fileStats,
  openEnvironment,
  openRows,
  openTables,
  statsOf,
} from './environment.ts';
import { absent, damaged, openFailure } from './failures.ts';
import { FORMAT_KEY, META, versionProblem } from './format.ts';
import { enter } from './guest.ts';
import { readMarker } from './marker.ts';
import type { Owner } from './owner.ts';
import { checkHead, KNOWS_PAGES, PageProblem } from './pages.ts';
import { type ByteTable, byteEntries } from './tables.ts';

export interface Reading {
  /** Whoever reads. */
  readonly owner: Owner;
  readonly isAlive: (other: Owner) => boolean;
  /** In milliseconds, for the patience with an owner who does not answer. */
  readonly clock?: (() => number) | undefined;
  readonly remedy?: string | undefined;
  readonly watch?: Watch | undefined;
}

export interface Reader {
  readonly path: string;
  readonly environment: Environment;
  /** Whoever has it open. */
  readonly owner: Owner | null;
  readonly format: number;
  close(): Promise<void>;
}

/** Throws `store-unusable` when there is none, `store-damaged` or `store-version`. */
export async function readStore(
  directory: string,
  name: string,
  reading: Reading,
): Promise<Reader> {
  const path = join(directory, `${name}.lmdb`);
  const { isAlive, remedy = '' } = reading;
  try {
    const marker = readMarker(path);
    const owner = marker?.owner && isAlive(marker.owner) ? marker.owner : null;
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0) throw absent(path);
    if (marker && !owner) await checkStore(path, reading);
    // Beside an owner who is writing the heads cannot be compared.
    if (KNOWS_PAGES && !owner) checkHead(path);
    const guest = await enter(path, reading.owner, isAlive, reading.clock);
    try {
      const environment = openEnvironment(guest.path, true);
      const format = await formatOf(environment, path);
      const close = () => environment.close().finally(() => guest.leave());
      return { path, environment, owner, format, close };
    } catch (error) {
      guest.leave();
      throw error;
    }
  } catch (error) {
    if (error instanceof PageProblem) throw damaged(path, error.message, remedy, error);
    throw isFleximError(error) ? error : openFailure(path, error, remedy);
  }
}

async function formatOf(environment: Environment, path: string): Promise<number> {
  const key = Buffer.from(FORMAT_KEY);
  const value = openRows(environment, META)?.get(key);
  const format = value && isIntact(key, value) ? JSON.parse(unseal(value).toString()) : undefined;
  const problem = versionProblem(path, format);
  if (!problem) return format ?? 1;
  await environment.close();
  throw problem;
}

/** The values of a table of bytes; throws `store-damaged` when one fails its checksum. */
export function* valuesOf({ environment, path }: Reader, table: string): Iterable<Buffer> {
  for (const { key, value } of openRows(environment, table)?.getRange() ?? [])
    yield openValue(key, value, path);
}

/** A table of bytes, for reading only. */
export function tableOf({ environment, path }: Reader, table: string): ByteTable {
  const rows = openRows(environment, table);
  const read = (key: Uint8Array, value: Buffer) => openValue(key, value, path);
  const refuse = () => {
    throw new Error('this store is open for reading');
  };
  return {
    get: (key) => {
      const value = rows?.get(Buffer.from(key));
      return value && read(key, Buffer.from(value));
    },
    entries: (range) => byteEntries(rows, range, read),
    put: refuse,
    remove: refuse,
  };
}

export interface Stats {
  readonly bytes: number; // of the file
  readonly pageSize: number;
  readonly pages: number;
  readonly freePages: number;
  readonly tables: readonly {
    readonly name: string;
    readonly rows: number;
    readonly bytes: number;
  }[];
}

export function readStats({ environment, path }: Reader): Stats {
  const { pageSize, pages, ownPages } = fileStats(environment);
  const tables = openTables(environment).map(({ name, rows }) => ({ name, ...statsOf(rows) }));
  const used = tables.reduce((sum, table) => sum + table.pages, ownPages);
  return {
    bytes: statSync(path).size,
    pageSize,
    pages,
    freePages: Math.max(0, pages - used),
    tables: tables.map(({ name, rows, pages: own }) => ({ name, rows, bytes: own * pageSize })),
  };
}
