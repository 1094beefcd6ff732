// What can still be read of a damaged store file: every table from its root, without the pages and rows
// that are not what they should be. LMDB has no part in it, so nothing here can die of a page.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { isIntact } from './checksum.ts';
import { nameOf } from './environment.ts';
import {
  byBytes,
  type Found,
  type Meta,
  PageFile,
  PageProblem,
  readAll,
  readTree,
  type Tree,
  tableListTime,
} from './pages.ts';

export interface SalvagedRow {
  readonly table: string;
  readonly key: Buffer;
  readonly value: Buffer; // with its checksum, which fits
}

export interface TableLoss {
  saved: number;
  /** How many rows the table should have; null when that is not known any more. */
  expected: number | null;
  badRows: number;
  badPages: number;
}

export interface Salvage {
  readonly tables: Map<string, TableLoss>;
  /** What was wrong with the file as a whole, in words. */
  readonly notes: string[];
}

const PAGE_SIZES = [4096, 16_384, 8192, 65_536, 32_768, 2048, 1024, 512];
const NO_TREE: Tree = {
  flags: 0,
  depth: 0,
  branches: 0,
  leaves: 0,
  overflows: 0,
  entries: 0,
  root: null,
};

/** Gives the rows one by one and fills `salvage` on the way. */
export function* salvageRows(path: string, salvage: Salvage): Generator<SalvagedRow> {
  const file = openHeads(path, salvage) ?? openList(path, salvage);
  if (!file) {
    salvage.notes.push('no list of tables could be found: nothing can be read');
    return;
  }
  try {
    for (const [name, tree] of tablesOf(file, path, salvage))
      yield* rowsOf(file, name, tree, salvage);
  } finally {
    file.close();
  }
}

/** The file by its heads, if both can be believed. */
function openHeads(path: string, salvage: Salvage): PageFile | null {
  try {
    return new PageFile(path);
  } catch (error) {
    if (!(error instanceof PageProblem)) throw error;
    salvage.notes.push(error.message);
    return null;
  }
}

/** The file by the newest list of tables that lies somewhere in it. */
function openList(
  path: string,
  salvage: Salvage,
  before = Number.MAX_SAFE_INTEGER,
): PageFile | null {
  const found = findList(path, before);
  if (!found) return null;
  salvage.notes.push(
    `an older list of tables was taken, from page ${found.main.root}: what was removed since may be back`,
  );
  return new PageFile(path, found);
}

function findList(path: string, before: number): Meta | null {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    for (const pageSize of PAGE_SIZES) {
      const last = Math.floor(size / pageSize) - 1;
      const page = Buffer.alloc(pageSize);
      let [root, transaction] = [0, -1];
      for (let number = 2; number <= last; number++) {
        if (readAll(fd, page, number * pageSize) !== pageSize) continue;
        const time = tableListTime(page, number);
        if (time !== null && time > transaction && time <= before)
          [root, transaction] = [number, time];
      }
      const main = { ...NO_TREE, depth: 1, leaves: 1, root };
      if (root > 0) return { pageSize, last, transaction, main, free: NO_TREE };
    }
    return null;
  } finally {
    closeSync(fd);
  }
}

/** By name; where the list itself is damaged, what is missing comes from the newest older one. */
function tablesOf(file: PageFile, path: string, salvage: Salvage): Map<string, Tree> {
  const problems: PageProblem[] = [];
  const tables = listed(file, (problem) => problems.push(problem));
  if (problems.length === 0) return tables;
  salvage.notes.push(`the list of tables is damaged: ${problems[0]?.message}`);
  const older = openList(path, salvage, file.meta.transaction);
  if (!older) return tables;
  const more = listed(older, () => {});
  older.close();
  return new Map([...more, ...tables]);
}

function listed(file: PageFile, found: Found): Map<string, Tree> {
  const tables = new Map<string, Tree>();
  for (const { rows } of file.leaves(file.meta.main, byBytes, found))
    for (const { key, value, isTable } of rows)
      try {
        if (isTable) tables.set(nameOf(key), readTree(value));
      } catch (error) {
        if (!(error instanceof PageProblem)) throw error;
        found(error);
      }
  return tables;
}

function* rowsOf(file: PageFile, table: string, tree: Tree, salvage: Salvage) {
  const isLikely = tree.entries < file.size;
  const loss = { saved: 0, expected: isLikely ? tree.entries : null, badRows: 0, badPages: 0 };
  salvage.tables.set(table, loss);
  const found = () => loss.badPages++;
  for (const { rows } of file.leaves(tree, byBytes, found))
    for (const { key, value, isTable } of rows) {
      if (isTable || !isIntact(key, value)) loss.badRows++;
      else {
        loss.saved++;
        yield { table, key, value };
      }
    }
}
