// Opening a store with care: a living owner is respected, and what was not closed in good order is
// looked over by another process before it is used. Two arbiters, the marker (marker.ts) and the claim
// inside the store: the marker stands before LMDB opens the file, so a death at any moment is seen by the
// next one, and the claim, a writing transaction, decides between those who come at the same time.

import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isFleximError } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';
import { type Checking, checkStore } from './check.ts';
import { busy, damaged, openFailure } from './failures.ts';
import { type Marker, placeMarker, readMarker, removeMarker, replaceMarker } from './marker.ts';
import { checkRoom } from './room.ts';
import { type Owner, Store } from './store.ts';
import { DIRECTORY_MODE, prepareFiles, removeWorkPlace } from './swap.ts';

export interface Opening extends Checking {
  readonly owner: Owner;
  readonly isAlive: (other: Owner) => boolean;
  /** Told where opening and closing are; tests stop or kill the process there. */
  readonly onStep?: ((step: Step) => void) | undefined;
}

export type Step =
  | 'marked'
  | 'opened'
  | 'checked'
  | 'claiming'
  | 'claimed'
  | 'closed'
  | 'copied'
  | 'swapped';

interface Place extends Opening {
  readonly directory: string;
  readonly name: string;
  readonly path: string;
}

const ROUNDS = 10;

/**
 * Opens or makes `directory`/`name`.lmdb and claims it. Throws `store-busy`, `store-damaged`,
 * `store-version`, `store-full` or `store-unusable`.
 */
export async function openStore(directory: string, name: string, opening: Opening): Promise<Store> {
  const path = join(directory, `${name}.lmdb`);
  const place = { ...opening, directory, name, path };
  try {
    makeDirectory(directory, DIRECTORY_MODE);
    checkRoom(path);
    // Another round when somebody came and went meanwhile.
    for (let round = 0; round < ROUNDS; round++) {
      const marker = readMarker(path);
      if (marker?.owner && opening.isAlive(marker.owner)) throw busy(path, marker.owner.pid);
      const store = marker ? await takeOver(place, marker) : await begin(place);
      if (store) return store;
    }
  } catch (error) {
    throw openFailure(path, error, opening.remedy);
  }
  throw busy(path, readMarker(path)?.owner?.pid ?? 0);
}

/** Nobody has it and it was closed in good order, as far as can be seen from outside. */
async function begin(place: Place): Promise<Store | null> {
  const { path, owner } = place;
  const isNew = sizeOf(path) === 0;
  if (!placeMarker(path, owner, isNew)) return null;
  place.onStep?.('marked');
  try {
    prepareFiles(path);
    // A dead owner inside: closed by nobody, though there was no marker. Then it is checked, too.
    const store =
      (await claim(place, (dead) => dead === null)) ??
      (await claim(place, sameAs(await check(place))));
    if (!store) removeMarker(path, owner);
    return store;
  } catch (error) {
    giveUp(path, owner, error, isNew);
    throw error;
  }
}

/** Whoever had it died, or closed it after an error. */
async function takeOver(place: Place, marker: Marker): Promise<Store | null> {
  const { path, owner } = place;
  let found: Owner | null;
  try {
    if (!marker.isNew && sizeOf(path) === 0 && existsSync(path))
      throw damaged(path, 'it is empty', place.remedy ?? '');
    found = await check(place);
  } catch (error) {
    // Somebody else may have it by now: then what was read means nothing.
    if (readMarker(path)?.text !== marker.text) return null;
    throw error;
  }
  const isSame = sameAs(found);
  let taken = false;
  try {
    return await claim(place, (dead) => {
      const now = readMarker(path);
      if (!isSame(dead) || (now && now.text !== marker.text)) return false;
      if (now) replaceMarker(path, owner);
      else if (!placeMarker(path, owner)) return false;
      taken = true;
      return true;
    });
  } catch (error) {
    if (taken) giveUp(path, owner, error, false);
    throw error;
  }
}

async function check(place: Place): Promise<Owner | null> {
  const { owner } = await checkStore(place.path, place);
  place.onStep?.('checked');
  return owner;
}

/** Opens the store and claims it; null when `admit` did not want it. */
async function claim(place: Place, admit: (dead: Owner | null) => boolean): Promise<Store | null> {
  const { path, owner, isAlive, onStep } = place;
  const store = new Store(place.directory, place.name, { remedy: place.remedy ?? '' });
  onStep?.('opened');
  try {
    const isOurs = store.claim(owner, isAlive, (dead) => {
      onStep?.('claiming');
      return admit(dead);
    });
    if (!isOurs) {
      await store.close();
      return null;
    }
  } catch (error) {
    await store.close();
    throw error;
  }
  store.onClosed((isSound) => {
    onStep?.('closed');
    try {
      if (isSound) removeMarker(path, owner);
      else replaceMarker(path, null);
    } catch {
      // It stays, and the next owner checks the store.
    }
  });
  removeWorkPlace(path); // what a dead owner was at
  if (readMarker(path)?.isNew) replaceMarker(path, owner);
  onStep?.('claimed');
  return store;
}

/** After a failure the marker goes, unless the store may have been harmed. */
function giveUp(path: string, owner: Owner, error: unknown, isNew: boolean): void {
  try {
    const isHarmless = !isFleximError(error, 'store-damaged');
    // What was begun on a full disk may be half a file.
    if (isNew && isFleximError(error, 'store-unusable'))
      for (const file of [path, `${path}-lock`]) rmSync(file, { force: true });
    if (isHarmless) removeMarker(path, owner);
    else if (readMarker(path)?.text) replaceMarker(path, null);
  } catch {
    // A disk that refuses this too leaves the marker, and the next owner checks the store.
  }
}

function sameAs(found: Owner | null): (dead: Owner | null) => boolean {
  return (dead) => dead?.pid === found?.pid && dead?.started === found?.started;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
