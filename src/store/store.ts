// The embedded store: tables of values under text keys, and of bytes under bytes, changed in durable
// transactions. LMDB lies behind it and nobody else knows. A change is on the disk when its promise is
// kept. Every value carries a checksum over itself and its key.

import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { FleximError, systemCode } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';
import { openValue, sealValue } from './checksum.ts';

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

export interface ByteRange {
  /** The first key that counts. */
  readonly from: Uint8Array;
  /** The first key behind the range. */
  readonly to: Uint8Array;
  /** From the last key to the first. */
  readonly backwards?: boolean;
}

/** Keys and values are bytes. What is written in a batch can be read once the batch is kept. */
export interface ByteTable {
  get(key: Uint8Array): Buffer | undefined;
  /** In key order; what changes while it is read is not seen. */
  entries(range?: ByteRange): Iterable<readonly [Buffer, Buffer]>;
  /** Inside a batch only. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Inside a batch only. */
  remove(key: Uint8Array): void;
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
  #inBatch = false;
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
    const db = this.#db.openDB<Buffer, string>({ name, encoding: 'binary' });
    const check = () => {
      if (!this.#inTransaction) throw new Error('a table changes in a transaction only');
    };
    const read = (key: string, value: Buffer): V =>
      JSON.parse(openValue(key, value, this.path).toString());
    return {
      get: (key) => {
        const value = db.get(key);
        return value && read(key, value);
      },
      entries: ({ prefix = '', after } = {}) => entries(db, prefix, after, read),
      put: (key, value) => {
        check();
        db.put(key, sealValue(key, Buffer.from(JSON.stringify(value))));
      },
      remove: (key) => {
        check();
        db.remove(key);
      },
    };
  }

  bytes(name: string): ByteTable {
    const db = this.#db.openDB<Buffer, Uint8Array>({
      name,
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    const check = () => {
      if (!this.#inBatch) throw new Error('a table of bytes changes in a batch only');
    };
    return {
      get: (key) => {
        const value = db.get(key);
        return value && openValue(key, value, this.path);
      },
      entries: (range) => byteEntries(db, range, this.path),
      put: (key, value) => {
        check();
        db.put(key, sealValue(key, value));
      },
      remove: (key) => {
        check();
        db.remove(key);
      },
    };
  }

  /**
   * Makes the changes that `work` asks for in tables of bytes durable, all or none. It does not wait
   * for the disk, and many batches share one write: for what is done thousands of times a second.
   */
  batch(work: () => void): Promise<void> {
    this.#underWay++;
    this.#inBatch = true;
    try {
      const done = this.#db.batch(work) as unknown as Promise<boolean>;
      return done.then(
        () => this.#ended(),
        (error) => {
          this.#ended();
          throw writeFailure(this.path, error);
        },
      );
    } catch (error) {
      this.#ended();
      throw error;
    } finally {
      this.#inBatch = false;
    }
  }

  /**
   * Runs `work` alone, then makes what it changed durable, together with whatever else arrives in
   * the same turn. What it wrote before a throw stays written: check first, then write.
   */
  transaction<T>(work: () => T): Promise<T> {
    this.#underWay++;
    const done = this.#db.transaction(() => this.#inside(work)) as Promise<T>;
    return done.finally(() => this.#ended());
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

  #ended(): void {
    this.#underWay--;
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

function* entries<V>(
  db: Database<Buffer, string>,
  prefix: string,
  after: string | undefined,
  read: (key: string, value: Buffer) => V,
) {
  const start = after !== undefined && after > prefix ? after : prefix;
  for (const { key, value } of db.getRange({ start })) {
    if (!key.startsWith(prefix)) return;
    if (key !== after) yield [key, read(key, value)] as const;
  }
}

function* byteEntries(
  db: Database<Buffer, Uint8Array>,
  range: ByteRange | undefined,
  path: string,
) {
  const { from, to, backwards = false } = range ?? {};
  const options = backwards
    ? {
        reverse: true,
        ...(to ? { start: to, exclusiveStart: true } : {}),
        ...(from ? { end: from, inclusiveEnd: true } : {}),
      }
    : { ...(from ? { start: from } : {}), ...(to ? { end: to } : {}) };
  for (const { key, value } of db.getRange(options))
    yield [key as Buffer, openValue(key, value, path)] as const;
}

function writeFailure(path: string, error: unknown): FleximError {
  const isFull = systemCode(error) === 'ENOSPC' || /No space left/.test(String(error));
  if (isFull) return new FleximError('store-full', `the disk of the store ${path} is full`, error);
  return new FleximError('store-failed', `writing the store ${path} failed: ${error}`, error);
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
