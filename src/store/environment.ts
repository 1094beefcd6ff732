// LMDB as the store uses it: one file, tables with keys and values of bytes. Nothing else opens LMDB.

import { createRequire } from 'node:module';
import type { Database, RootDatabase } from 'lmdb';

// Its CommonJS build is one file in the place of fifteen: a program starts some 25 ms earlier.
const { open } = createRequire(import.meta.url)('lmdb') as typeof import('lmdb');

export type Environment = RootDatabase<Buffer, Uint8Array>;
export type Rows = Database<Buffer, Uint8Array>;

const MAX_TABLES = 16;
const BYTES = { encoding: 'binary', keyEncoding: 'binary' } as const;

export function openEnvironment(path: string, readOnly = false): Environment {
  return open<Buffer, Uint8Array>({
    path,
    noSubdir: true,
    maxDbs: MAX_TABLES,
    ...BYTES,
    // A commit answers when it is on the disk, not when it is merely visible.
    overlappingSync: false,
    // Otherwise a failed commit also rejects a promise inside lmdb, which nobody can take.
    eventTurnBatching: false,
    readOnly,
  });
}

const OVERRUN = /Attempting to write page/;
const ANY_KEY = Buffer.of(0);

/**
 * Whether LMDB may not be used any more after an error: when it could not write a page it has run over
 * a buffer of its own (see room.ts), and when it could not write the page that points to the others it
 * answers nothing any more, neither a read nor a write.
 */
export function isPoisoned(environment: Environment, error: unknown): boolean {
  if (error instanceof Error && OVERRUN.test(error.message)) return true;
  try {
    environment.resetReadTxn();
    environment.get(ANY_KEY);
    return false;
  } catch {
    return true;
  }
}

/** The table of that name, made when absent; undefined when it is absent and may not be made. */
export function openRows(environment: Environment, name: string): Rows | undefined {
  return environment.openDB<Buffer, Uint8Array>({ name, ...BYTES });
}

function tableNames(environment: Environment): string[] {
  return [...environment.getKeys()].map((key) => nameOf(key));
}

/** LMDB keeps names as C does. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString().replace(/\0$/, '');
}

export interface TableStats {
  readonly rows: number;
  readonly pages: number;
}

interface Counts {
  readonly entryCount: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

export function statsOf(table: Rows): TableStats {
  const stats = table.getStats() as Counts;
  return { rows: stats.entryCount, pages: pagesOf(stats) };
}

export interface FileStats {
  readonly pageSize: number;
  /** Pages up to the last that was ever used. */
  readonly pages: number;
  /** Of the lists of tables and of free pages. */
  readonly ownPages: number;
}

export function fileStats(environment: Environment): FileStats {
  const stats = environment.getStats() as {
    readonly pageSize: number;
    readonly lastPageNumber: number;
    readonly root: Counts;
    readonly free: Counts;
  };
  const heads = 2;
  const ownPages = heads + pagesOf(stats.root) + pagesOf(stats.free);
  return { pageSize: stats.pageSize, pages: stats.lastPageNumber + 1, ownPages };
}

/** Bytes of pages that are free inside the file, whose tables these are. */
export function freeInside(environment: Environment, tables: readonly OpenTable[]): number {
  const { pageSize, pages, ownPages } = fileStats(environment);
  const used = tables.map(({ rows }) => statsOf(rows).pages);
  return pageSize * (pages - ownPages - used.reduce((sum, each) => sum + each, 0));
}

function pagesOf(counts: Counts): number {
  return counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;
}

export interface OpenTable {
  readonly name: string;
  readonly rows: Rows;
}

/** All of them. It waits for whoever writes. */
export function openTables(environment: Environment): OpenTable[] {
  return tableNames(environment).flatMap((name) => {
    const rows = openRows(environment, name);
    return rows ? [{ name, rows }] : [];
  });
}
