// The keys of one directory: NAME.fxk each. A key is never overwritten, and never read from a file
// that others can read or may have put there. relay.fxk is the relay's own and no identity.

import type { linkSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { identityFromSeed, wipeIdentity } from '../crypto/identity.ts';
import { AEAD_NONCE_BYTES, randomBytes, SEED_BYTES, wipe } from '../crypto/sodium.ts';
import { aliasProblem, foldAlias } from '../lib/alias.ts';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { printable } from '../lib/text.ts';
import { type Clock, systemClock } from '../lib/time.ts';
import { createFile, readTrusted, unreadable } from './files.ts';
import {
  decode,
  encode,
  isLocked,
  type KeyContent,
  openPart,
  SALT_BYTES,
  STORE_KEY_BYTES,
} from './keyfile.ts';

const SUFFIX = '.fxk';
const RELAY = 'relay';
const TRUST = { max: 4096, forbidden: 0o077, unfit: 'key-damaged' } as const;

/** Asked once for each locked key that is loaded; null when nobody can answer. */
export type AskPassphrase = (name: string) => Promise<string | null>;

export interface LoadedKey {
  readonly name: string;
  readonly path: string;
  readonly locked: boolean;
  readonly content: KeyContent;
}

export interface KeyEntry {
  readonly name: string;
  readonly path: string;
  readonly locked: boolean;
  readonly created?: number; // these two: of unlocked keys only
  readonly hex?: string;
  readonly problem?: FleximError;
}

export interface Choice {
  readonly as?: string | null | undefined; // --as
  readonly env?: string | null | undefined; // FLEXIM_AS
  readonly config?: string | null | undefined;
}

/** A new secret for a new key. */
export function newContent(label: string, clock: Clock = systemClock): KeyContent {
  const [seed, storeKey] = [randomBytes(SEED_BYTES), randomBytes(STORE_KEY_BYTES)];
  return { seed, storeKey, created: clock.wall(), label };
}

export class Keys {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Writes a new key and returns its path. Throws `key-exists` when the name, or one that looks the
   * same, is taken. (Of two look-alikes made in the same instant both may stay: a courtesy, not a lock.)
   */
  async create(
    name: string,
    content: KeyContent,
    passphrase: string | null,
    options: { log2N?: number; link?: typeof linkSync } = {},
  ): Promise<string> {
    checkName(name);
    const folded = foldAlias(name);
    const taken = this.names().find((other) => !nameProblem(other) && foldAlias(other) === folded);
    if (taken !== undefined)
      throw new FleximError(
        'key-exists',
        `${this.#path(taken)} is there already and was not touched. Choose another name`,
      );
    return this.#write(name, content, passphrase, options);
  }

  /**
   * Reads a key. Throws `key-missing`, `key-exposed`, `key-damaged`, `key-version`,
   * `passphrase-needed` or `passphrase-wrong`, each with the path.
   */
  async load(name: string, askPassphrase: AskPassphrase): Promise<LoadedKey> {
    checkName(name);
    return (await this.#load(name, askPassphrase)) ?? this.#missing(name);
  }

  /** The open part of a locked key's file; null when it is not locked. Asks nobody. */
  async lock(name: string): Promise<Uint8Array | null> {
    checkName(name);
    const path = this.#path(name);
    const bytes = readTrusted(path, TRUST) ?? this.#missing(name);
    return inFile(path, async () => {
      const part = isLocked(bytes) ? openPart(bytes) : null;
      wipe(bytes);
      return part;
    });
  }

  /** The identities' names, by the file names alone. */
  names(): string[] {
    let files: string[];
    try {
      files = readdirSync(this.directory);
    } catch (error) {
      throw unreadable(this.directory, error);
    }
    return files
      .filter((file) => file.endsWith(SUFFIX) && !file.startsWith('.'))
      .map((file) => file.slice(0, -SUFFIX.length))
      .filter((name) => name !== RELAY)
      .sort();
  }

  /** What there is to choose from. A bad file is an entry with a problem, nobody else's. */
  async list(): Promise<KeyEntry[]> {
    return Promise.all(this.names().map((name) => this.#describe(name)));
  }

  /** The name to use: the one that was given, else the only one there is. */
  choose({ as, env, config }: Choice): string {
    const name = as || env || config;
    const names = this.names();
    if (name) {
      checkName(name);
      return names.includes(name) ? name : this.#missing(name);
    }
    const [only] = names;
    if (only === undefined)
      throw new FleximError(
        'key-missing',
        `there is no key in ${this.directory}. Make one with: flexim keygen NAME`,
      );
    if (names.length === 1) return only;
    throw new FleximError(
      'key-ambiguous',
      `${this.directory} has several keys: ${spell(names)}. Say which one with --as NAME`,
    );
  }

  /** The relay's own key, made at its first start; `made` tells so. It is not locked. */
  async relayKey(clock: Clock = systemClock): Promise<LoadedKey & { readonly made: boolean }> {
    const there = await this.#load(RELAY, noPassphrase);
    if (there) return { ...there, made: false };
    const content = newContent(RELAY, clock);
    try {
      const path = await this.#write(RELAY, content, null, {});
      return { name: RELAY, path, locked: false, content, made: true };
    } catch (error) {
      if (!isFleximError(error, 'key-exists')) throw error;
      // Another relay made it in this moment: there is one key, and both have it.
      const key = (await this.#load(RELAY, noPassphrase)) ?? this.#missing(RELAY);
      return { ...key, made: false };
    }
  }

  async #write(
    name: string,
    content: KeyContent,
    passphrase: string | null,
    { log2N, link }: { log2N?: number; link?: typeof linkSync },
  ): Promise<string> {
    const path = this.#path(name);
    const salt = randomBytes(SALT_BYTES);
    const nonce = randomBytes(AEAD_NONCE_BYTES);
    const bytes = await encode(content, passphrase, { salt, nonce, ...(log2N && { log2N }) });
    try {
      createFile(path, bytes, link);
    } finally {
      wipe(bytes);
    }
    return path;
  }

  async #load(name: string, askPassphrase: AskPassphrase): Promise<LoadedKey | null> {
    const path = this.#path(name);
    const bytes = readTrusted(path, TRUST);
    if (!bytes) return null;
    return inFile(path, async () => {
      const locked = isLocked(bytes);
      const content = await decode(bytes, locked ? await askPassphrase(name) : null);
      wipe(bytes);
      return { name, path, locked, content };
    });
  }

  async #describe(name: string): Promise<KeyEntry> {
    const path = this.#path(name);
    try {
      checkName(name);
      const bytes = readTrusted(path, TRUST) ?? this.#missing(name); // removed a moment ago
      return await inFile(path, async () => {
        if (isLocked(bytes)) return { name, path, locked: true };
        const { seed, storeKey, created } = await decode(bytes, null);
        const identity = identityFromSeed(seed);
        wipeIdentity(identity);
        wipe(bytes, storeKey);
        return { name, path, locked: false, created, hex: identity.hex };
      });
    } catch (error) {
      if (!isFleximError(error)) throw error;
      return { name, path, locked: false, problem: error };
    }
  }

  #path(name: string): string {
    return join(this.directory, name + SUFFIX);
  }

  #missing(name: string): never {
    const names = this.names();
    throw new FleximError(
      'key-missing',
      `there is no key ${name}: ${this.#path(name)} does not exist. ` +
        (names.length > 0 ? `There are: ${spell(names)}. ` : '') +
        `Make it with: flexim keygen ${name}`,
    );
  }
}

const noPassphrase: AskPassphrase = () => Promise.resolve(null);

/** What is wrong with a key's name, in words, or null. Names are file names: no path gets through. */
function nameProblem(name: string): string | null {
  const problem = aliasProblem(name);
  if (problem) return problem;
  if (/^[.-]/.test(name)) return 'it must not begin with . or -';
  if (foldAlias(name).endsWith(SUFFIX)) return `leave ${SUFFIX} out: the file gets it by itself`;
  return foldAlias(name) === RELAY ? "that name is kept for the relay's own key" : null;
}

function checkName(name: string): void {
  const problem = nameProblem(name);
  if (problem)
    throw new FleximError(
      'alias-invalid',
      `${printable(name, 40)} is no name for a key: ${problem}`,
    );
}

/** Failures that know only bytes get the name of the file. */
async function inFile<T>(path: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (!isFleximError(error)) throw error;
    throw new FleximError(error.code, `${path}: ${error.message}`, error);
  }
}

function spell(names: readonly string[]): string {
  return names.map((name) => printable(name, 40)).join(', ');
}
