// The embedded store: tables of values under text keys, and of bytes under bytes, changed in durable
// transactions. LMDB lies behind it and nobody else knows. A change is on the disk when its promise is
// kept. Every value carries a checksum over itself and its key. open.ts opens a store with care.

import { chmodSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFleximError } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';
import { openValue, sealValue } from './checksum.ts';
import { type Environment, openEnvironment, openRows, type Rows } from './environment.ts';
import { busy, damaged, isDamage, openFailure, writeFailure } from './failures.ts';
import { FORMAT, FORMAT_KEY, META, OWNER_KEY, versionProblem } from './format.ts';
import { checkHead, KNOWS_PAGES, PageProblem } from './pages.ts';
import { DIRECTORY_MODE, FILE_MODE, swapIn } from './swap.ts';

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

export interface StoreOptions {
  /** The command that saves what can be read of a damaged store; it stands in the error. */
  readonly remedy?: string;
  /** For looking on while another process owns the store; absent tables are empty. */
  readonly readOnly?: boolean;
}

export class Store {
  readonly path: string;
  readonly #db: Environment;
  readonly #remedy: string;
  #inTransaction = false;
  #inBatch = false;
  #underWay = 0; // transactions that are not on the disk yet
  #owner: Owner | null = null;
  #isSound = true; // no operation gave an error that a full disk does not explain
  #closed: (isSound: boolean) => void = () => {};

  /** Opens or makes `directory`/`name`.lmdb. Throws `store-unusable` or `store-damaged`. */
  constructor(directory: string, name: string, options: StoreOptions = {}) {
    const { remedy = '', readOnly = false } = options;
    this.path = join(directory, `${name}.lmdb`);
    this.#remedy = remedy;
    try {
      if (!readOnly) makeDirectory(directory, DIRECTORY_MODE);
      // What is no LMDB file at all would kill the process.
      if (KNOWS_PAGES && sizeOf(this.path) > 0) checkHead(this.path);
      this.#db = openEnvironment(this.path, readOnly);
      // LMDB makes its files readable for all.
      for (const file of readOnly ? [] : [this.path, `${this.path}-lock`])
        if (existsSync(file)) chmodSync(file, FILE_MODE);
    } catch (error) {
      if (error instanceof PageProblem) throw damaged(this.path, error.message, remedy, error);
      throw openFailure(this.path, error, remedy);
    }
  }

  table<V>(name: string): Table<V> {
    const db = openRows(this.#db, name);
    const check = () => {
      if (!this.#inTransaction) throw new Error('a table changes in a transaction only');
    };
    const read = (key: Uint8Array, value: Buffer): V =>
      JSON.parse(openValue(key, value, this.path, this.#remedy).toString());
    return {
      get: (key) =>
        this.#reading(() => {
          const bytes = Buffer.from(key);
          const value = bytes.length > 0 ? db?.get(bytes) : undefined;
          return value && read(bytes, value);
        }),
      entries: (range) => this.#readingAll(() => textEntries(db, range, read)),
      put: (key, value) => {
        check();
        const bytes = Buffer.from(key);
        db?.put(bytes, sealValue(bytes, Buffer.from(JSON.stringify(value))));
      },
      remove: (key) => {
        check();
        db?.remove(Buffer.from(key));
      },
    };
  }

  bytes(name: string): ByteTable {
    const db = openRows(this.#db, name);
    const check = () => {
      if (!this.#inBatch) throw new Error('a table of bytes changes in a batch only');
    };
    const read = (key: Uint8Array, value: Buffer) => openValue(key, value, this.path, this.#remedy);
    return {
      get: (key) =>
        this.#reading(() => {
          const value = db?.get(key);
          return value && read(key, value);
        }),
      entries: (range) => this.#readingAll(() => byteEntries(db, range, read)),
      put: (key, value) => {
        check();
        db?.put(key, sealValue(key, value));
      },
      remove: (key) => {
        check();
        db?.remove(key);
      },
    };
  }

  /**
   * Makes the changes that `work` asks for in tables of bytes durable, all or none. It does not wait
   * for the disk, and many batches share one write: for what is done thousands of times a second.
   * Rejects with `store-full` or `store-failed`.
   */
  batch(work: () => void): Promise<void> {
    const thrown: unknown[] = [];
    const kept = this.#kept(
      this.#db.batch(() => {
        this.#inBatch = true;
        try {
          work();
        } catch (error) {
          thrown.push(error);
        } finally {
          this.#inBatch = false;
        }
      }),
    );
    if (thrown.length === 0) return kept.then(() => {});
    kept.catch(() => {}); // who called hears of the mistake in `work`
    throw thrown[0];
  }

  /**
   * Runs `work` alone, then makes what it changed durable, together with whatever else arrives in
   * the same turn. What it wrote before a throw stays written: check first, then write.
   * Rejects with what `work` throws, `store-full` or `store-failed`.
   */
  transaction<T>(work: () => T): Promise<T> {
    const thrown: unknown[] = [];
    const inside = () => {
      try {
        return this.#inside(work);
      } catch (error) {
        thrown.push(error);
        throw error;
      }
    };
    return this.#kept(this.#db.transaction(inside), thrown);
  }

