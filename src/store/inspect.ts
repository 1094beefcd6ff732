// Looks a store over, all of it: its pages without LMDB, then every row through LMDB with its checksum.
// Runs in a process of its own (walk.ts), since reading damaged pages can kill.

import { freemem } from 'node:os';
import { isIntact, unseal } from './checksum.ts';
import {
  type Environment,
  openEnvironment,
  openTables,
  type Rows,
  statsOf,
} from './environment.ts';
import { FORMAT, FORMAT_KEY, META, OWNER_KEY } from './format.ts';
import {
  byBytes,
  byNumber,
  type Compare,
  freeRuns,
  KNOWS_PAGES,
  PageFile,
  PageProblem,
  type Row,
  readTree,
  type Tree,
} from './pages.ts';
import type { Owner } from './store.ts';

export interface Progress {
  readonly what: 'pages' | 'rows';
  readonly done: number;
  readonly total: number;
}

export interface Sound {
  readonly tables: Readonly<Record<string, { readonly rows: number; readonly bytes: number }>>;
  /** Whoever has claimed the store and may be dead. */
  readonly owner: Owner | null;
}

/** Told now and then how far it is; what it returns is waited for. */
export type Tell = (progress: Progress) => Promise<void>;

/** What is wrong with a row, in words. */
export class RowProblem extends Error {}

const PAGES_AT_ONCE = 256;
const ROWS_AT_ONCE = 20_000;
const LEAVES_AT_ONCE = 1_000;

/** Throws `PageProblem`, `RowProblem`, what LMDB throws, or the system's error. */
export async function inspect(path: string, tell: Tell): Promise<Sound> {
  if (KNOWS_PAGES) await inspectPages(path, tell);
  const environment = openEnvironment(path, true);
  try {
    return await inspectRows(environment, tell);
  } finally {
    await environment.close();
  }
}

/** Every page in use is where it belongs, once, and none of them is in the list of free ones. */
async function inspectPages(path: string, tell: Tell): Promise<void> {
  const file = new PageFile(path);
  try {
    await warm(file, tell);
    const total = file.meta.last + 1;
    let done = 0;
    const count = async (tree: Tree, compare: Compare, each: (row: Row) => void) => {
      let [rows, leaves] = [0, 0];
      for (const leaf of file.leaves(tree, compare, fail)) {
        rows += leaf.rows.length;
        if (++leaves % LEAVES_AT_ONCE === 0)
          await tell({ what: 'pages', done: done + leaves, total });
        for (const row of leaf.rows) each(row);
      }
      done += tree.branches + leaves + tree.overflows;
      if (rows !== tree.entries || leaves !== tree.leaves)
        throw new PageProblem(`a table has ${rows} rows and should have ${tree.entries}`);
    };
    const tables: Tree[] = [];
    await count(file.meta.main, byBytes, (row) => {
      if (!row.isTable) throw new PageProblem('the list of tables has a broken entry');
      const table = readTree(row.value);
      // A flag would change the order of its keys, or what its values mean.
      if (table.flags !== 0) throw new PageProblem('the list of tables has a broken entry');
      tables.push(table);
    });
    for (const table of tables)
      await count(table, byBytes, (row) => {
        if (row.isTable) throw new PageProblem('a table has a broken entry');
      });
    const freed: Buffer[] = [];
    await count(file.meta.free, byNumber, (row) => freed.push(row.value));
    for (const value of freed) for (const run of freeRuns(value)) file.free(...run);
  } finally {
    file.close();
  }
}

/**
 * Reads the file once from end to end: a disk does that far faster than it finds the pages in the order
 * of their tables, and the memory keeps them.
 */
async function warm(file: PageFile, tell: Tell): Promise<void> {
  if (file.size > freemem() / 2) return;
  const { last } = file.meta;
  for (let page = 0; page <= last; page += PAGES_AT_ONCE) {
    file.raw(page, PAGES_AT_ONCE);
    if ((page / PAGES_AT_ONCE) % 64 === 0) await tell({ what: 'pages', done: 0, total: last + 1 });
  }
}

function fail(problem: PageProblem): never {
  throw problem;
}

async function inspectRows(environment: Environment, tell: Tell): Promise<Sound> {
  const tables = openTables(environment);
  const meta = tables.find(({ name }) => name === META)?.rows;
  const format = meta && jsonAt(meta, FORMAT_KEY);
  const owner = ((meta && jsonAt(meta, OWNER_KEY)) ?? null) as Owner | null;
  // Of another format nothing is known; whoever opens it says so.
  if (format !== undefined && format !== FORMAT) return { tables: {}, owner };
  const total = tables.reduce((sum, { rows }) => sum + statsOf(rows).rows, 0);
  const found: Record<string, { rows: number; bytes: number }> = {};
  let before = 0;
  for (const { name, rows } of tables) {
    const sum = { rows: 0, bytes: 0 };
    for (let at: Uint8Array | null = null; ; ) {
      at = inspectSome(name, rows, at, sum);
      await tell({ what: 'rows', done: before + sum.rows, total });
      if (!at) break;
    }
    before += sum.rows;
    found[name] = sum;
  }
  return { tables: found, owner };
}

/** The next rows behind a key; gives the last key, or null at the end. */
function inspectSome(
  name: string,
  rows: Rows,
  after: Uint8Array | null,
  sum: { rows: number; bytes: number },
): Uint8Array | null {
  const from = after ? { start: after, exclusiveStart: true } : {};
  let last: Uint8Array | null = null;
  let count = 0;
  for (const { key, value } of rows.getRange({ ...from, limit: ROWS_AT_ONCE })) {
    if (!isIntact(key, value)) throw new RowProblem(`a value of table ${name} fails its checksum`);
    sum.bytes += key.length + value.length;
    count++;
    last = key;
  }
  sum.rows += count;
  return count === ROWS_AT_ONCE ? last : null;
}

/** A value of JSON; undefined when it is absent or fails its checksum. */
function jsonAt(rows: Rows, key: string): unknown {
  const bytes = Buffer.from(key);
  const value = rows.get(bytes);
  return value && isIntact(bytes, value) ? JSON.parse(unseal(value).toString()) : undefined;
}
