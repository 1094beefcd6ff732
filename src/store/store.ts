// The embedded store: tables of values under text keys, and of bytes under bytes, changed in durable
// transactions. LMDB lies behind it and nobody else knows. A change is on the disk when its promise is
// kept. Every value carries a checksum over itself and its key. open.ts opens a store with care.

import { chmodSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';
import { openValue, sealValue } from './checksum.ts';
import {
  type Environment,
  freeInside,
  isPoisoned,
  type OpenTable,
  openEnvironment,
  openRows,
  openTables,
  type Rows,
  statsOf,
} from './environment.ts';
import { busy, damaged, isDamage, openFailure, reasonOf, writeFailure } from './failures.ts';
import { FORMAT, FORMAT_KEY, META, OWNER_KEY, versionProblem } from './format.ts';
import { checkHead, KNOWS_PAGES, PageProblem } from './pages.ts';
import { checkRoom } from './room.ts';
import { DIRECTORY_MODE, FILE_MODE, swapIn } from './swap.ts';
import { type ByteTable, byteEntries, type Table, textEntries } from './tables.ts';

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
  readonly #readOnly: boolean;
  #inTransaction = false;
  #inBatch = false;
  #isRefused = false; // what is asked for in this batch goes nowhere
  #underWay = 0; // transactions that are not on the disk yet
  #owner: Owner | null = null;
  #tables: readonly OpenTable[] | null = null; // all, once they were needed
  #isSound = true; // no operation gave an error that a full disk does not explain
  #broken: FleximError | null = null; // what failed: nothing that LMDB would be asked now need end
  #isClosed = false;
  #closed: (isSound: boolean) => void = () => {};

  /** Opens or makes `directory`/`name`.lmdb. Throws `store-unusable`, `-damaged` or `-full`. */
  constructor(directory: string, name: string, options: StoreOptions = {}) {
    const { remedy = '', readOnly = false } = options;
    this.path = join(directory, `${name}.lmdb`);
    this.#remedy = remedy;
    this.#readOnly = readOnly;
    try {
      if (!readOnly) makeDirectory(directory, DIRECTORY_MODE);
      if (!readOnly) checkRoom(this.path);
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
    const db = this.#rows(name);
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
    const db = this.#rows(name);
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
        if (!this.#isRefused) db?.put(key, sealValue(key, value));
      },
      remove: (key) => {
        check();
        if (!this.#isRefused) db?.remove(key);
      },
    };
  }

  /**
   * Makes the changes that `work` asks for in tables of bytes durable, all or none. It does not wait
   * for the disk, and many batches share one write: for what is done thousands of times a second.
   * `adds` is how many bytes it puts there, about; none when it removes only. Rejects with `store-full`
   * or `store-failed`, and `work` runs then, too.
   */
  batch(work: () => void, adds = 0): Promise<void> {
    const thrown: unknown[] = [];
    const refusal = this.#refusal(adds);
    const inside = () => {
      this.#inBatch = true;
      this.#isRefused = refusal !== null;
      try {
        work();
      } catch (error) {
        thrown.push(error);
      } finally {
        this.#inBatch = false;
        this.#isRefused = false;
      }
    };
    if (refusal) inside();
    const kept = refusal ? Promise.reject(refusal) : this.#kept(this.#db.batch(inside));
    if (thrown.length === 0) return kept as Promise<unknown> as Promise<void>;
    kept.catch(() => {}); // who called hears of the mistake in `work`
    throw thrown[0];
  }

  /**
   * Runs `work` alone, then makes what it changed durable, together with whatever else arrives in
   * the same turn. What it wrote before a throw stays written: check first, then write.
   * It adds a few rows at most. Rejects with what `work` throws, `store-full` or `store-failed`.
   */
  transaction<T>(work: () => T): Promise<T> {
    return this.#transaction(work, 1);
  }

  #transaction<T>(work: () => T, adds: number): Promise<T> {
    const refusal = this.#refusal(adds);
    if (refusal) return Promise.reject(refusal);
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

  /** A transaction is being written, or never will be: a process that exits now would wait for ever. */
  get isBusy(): boolean {
    return this.#underWay > 0 || this.#broken !== null;
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

  /** Nobody has put anything into it. */
  get isEmpty(): boolean {
    return openTables(this.#db).every(
      ({ name, rows }) => name === META || statsOf(rows).rows === 0,
    );
  }

  /** Every row with its checksum, table by table, but who has claimed the store. */
  *rows(): Generator<{ readonly table: string; readonly key: Buffer; readonly sealed: Buffer }> {
    for (const { name, rows } of openTables(this.#db))
      for (const { key, value } of rows.getRange()) {
        const row = { table: name, key: Buffer.from(key), sealed: value };
        openValue(key, value, this.path, this.#remedy);
        if (name !== META || row.key.toString() !== OWNER_KEY) yield row;
      }
  }

  /** `work` runs once, when the store is closed, and is told whether all had gone well. */
  onClosed(work: (isSound: boolean) => void): void {
    this.#closed = work;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const owner = this.#owner;
    this.#owner = null;
    // If it fails, that is remembered; the next owner sees a dead one.
    if (owner) await this.#transaction(() => this.table(META).remove(OWNER_KEY), 0).catch(() => {});
    if (!this.#broken) await this.#db.close();
    this.#closed(this.#isSound);
  }

  /** Closes the store and puts another file, which has no owner, in the place of its own. */
  async replaceWith(made: string): Promise<void> {
    this.#isClosed = true;
    this.#owner = null;
    await this.#db.close();
    try {
      swapIn(made, this.path);
    } catch (error) {
      this.#isSound = false; // the claim of the old file was not given back
      throw writeFailure(this.path, error);
    } finally {
      this.#closed(this.#isSound);
    }
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
      const failure = openFailure(this.path, error, this.#remedy);
      if (isPoisoned(this.#db, error) && failure instanceof FleximError) this.#broken = failure;
      throw failure;
    }
  }

  /** Waits for the disk, and says in our words what it answered. */
  #kept<T>(done: PromiseLike<T>, thrown: readonly unknown[] = []): Promise<T> {
    this.#underWay++;
    return Promise.resolve(done).then(
      (value) => {
        this.#underWay--;
        return value;
      },
      async (error: unknown) => {
        this.#underWay--;
        throw thrown.includes(error) ? error : this.#failure(await reasonOf(error));
      },
    );
  }

  #failure(error: unknown): Error {
    const failure = isDamage(error)
      ? damaged(this.path, (error as Error).message, this.#remedy, error)
      : writeFailure(this.path, error, isPoisoned(this.#db, error));
    if (failure.code !== 'store-full') this.#isSound = false;
    if (failure.code === 'store-failed') this.#broken = failure;
    return failure;
  }

  /** Why nothing may be written now. */
  #refusal(adds: number): unknown {
    try {
      if (this.#broken) throw this.#broken;
      checkRoom(this.path, adds, () => this.#freeInside());
      return null;
    } catch (error) {
      return error;
    }
  }

  #rows(name: string): Rows | undefined {
    return this.#opening(() => {
      if (!this.#readOnly) checkRoom(this.path); // it may have to be made
      this.#tables = null;
      return openRows(this.#db, name);
    });
  }

  #freeInside(): number {
    this.#tables ??= openTables(this.#db);
    return freeInside(this.#db, this.#tables);
  }

  #reading<T>(read: () => T): T {
    if (this.#broken) throw this.#broken;
    try {
      return read();
    } catch (error) {
      throw this.#readFailure(error);
    }
  }

  *#readingAll<T>(read: () => Iterable<T>): Generator<T> {
    if (this.#broken) throw this.#broken;
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

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
