// Known relays: a line `HOST:PORT HEXKEY` for each, where the first line for a place wins. That makes
// adding a relay safe between processes by one append. Nothing is trusted from a damaged file: a line
// that is passed over could be the one that tells a relay from an impostor.

import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostAndPort, parseAddress, parseKey } from '../lib/address.ts';
import { utf8, view } from '../lib/bytes.ts';
import { FleximError, systemCode } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';
import {
  O_NOFOLLOW,
  openTrusted,
  readAll,
  syncDirectory,
  unreadable,
  unwritable,
} from './files.ts';

const TRUST = { max: 1 << 20, forbidden: 0o022, unfit: 'config-invalid' } as const;
const TRIES = 200; // each costs an append at most, and a rewriter that never stops may undo many
const PATIENCE_MS = 1_500;
const POLL_MS = 1;
const TORN_MS = 200;

export interface Pin {
  readonly place: string; // HOST:PORT
  readonly hex: string;
}

export class Pins {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** One pin for each place. Throws `config-invalid` for a damaged file, `key-exposed` for an open one. */
  list(): Pin[] {
    return winners(this.#read());
  }

  get(place: string): string | null {
    return this.list().find((pin) => pin.place === place)?.hex ?? null;
  }

  /** Pins a key unless the place has one, and returns the key that holds: it may be another's. */
  async add(place: string, hex: string): Promise<string> {
    const line = format(place, hex);
    let before: string | null = null;
    for (let tries = 0; tries < TRIES; tries++) {
      const text = this.#read();
      const known = winners(text).find((pin) => pin.place === place)?.hex ?? null;
      // A rewriter that read the file before our line was in it may replace it after. So an answer
      // holds when nobody was rewriting at some moment after it was seen first, and it is still there.
      if (known !== null && known === before) return known;
      if (known === null) this.#append(text === '' || text.endsWith('\n') ? line : `\n${line}`);
      before = known;
      await this.#unlocked();
    }
    throw this.#busy();
  }

  /** Pins a key in the place of the one that was, if any. */
  replace(place: string, hex: string): void {
    format(place, hex);
    this.#rewrite((pins) => [...pins.filter((pin) => pin.place !== place), { place, hex }]);
  }

  /** Forgets a place; false when it was not known. */
  remove(place: string): boolean {
    if (this.get(place) === null) return false;
    this.#rewrite((pins) => pins.filter((pin) => pin.place !== place));
    return true;
  }

  #read(): string {
    const end = performance.now() + TORN_MS;
    for (;;) {
      const text = this.#text();
      const lines = text.split('\n');
      const damaged = lines.findIndex((line) => line !== '' && parseLine(line) === null);
      if (damaged < 0) return text;
      // A last line without its end may be one that is being appended: where it crosses a page, the
      // kernel shows the first part before the second. A line that stays torn is damage.
      if (damaged < lines.length - 1 || performance.now() > end) throw this.#damaged(damaged + 1);
      pause(POLL_MS);
    }
  }

  #text(): string {
    const fd = openTrusted(this.path, TRUST);
    if (fd === null) return '';
    try {
      return view(readAll(fd, TRUST.max)).toString('utf8');
    } catch (error) {
      throw unreadable(this.path, error);
    } finally {
      closeSync(fd);
    }
  }

  #damaged(line: number): FleximError {
    return new FleximError(
      'config-invalid',
      `${this.path}, line ${line}: not of the form HOST:PORT HEXKEY, so none of its relays is ` +
        'trusted. Correct the line, or remove it if you know which relay it was for',
    );
  }

  #append(line: string): void {
    try {
      makeDirectory(dirname(this.path), 0o700);
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | O_NOFOLLOW;
      const isNew = !existsSync(this.path);
      const fd = openSync(this.path, flags, 0o600);
      try {
        const bytes = utf8(line);
        // One write: lines of two processes stand one after the other, never in each other.
        if (writeSync(fd, bytes) !== bytes.length) throw new Error('the disk is full');
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      if (isNew) syncDirectory(dirname(this.path));
    } catch (error) {
      throw error instanceof FleximError ? error : unwritable(this.path, error);
    }
  }

  /** The new file is the lock as well, as in git: two who rewrite cannot undo each other's change. */
  #rewrite(change: (pins: readonly Pin[]) => readonly Pin[]): void {
    makeDirectory(dirname(this.path), 0o700);
    const lock = this.#lock();
    let renamed = false; // from then on the lock's name may be another process's
    try {
      const lines = change(this.list()).map(({ place, hex }) => format(place, hex));
      writeFileSync(lock, lines.join(''));
      fsyncSync(lock);
      renameSync(this.#lockPath, this.path);
      renamed = true;
      syncDirectory(dirname(this.path));
    } catch (error) {
      throw error instanceof FleximError ? error : unwritable(this.path, error);
    } finally {
      closeSync(lock);
      if (!renamed) rmSync(this.#lockPath, { force: true });
    }
  }

  get #lockPath(): string {
    return `${this.path}.lock`;
  }

  #lock(): number {
    try {
      return openSync(this.#lockPath, 'wx', 0o600);
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw this.#busy();
      throw unwritable(this.#lockPath, error);
    }
  }

  /** A rewrite takes milliseconds; who holds the lock for longer has been killed, or stopped. */
  async #unlocked(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (existsSync(this.#lockPath)) {
      if (performance.now() > end) throw this.#busy();
      await sleep(POLL_MS);
    }
  }

  #busy(): FleximError {
    return new FleximError(
      'store-busy',
      `another flexim is changing ${this.path}. Try again; ` +
        `if none runs, one was killed: remove ${this.#lockPath}`,
    );
  }
}

/** Waits without letting go of the thread: reading pins is synchronous, and this is rare and short. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** The first line for each place. */
function winners(text: string): Pin[] {
  const pins = new Map<string, string>();
  for (const line of text.split('\n')) {
    const pin = parseLine(line);
    if (pin && !pins.has(pin.place)) pins.set(pin.place, pin.hex);
  }
  return [...pins].map(([place, hex]) => ({ place, hex }));
}

/** A pin, or null when the line is damaged. Exported for the fuzzer. */
export function parseLine(line: string): Pin | null {
  const [place = '', text = '', ...more] = line.split(' ');
  const hex = parseKey(text);
  return hex && more.length === 0 && isPlace(place) ? { place, hex } : null;
}

/** A line; what could not be read again is refused here. */
function format(place: string, hex: string): string {
  if (!isPlace(place)) throw new FleximError('bad-address', 'a relay is pinned as HOST:PORT');
  if (parseKey(hex) !== hex) throw new TypeError('a relay key is 64 lower-case hex digits');
  return `${place} ${hex}\n`;
}

/** Only the one spelling that hostAndPort gives: any other would be a second pin for one relay. */
function isPlace(place: string): boolean {
  try {
    return hostAndPort(parseAddress(place)) === place;
  } catch {
    return false;
  }
}
