// The file NAME.lmdb.open stands beside a store from before it is opened for writing until it was
// closed in good order. One that names a dead process says: this store was not closed; look before use.
// It may be seen empty or cut short by others: then it names nobody, and the claim inside the store decides.

import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '../lib/errors.ts';
import type { Owner } from './store.ts';
import { syncDirectory } from './swap.ts';

const MODE = 0o600;

export interface Marker {
  /** It was put there before the store was made, so there may be none. */
  readonly isNew: boolean;
  /** Whoever has the store open; null when it was closed after an error, or the file is not legible. */
  readonly owner: Owner | null;
  readonly text: string;
}

export function markerPath(store: string): string {
  return `${store}.open`;
}

export function readMarker(store: string): Marker | null {
  try {
    const text = readFileSync(markerPath(store), 'utf8');
    return { text, ...read(text) };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Puts a marker where there is none; false when there is one. `isNew`: the store is still to be made. */
export function placeMarker(store: string, owner: Owner, isNew = false): boolean {
  let fd: number;
  try {
    fd = openSync(markerPath(store), 'wx', MODE);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    fill(fd, owner, isNew);
    syncDirectory(dirname(store));
  } catch (error) {
    unlinkSync(markerPath(store));
    throw error;
  } finally {
    closeSync(fd);
  }
  return true;
}

/** Puts a marker in the place of one that is there; that of nobody says that the store is unclean. */
export function replaceMarker(store: string, owner: Owner | null): void {
  const fd = openSync(markerPath(store), 'w', MODE);
  try {
    fill(fd, owner);
  } finally {
    closeSync(fd);
  }
}

/** Removes the marker if it is this owner's. */
export function removeMarker(store: string, owner: Owner): void {
  const text = readMarker(store)?.text;
  if (text === textOf(owner) || text === textOf(owner, true)) unlinkSync(markerPath(store));
}

/**
 * Takes the place of a dead owner where the store cannot be opened to decide between two: the marker is
 * moved aside, which only one can do, and read again, since it may have changed hands meanwhile.
 */
export function takeMarker(store: string, dead: Marker, owner: Owner): boolean {
  const aside = `${markerPath(store)}.${owner.pid}`;
  try {
    renameSync(markerPath(store), aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  const isHis = readFileSync(aside, 'utf8') === dead.text;
  if (!isHis) linkSync(aside, markerPath(store));
  const taken = isHis && placeMarker(store, owner);
  unlinkSync(aside);
  return taken;
}

function fill(fd: number, owner: Owner | null, isNew = false): void {
  writeSync(fd, textOf(owner, isNew));
  fsyncSync(fd);
}

function textOf(owner: Owner | null, isNew = false): string {
  if (!owner) return '{}\n';
  const { pid, started } = owner;
  return `${JSON.stringify(isNew ? { pid, started, new: true } : { pid, started })}\n`;
}

function read(text: string): { readonly owner: Owner | null; readonly isNew: boolean } {
  try {
    const { pid, started, new: isNew } = JSON.parse(text);
    const owner = Number.isSafeInteger(pid) && pid > 0 ? { pid, started: String(started) } : null;
    return { owner, isNew: isNew === true };
  } catch {
    return { owner: null, isNew: true }; // cut short while it was made: nothing was begun
  }
}
