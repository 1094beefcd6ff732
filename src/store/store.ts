// The embedded store: tables of values under text keys, changed in durable transactions. LMDB lies
// behind it and nobody else knows. A transaction is on the disk when its promise is kept.

import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { FleximError, systemCode } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';

export interface Range {
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** Only keys behind this one. */
  readonly after?: string;
}

export interface Table<V> {
  get(key: string): V | undefined;
  /** In key order. The table must not change while it is read. */
  entries(range?: Range): Iterable<readonly [string, V]>;
  /** Inside a transaction only. */
  put(key: string, value: V): void;
  /** Inside a transaction only. */
  remove(key: string): void;
}

export interface Owner {
  readonly pid: number;
  /** Tells two processes with one pid apart; '' where the system does not say. */
  readonly started: string;
}

const MAX_TABLES = 16;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const OWNER = 'owner';

export class Store {
  readonly path: string;
  readonly #db: RootDatabase;
  #inTransaction = false;
  #underWay = 0; // transactions that are not on the disk yet
  #owner: Owner | null = null;

  /** Opens or makes `directory`/`name`.lmdb. Throws `store-unusable`. */
  constructor(directory: string, name: string) {
    this.path = join(directory, `${name}.lmdb`);
    try {
      makeDirectory(directory, DIRECTORY_MODE);
      this.#db = open({
        path: this.path,
        noSubdir: true,
        maxDbs: MAX_TABLES,
        // A commit answers when it is on the disk, not when it is merely visible.
        overlappingSync: false,
      });
      // LMDB makes its files readable for all.
      for (const file of [this.path, `${this.path}-lock`])
        if (existsSync(file)) chmodSync(file, FILE_MODE);
    } catch (error) {
      throw unusable(this.path, error);
    }
  }

  table<V>(name: string): Table<V> {
    const db: Database<V, string> = this.#db.openDB<V, string>({ name, encoding: 'msgpack' });
    const check = () => {
      if (!this.#inTransaction) throw new Error('a table changes in a transaction only');
    };
    return {
      get: (key) => db.get(key),
      entries: ({ prefix = '', after } = {}) => entries(db, prefix, after),
      put: (key, value) => {
        check();
        db.put(key, value);
      },
      remove: (key) => {
        check();
        db.remove(key);
      },
    };
  }

  /**
   * Runs `work` alone, then makes what it changed durable, together with whatever else arrives in
   * the same turn. What it wrote before a throw stays written: check first, then write.
   */
  transaction<T>(work: () => T): Promise<T> {
    this.#underWay++;
    const done = this.#db.transaction(() => this.#inside(work)) as Promise<T>;
    return done.finally(() => {
      this.#underWay--;
    });
  }

  /** A transaction is being written: a process that exits now would wait for it for ever. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** Claims the store for one process. Throws `store-busy` with the pid of a living owner. */
  claim(owner: Owner, isAlive: (other: Owner) => boolean): void {
    const table = this.table<Owner>('meta');
    // Writing transactions exclude each other across processes, so of two claims one sees the other.
    const other = this.#db.transactionSync(() => {
      const present = table.get(OWNER);
      if (present && isAlive(present)) return present;
      this.#inside(() => table.put(OWNER, owner));
      return null;
    });
    if (other)
      throw new FleximError(
        'store-busy',
        `${this.path} is in use by process ${other.pid}; stop that one first, or give this one another --data`,
      );
    this.#owner = owner;
  }

  async close(): Promise<void> {
    if (this.#owner) await this.transaction(() => this.table('meta').remove(OWNER));
    this.#owner = null;
    await this.#db.close();
  }

  #inside<T>(work: () => T): T {
    this.#inTransaction = true;
    try {
      return work();
    } finally {
      this.#inTransaction = false;
    }
  }
}

function* entries<V>(db: Database<V, string>, prefix: string, after: string | undefined) {
  const start = after !== undefined && after > prefix ? after : prefix;
  for (const { key, value } of db.getRange({ start })) {
    if (!key.startsWith(prefix)) return;
    if (key !== after) yield [key, value] as const;
  }
}

function unusable(path: string, error: unknown): FleximError {
  const code = systemCode(error);
  const why =
    code === 'EACCES' || code === 'EPERM'
      ? 'this user may not write there'
      : code === 'ENOTDIR' || code === 'EEXIST'
        ? 'a part of that path is no directory'
        : code === 'ENOSPC'
          ? 'the disk is full'
          : code === 'ENOENT'
            ? 'that directory cannot be made'
            : error instanceof Error
              ? error.message
              : String(error);
  return new FleximError(
    'store-unusable',
    `cannot open the store ${path}: ${why}. Choose another directory with --data, or mend this one.`,
    error,
  );
}