  /** A transaction is being written: a process that exits now would wait for it for ever. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /**
   * Claims the store for one process. Throws `store-busy` with the pid of a living owner, and
   * `store-version`. `admit` is asked inside the claim, with the owner who died, and may refuse.
   */
  claim(
    owner: Owner,
    isAlive: (other: Owner) => boolean,
    admit: (dead: Owner | null) => boolean = () => true,
  ): boolean {
    const { other, admitted } = this.#opening(() => this.#claim(owner, isAlive, admit));
    if (other) throw busy(this.path, other.pid);
    if (admitted) this.#owner = owner;
    return admitted;
  }

  /** A copy without the space that is free, of the store as it is now. */
  async copyTo(path: string): Promise<void> {
    await this.#db.backup(path, true);
  }

  /** `work` runs once, when the store is closed, and is told whether all had gone well. */
  onClosed(work: (isSound: boolean) => void): void {
    this.#closed = work;
  }

  async close(): Promise<void> {
    const owner = this.#owner;
    this.#owner = null;
    // If it fails, that is remembered; the next owner sees a dead one.
    if (owner) await this.transaction(() => this.table(META).remove(OWNER_KEY)).catch(() => {});
    await this.#db.close();
    this.#closed(this.#isSound);
  }

  /** Closes the store and puts another file, which has no owner, in the place of its own. */
  async replaceWith(made: string): Promise<void> {
    this.#owner = null;
    await this.#db.close();
    swapIn(made, this.path);
    this.#closed(this.#isSound);
  }

  #claim(
    owner: Owner,
    isAlive: (other: Owner) => boolean,
    admit: (dead: Owner | null) => boolean,
  ): { readonly other: Owner | null; readonly admitted: boolean } {
    const meta = this.table<unknown>(META);
    // Writing transactions exclude each other across processes, so of two claims one sees the other.
    return this.#db.transactionSync(() => {
      const present = (meta.get(OWNER_KEY) as Owner | undefined) ?? null;
      if (present && isAlive(present)) return { other: present, admitted: false };
      const format = meta.get(FORMAT_KEY);
      const problem = versionProblem(this.path, format);
      if (problem) throw problem;
      if (!admit(present)) return { other: null, admitted: false };
      this.#inside(() => {
        meta.put(OWNER_KEY, owner);
        if (format === undefined) meta.put(FORMAT_KEY, FORMAT);
      });
      return { other: null, admitted: true };
    });
  }

  #opening<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw openFailure(this.path, error, this.#remedy);
    }
  }

  /** Waits for the disk, and says in our words what it answered. */
  #kept<T>(done: PromiseLike<T>, thrown: readonly unknown[] = []): Promise<T> {
    this.#underWay++;
    return Promise.resolve(done)
      .catch(async (error: unknown) => {
        if (thrown.includes(error)) throw error;
        throw this.#failure(await reasonOf(error));
      })
      .finally(() => {
        this.#underWay--;
      });
  }

  #failure(error: unknown): Error {
    const failure = isDamage(error)
      ? damaged(this.path, (error as Error).message, this.#remedy, error)
      : writeFailure(this.path, error);
    if (failure.code !== 'store-full') this.#isSound = false;
    return failure;
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#readFailure(error);
    }
  }

  *#readingAll<T>(read: () => Iterable<T>): Generator<T> {
    try {
      yield* read();
    } catch (error) {
      throw this.#readFailure(error);
    }
  }

  #readFailure(error: unknown): unknown {
    if (isFleximError(error, 'store-damaged')) this.#isSound = false;
    return isDamage(error) ? this.#failure(error) : error;
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

function* textEntries<V>(
  db: Rows | undefined,
  { prefix = '', after }: Range = {},
  read: (key: Uint8Array, value: Buffer) => V,
) {
  const behind = after === undefined ? null : Buffer.from(after);
  const first = Buffer.from(prefix);
  const start = behind && behind.compare(first) > 0 ? behind : first;
  for (const { key, value } of db?.getRange(start.length > 0 ? { start } : {}) ?? []) {
    const text = Buffer.from(key).toString();
    if (!text.startsWith(prefix)) return;
    if (text !== after) yield [text, read(key, value)] as const;
  }
}

function* byteEntries(
  db: Rows | undefined,
  range: ByteRange | undefined,
  read: (key: Uint8Array, value: Buffer) => Buffer,
) {
  const { from, to, backwards = false } = range ?? {};
  const options = backwards
    ? {
        reverse: true,
        ...(to ? { start: to, exclusiveStart: true } : {}),
        ...(from ? { end: from, inclusiveEnd: true } : {}),
      }
    : { ...(from ? { start: from } : {}), ...(to ? { end: to } : {}) };
  for (const { key, value } of db?.getRange(options) ?? [])
    yield [key as Buffer, read(key, value)] as const;
}

const REASON_MS = 1_000;

/** LMDB hands the reason of a failed commit over later, as a promise that somebody has to take. */
async function reasonOf(error: unknown): Promise<unknown> {
  const promised = error instanceof Error && 'commitError' in error ? error.commitError : null;
  if (!(promised instanceof Promise)) return error;
  const late = sleep(REASON_MS, error, { ref: false });
  return Promise.race([promised.then(() => error), late]).catch((reason: unknown) => reason);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
