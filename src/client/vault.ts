// Sealed records over the store: docs/protocols/fe1.md §11.4. A row's name tells nothing: it is a letter for
// the table and a keyed hash; rows of one conversation share a hash and stand in their order behind it.
//
//   value  "FXST1" | nonce 24 | SEAL(KDF(store key, "flexim.store")[0..32), nonce, name, bytes)
//   name   table u8 | hash 16 | place u64 or nothing

import { KDF } from '../crypto/hash.ts';
import { AEAD_NONCE_BYTES, aeadOpen, aeadSeal } from '../crypto/sodium.ts';
import type { Random } from '../fe1/random.ts';
import { concat, sameBytes, u64, utf8 } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';

const MAGIC = utf8('FXST1');
const HASH_BYTES = 16;
const NAMES_KEPT = 8_192;
const LAST = new Uint8Array(8).fill(0xff);

/** What the vault needs of the store. */
export interface ByteRows {
  get(key: Uint8Array): Uint8Array | undefined;
  entries(range?: {
    readonly from: Uint8Array;
    readonly to: Uint8Array;
    readonly backwards?: boolean;
  }): Iterable<readonly [Uint8Array, Uint8Array]>;
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
}

export interface ByteStore {
  readonly path: string;
  bytes(name: string): ByteRows;
  batch(work: () => void, adds?: number): Promise<void>;
}

export interface Write {
  readonly name: Uint8Array;
  readonly bytes: Uint8Array | null; // null: the row goes
}

/** Which places; `from` counts, `before` does not. */
export interface Places {
  readonly from?: number;
  readonly before?: number | undefined;
  readonly backwards?: boolean;
}

export class Vault {
  readonly #store: ByteStore;
  readonly #rows: ByteRows;
  readonly #random: Random;
  readonly #sealKey: Uint8Array;
  readonly #nameKey: Uint8Array;
  readonly #names = new Map<string, Uint8Array>();

  constructor(store: ByteStore, storeKey: Uint8Array, random: Random) {
    this.#store = store;
    this.#rows = store.bytes('client');
    this.#random = random;
    const keys = KDF(storeKey, 'flexim.store');
    this.#sealKey = keys.slice(0, 32);
    this.#nameKey = keys.slice(32);
  }

  /** The name of a row; with a place, behind those of the same id with a lower one. */
  name(table: string, id: string, place?: number): Uint8Array {
    const head = this.#head(table, id);
    return place === undefined ? head : concat(head, u64(place));
  }

  /** Most names are asked for again soon, and a hash takes longer than all the rest of a row. */
  #head(table: string, id: string): Uint8Array {
    const key = table + id;
    const known = this.#names.get(key);
    if (known) return known;
    const hash = KDF(this.#nameKey, 'flexim.names', utf8(table), utf8(id));
    const head = concat(utf8(table), hash.subarray(0, HASH_BYTES));
    if (this.#names.size >= NAMES_KEPT) this.#names.clear();
    this.#names.set(key, head);
    return head;
  }

  /** Throws `store-damaged` for what is there and does not open. */
  read(name: Uint8Array): Uint8Array | undefined {
    const sealed = this.#rows.get(name);
    return sealed && this.#open(name, sealed);
  }

  /** Every row of a table. */
  *all(table: string): Generator<Uint8Array> {
    const from = utf8(table);
    const to = Uint8Array.of((from[0] as number) + 1);
    for (const [name, sealed] of this.#rows.entries({ from, to })) yield this.#open(name, sealed);
  }

  /** The rows of one id that have places, with these, in their order or from the last one on. */
  *placed(table: string, id: string, which?: Places): Generator<readonly [number, Uint8Array]> {
    for (const [name, sealed] of this.#range(table, id, which))
      yield [placeIn(name), this.#open(name, sealed)];
  }

  /** Where there are such rows. */
  *places(table: string, id: string, which?: Places): Generator<number> {
    for (const [name] of this.#range(table, id, which)) yield placeIn(name);
  }

  #range(table: string, id: string, { from = 0, before, backwards = false }: Places = {}) {
    const first = this.name(table, id, from);
    const head = first.subarray(0, first.length - LAST.length);
    const to = before === undefined ? concat(head, LAST) : concat(head, u64(before));
    return this.#rows.entries({ from: first, to, backwards });
  }

  /** All of it or nothing, on the disk when the promise is kept. */
  write(writes: readonly Write[]): Promise<void> {
    const nonces = this.#random(AEAD_NONCE_BYTES * writes.length);
    const sealed = writes.map(({ name, bytes }, i) => {
      const nonce = nonces.subarray(i * AEAD_NONCE_BYTES, (i + 1) * AEAD_NONCE_BYTES);
      return { name, box: bytes && this.#seal(name, nonce, bytes) };
    });
    const adds = sealed.reduce(
      (sum, { name, box }) => sum + (box ? box.length + name.length : 0),
      0,
    );
    return this.#store.batch(() => {
      for (const { name, box } of sealed)
        if (box) this.#rows.put(name, box);
        else this.#rows.remove(name);
    }, adds);
  }

  #seal(name: Uint8Array, nonce: Uint8Array, bytes: Uint8Array): Uint8Array {
    return concat(MAGIC, nonce, aeadSeal({ key: this.#sealKey, nonce, ad: name }, bytes));
  }

  #open(name: Uint8Array, sealed: Uint8Array): Uint8Array {
    const at = MAGIC.length + AEAD_NONCE_BYTES;
    const nonce = sealed.subarray(MAGIC.length, at);
    const isOurs = sealed.length >= at && sameBytes(sealed.subarray(0, MAGIC.length), MAGIC);
    const opening = { key: this.#sealKey, nonce, ad: new Uint8Array(name) };
    const bytes = isOurs ? aeadOpen(opening, sealed.subarray(at)) : null;
    if (bytes) return bytes;
    throw new FleximError(
      'store-damaged',
      `${this.#store.path}: a record does not open: it was changed, or belongs to another key. ` +
        'Nothing was changed. Was the key file exchanged?',
    );
  }
}

function placeIn(name: Uint8Array): number {
  const at = name.byteOffset + name.length - LAST.length;
  return Number(new DataView(name.buffer, at, LAST.length).getBigUint64(0));
}
