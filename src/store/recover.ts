// A new store from what can be read of a damaged one, which is kept under another name.

import { constants, copyFileSync, existsSync, linkSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FleximError, isFleximError, systemCode } from '../lib/errors.ts';
import { checkStore } from './check.ts';
import { unseal } from './checksum.ts';
import { absent, busy, damaged, openFailure, writeFailure } from './failures.ts';
import { FORMAT_KEY, META, OWNER_KEY, versionProblem } from './format.ts';
import { placeMarker, readMarker, removeMarker, takeMarker } from './marker.ts';
import type { Opening } from './open.ts';
import { KNOWS_PAGES } from './pages.ts';
import { type Salvage, type SalvagedRow, salvageRows } from './salvage.ts';
import { draftOf, makeWorkPlace, removeWorkPlace, swapIn, syncDirectory } from './swap.ts';
import { RowWriter } from './writer.ts';

export interface Recovered extends Salvage {
  readonly path: string;
  /** What was wrong, in words; null when the store is sound, and nothing was changed. */
  readonly damage: string | null;
  /** Where the damaged file is now. */
  readonly kept: string | null;
}

export interface Recovering extends Opening {
  /** For the name of the file that is kept. */
  readonly now: Date;
  readonly onRows?: ((rows: number) => void) | undefined;
}

/** Throws `store-busy`, `store-unusable` or `store-full`; the damaged file stays where it was then. */
export async function recoverStore(
  directory: string,
  name: string,
  recovering: Recovering,
): Promise<Recovered> {
  const path = join(directory, `${name}.lmdb`);
  if (!existsSync(path)) throw absent(path);
  if (!KNOWS_PAGES)
    throw new FleximError('store-unusable', 'recovery does not work on this kind of processor');
  try {
    own(path, recovering);
    try {
      const damage = await damageOf(path, recovering);
      if (damage === null) return { path, damage, kept: null, tables: new Map(), notes: [] };
      return await rebuild(path, damage, recovering);
    } finally {
      removeWorkPlace(path);
      removeMarker(path, recovering.owner);
    }
  } catch (error) {
    throw openFailure(path, error);
  }
}

/** The claim inside the store cannot be had, so the marker alone decides. */
function own(path: string, { owner, isAlive }: Recovering): void {
  const marker = readMarker(path);
  if (marker?.owner && isAlive(marker.owner)) throw busy(path, marker.owner.pid);
  if (!(marker ? takeMarker(path, marker, owner) : placeMarker(path, owner)))
    throw busy(path, readMarker(path)?.owner?.pid ?? 0);
}

async function damageOf(path: string, recovering: Recovering): Promise<string | null> {
  if (statSync(path).size === 0) return damaged(path, 'it is empty', '').message;
  try {
    await checkStore(path, { watch: recovering.watch });
    return null;
  } catch (error) {
    if (isFleximError(error, 'store-damaged')) return error.message;
    throw error;
  }
}

async function rebuild(path: string, damage: string, recovering: Recovering): Promise<Recovered> {
  const salvage: Salvage = { tables: new Map(), notes: [] };
  makeWorkPlace(path);
  const draft = draftOf(path);
  await fill(path, draft, salvage, recovering);
  recovering.onStep?.('copied');
  const kept = keep(path, recovering.now);
  swapIn(draft, path);
  recovering.onStep?.('swapped');
  return { ...salvage, path, damage, kept };
}

async function fill(
  path: string,
  draft: string,
  salvage: Salvage,
  { onRows }: Recovering,
): Promise<void> {
  const writer = new RowWriter(draft);
  let rows = 0;
  try {
    for (const row of salvageRows(path, salvage)) {
      if (row.table === META && isRefused(path, row)) continue;
      rows++;
      if (await writer.put(row.table, row.key, row.value)) onRows?.(rows);
    }
    await writer.flush();
  } catch (error) {
    throw isFleximError(error) ? error : writeFailure(draft, error);
  } finally {
    await writer.close();
  }
}

/** The dead owner stays behind; a store of another format is not for us. */
function isRefused(path: string, { key, value }: SalvagedRow): boolean {
  const name = key.toString();
  if (name === FORMAT_KEY) {
    const problem = versionProblem(path, JSON.parse(unseal(value).toString()));
    if (problem) throw problem;
  }
  return name === OWNER_KEY;
}

/** Gives the damaged file a second name, before the new one takes its first. */
function keep(path: string, now: Date): string {
  const [day, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
  for (let n = 0; ; n++) {
    const kept = `${path}.damaged-${day}-${time}${n === 0 ? '' : `-${n}`}`;
    try {
      second(path, kept);
      syncDirectory(dirname(path));
      return kept;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
  }
}

function second(path: string, name: string): void {
  try {
    linkSync(path, name);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(systemCode(error) ?? '')) throw error;
    copyFileSync(path, name, constants.COPYFILE_EXCL);
  }
}
