// Reading a store that another process owns. Opening LMDB with the owner's lock file is no reading: it
// sets the number of the last transaction there (mdb.c, mdb_env_open2) to what it read a moment before,
// and a commit in between is lost. So a guest opens the file under a second name, beside which lies a
// lock file of its own, in a directory that announces it; and the owner, who looks for guests, holds a
// snapshot for as long as there is one, so that no page that a guest may read is written over.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FleximError, systemCode } from '../lib/errors.ts';
import { parseOwner, readMarker } from './marker.ts';
import type { Owner } from './owner.ts';

const LOOK_MS = 200;
const WAIT_MS = 10_000; // an owner that does not look for so long is stopped, or hangs
const POLL_MS = 10;
const NAME = 'owner'; // of the guest
const HELD = 'held';

export interface Guest {
  readonly place: string;
  /** Where to open the store. */
  readonly path: string;
  leave(): void;
}

/** Throws `store-busy` when there is an owner who does not answer. */
export async function enter(
  store: string,
  self: Owner,
  isAlive: (other: Owner) => boolean,
  clock: () => number = () => performance.now(),
): Promise<Guest> {
  const guest = announce(store, self);
  try {
    const late = clock() + WAIT_MS;
    for (;;) {
      const host = readMarker(store)?.owner;
      if (!host || !isAlive(host) || existsSync(join(guest.place, HELD))) break;
      if (clock() > late) throw noAnswer(store, host.pid);
      await sleep(POLL_MS);
    }
    return guest;
  } catch (error) {
    guest.leave();
    throw error;
  }
}

/**
 * A second name for a store, in a directory that the next owner tidies away if need be. For who reads at
 * once, because nobody has it open or because what he reads need not be right.
 */
export function announce(store: string, self: Owner): Guest {
  const place = makePlace(`${store}.guest-`);
  symlinkSync(resolve(store), join(place, basename(store)));
  writeFileSync(join(place, NAME), JSON.stringify(self));
  return {
    place,
    path: join(place, basename(store)),
    leave: () => rmSync(place, { recursive: true, force: true }),
  };
}

/** Each time another one: the owner would take it for the guest before. */
function makePlace(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    // Where nobody can write there is no owner either.
    if (!['EROFS', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) throw error;
    return mkdtempSync(join(tmpdir(), 'flexim-store-'));
  }
}

function noAnswer(store: string, pid: number): FleximError {
  return new FleximError(
    'store-busy',
    `${store} is in use by process ${pid}, which does not answer; try again, or stop it first`,
  );
}

/** The owner's side. `hold` keeps a snapshot until what it gives is called. */
export class Guests {
  readonly #store: string;
  readonly #isAlive: (other: Owner) => boolean;
  readonly #hold: () => () => void;
  readonly #held = new Map<string, () => void>(); // by place
  readonly #timer: NodeJS.Timeout;

  constructor(store: string, isAlive: (other: Owner) => boolean, hold: () => () => void) {
    this.#store = store;
    this.#isAlive = isAlive;
    this.#hold = hold;
    this.look();
    this.#timer = setInterval(() => this.#try(), LOOK_MS).unref();
  }

  /** Holds a snapshot for each guest, from before it is told until it has left. */
  look(): void {
    const places = this.#places();
    for (const [place, release] of this.#held)
      if (!places.includes(place)) {
        release();
        this.#held.delete(place);
      }
    for (const place of places) {
      if (this.#held.has(place)) continue;
      this.#held.set(place, this.#hold());
      tell(place);
    }
  }

  #try(): void {
    try {
      this.look();
    } catch {
      // A disk that fails here fails elsewhere, too; a guest who gets no answer says so himself.
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const release of this.#held.values()) release();
    this.#held.clear();
  }

  /** Of those who are alive; the others are tidied away. */
  #places(): string[] {
    const directory = dirname(this.#store);
    const names = readdirSync(directory).filter((name) =>
      name.startsWith(`${basename(this.#store)}.guest-`),
    );
    return names
      .map((name) => join(directory, name))
      .filter((place) => {
        const guest = guestAt(place);
        if (!guest || this.#isAlive(guest)) return guest !== null;
        rmSync(place, { recursive: true, force: true });
        return false;
      });
  }
}

/** Null when it is just coming or going. */
function guestAt(place: string): Owner | null {
  try {
    return parseOwner(readFileSync(join(place, NAME), 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return null;
    throw error;
  }
}

function tell(place: string): void {
  try {
    writeFileSync(join(place, HELD), '');
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error; // it left
  }
}
