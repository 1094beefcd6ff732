// Writes rows into a new store file, many at a time: for imports and recovery.

import { type Environment, openEnvironment, openRows, type Rows } from './environment.ts';
import { checkRoom } from './room.ts';

const ROWS_AT_ONCE = 5_000;
const BYTES_AT_ONCE = 8 * 1024 * 1024;
const UNRESERVED = () => Number.POSITIVE_INFINITY; // the reserve is for relays

interface Open {
  readonly rows: Rows;
  last: Uint8Array | null;
}

interface Waiting {
  readonly rows: Rows;
  /** Its key is behind all others: LMDB fills pages whole when it is told so, and half otherwise. */
  readonly append: boolean;
  readonly key: Uint8Array;
  readonly value: Buffer;
}

export class RowWriter {
  readonly #path: string;
  readonly #environment: Environment;
  readonly #tables = new Map<string, Open>();
  #waiting: Waiting[] = [];
  #bytes = 0;

  /** Makes the file. Throws `store-full`, as `put` and `flush` do. */
  constructor(path: string) {
    checkRoom(path);
    this.#path = path;
    this.#environment = openEnvironment(path);
  }

  /** Takes a row with its checksum; true when what was taken so far is on the disk. */
  async put(table: string, key: Uint8Array, value: Buffer): Promise<boolean> {
    const open = this.#table(table);
    const append = open.last === null || Buffer.compare(open.last, key) < 0;
    if (append) open.last = key;
    this.#waiting.push({ rows: open.rows, append, key, value });
    this.#bytes += key.length + value.length;
    if (this.#waiting.length < ROWS_AT_ONCE && this.#bytes < BYTES_AT_ONCE) return false;
    await this.flush();
    return true;
  }

  async flush(): Promise<void> {
    checkRoom(this.#path, this.#bytes, UNRESERVED);
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#environment.transactionSync(() => {
      for (const { rows, append, key, value } of waiting) rows.putSync(key, value, { append });
    });
    await new Promise((resolve) => setImmediate(resolve));
  }

  close(): Promise<void> {
    return this.#environment.close();
  }

  /** Made also when it gets no row. */
  #table(name: string): Open {
    const known = this.#tables.get(name);
    if (known) return known;
    const rows = openRows(this.#environment, name);
    if (!rows) throw new Error(`no table ${name}`);
    const made = { rows, last: null };
    this.#tables.set(name, made);
    return made;
  }
}
