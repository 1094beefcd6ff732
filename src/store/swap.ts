// A new store file in the place of an old one: made in a directory of its own beside it, complete and
// on the disk before its name changes, so that at any moment one of the two is there as a whole.

import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../lib/errors.ts';

export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;
const LOCK_BYTES = 16_384; // LMDB wants some 8 KiB for 126 readers

export function workPlace(store: string): string {
  return `${store}.new`;
}

/** An empty directory beside the store; whoever owns the store calls it, so what is there is a leftover. */
export function makeWorkPlace(store: string): string {
  const place = workPlace(store);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { mode: DIRECTORY_MODE });
  return place;
}

export function removeWorkPlace(store: string): void {
  rmSync(workPlace(store), { recursive: true, force: true });
}

/**
 * Puts a store file that nobody has open in the place of another one that nobody has open for writing.
 * LMDB's lock file goes with the old one: it holds the number of its last transaction, and whoever still
 * reads the old file shall not share it with those who open the new one.
 */
export function swapIn(made: string, store: string): void {
  chmodSync(made, FILE_MODE);
  keepOwner(made, store);
  syncFile(made);
  rmSync(`${store}-lock`, { force: true });
  renameSync(made, store);
  syncDirectory(dirname(store));
}

/** The administrator may do this work for the user under whom the store is used. */
function keepOwner(made: string, store: string): void {
  const [old, now] = [statSync(store, { throwIfNoEntry: false }), statSync(made)];
  if (old && (old.uid !== now.uid || old.gid !== now.gid)) chownSync(made, old.uid, old.gid);
}

/**
 * Makes the files that LMDB would make: it would leave them legible for all, and a lock file with holes,
 * which kills the process (SIGBUS) when the disk is too full to fill them. Only for who owns the marker:
 * others may open the lock file as soon as it has its name.
 */
export function prepareFiles(store: string): void {
  closeSync(openSync(store, 'a', FILE_MODE));
  const [lock, draft] = [`${store}-lock`, `${store}-lock.new`];
  if (existsSync(lock)) return;
  try {
    writeFileSync(draft, Buffer.alloc(LOCK_BYTES), { mode: FILE_MODE });
    linkSync(draft, lock);
  } catch (error) {
    // Where there are no links, LMDB makes the file in its own way.
    if (!['EEXIST', 'EPERM', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

export function syncFile(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** So that names are on the disk too; systems that cannot do it need not. */
export function syncDirectory(path: string): void {
  try {
    syncFile(path);
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP', 'EACCES'].includes(systemCode(error) ?? ''))
      throw error;
  }
}

/** The path of a new file in the work place, with the name of the store. */
export function draftOf(store: string): string {
  return join(workPlace(store), basename(store));
}
