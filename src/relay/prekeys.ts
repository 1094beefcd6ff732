// The prekeys that people leave here for others to begin a conversation with: docs/protocols/fe1.md §4.4.
// The relay looks at lengths and a few fixed places only; who fetches them checks the signatures. What an
// answer says is on the disk before it goes out, so a one-time prekey is never given out twice.
//
//   SPR  "FE1P" | versions 4 | X 32 | E 32 | install 16 | seq u64 | …         1420 bytes
//   OTK  "FE1O" | X 32 | install 16 | otk_id u32 | …                          1336 bytes

import { fromBase64url, toHex, view } from '../lib/bytes.ts';

const SPR = { bytes: 1_420, magic: 'FE1P', X: 8, install: 72, seq: 88 } as const;
const OTK = { bytes: 1_336, magic: 'FE1O', X: 4, install: 36, id: 52 } as const;

/** One-time prekeys in one FE1_PUT, and held for one user. */
export const OTKS_AT_ONCE = 32;
export const OTKS_HELD = 100;

export type PutRefusal = 'bad-record' | 'foreign-key' | 'stale-seq';

export interface Bundle {
  readonly spr: string;
  /** Taken off the relay by this answer; null when none was left. */
  readonly otk: string | null;
}

/** What the prekeys need of a table of the store. */
interface Rows<V> {
  get(key: string): V | undefined;
  entries(range?: { prefix?: string }): Iterable<readonly [string, V]>;
  put(key: string, value: V): void;
  remove(key: string): void;
}

export interface PrekeyStore {
  table<V>(name: string): Rows<V>;
  transaction<T>(work: () => T): Promise<T>;
}

interface Signed {
  readonly text: string;
  readonly X: string;
  readonly install: string;
  readonly seq: bigint;
}

interface OneTime {
  readonly text: string;
  readonly X: string;
  readonly install: string;
  readonly id: number;
}

export class Prekeys {
  readonly #store: PrekeyStore;
  readonly #signed: Rows<string>;
  readonly #oneTime: Rows<string>;

  constructor(store: PrekeyStore) {
    this.#store = store;
    this.#signed = store.table<string>('prekeys');
    this.#oneTime = store.table<string>('onetime');
  }

  /** Keeps a user's records, as he sent them in base64url; the number of one-time prekeys held then. */
  async put(key: string, [first = '', ...others]: readonly string[]): Promise<number | PutRefusal> {
    const spr = parseSigned(first);
    const otks = others.map(parseOneTime);
    if (!spr || others.length > OTKS_AT_ONCE) return 'bad-record';
    if (spr.X !== key) return 'foreign-key';
    for (const otk of otks)
      if (!otk || otk.id === 0 || otk.X !== key || otk.install !== spr.install) return 'bad-record';
    return this.#store.transaction(() => this.#keep(key, spr, otks as OneTime[]));
  }

  /** A user's bundle, with one of his one-time prekeys if there is one left; null when he has none. */
  get(key: string): Promise<Bundle | null> {
    return this.#store.transaction(() => {
      const spr = this.#signed.get(key);
      if (spr === undefined) return null;
      for (const [name, otk] of this.#oneTime.entries({ prefix: key })) {
        this.#oneTime.remove(name);
        return { spr, otk };
      }
      return { spr, otk: null };
    });
  }

  /** A user's signed prekey, without taking anything. */
  peek(key: string): string | null {
    return this.#signed.get(key) ?? null;
  }

  /** How many one-time prekeys are left. */
  count(key: string): number {
    return this.#held(key).length;
  }

  #keep(key: string, spr: Signed, otks: readonly OneTime[]): number | PutRefusal {
    const present = this.#signed.get(key);
    const before = present === undefined ? null : parseSigned(present);
    if (before && before.text !== spr.text && spr.seq <= before.seq) return 'stale-seq';
    this.#signed.put(key, spr.text);
    const held = new Set(this.#held(key));
    if (before && before.install !== spr.install) {
      for (const name of held) this.#oneTime.remove(name);
      held.clear();
    }
    for (const { id, text } of otks) {
      const name = `${key} ${id.toString(16).padStart(8, '0')}`;
      if (held.has(name) || held.size >= OTKS_HELD) continue;
      this.#oneTime.put(name, text);
      held.add(name);
    }
    return held.size;
  }

  #held(key: string): string[] {
    return Array.from(this.#oneTime.entries({ prefix: key }), ([name]) => name);
  }
}

function parseSigned(text: string): Signed | null {
  const bytes = recordOf(text, SPR);
  if (!bytes) return null;
  return {
    text,
    X: toHex(bytes.subarray(SPR.X, SPR.X + 32)),
    install: toHex(bytes.subarray(SPR.install, SPR.install + 16)),
    seq: bytes.readBigUInt64BE(SPR.seq),
  };
}

function parseOneTime(text: string): OneTime | null {
  const bytes = recordOf(text, OTK);
  if (!bytes) return null;
  return {
    text,
    X: toHex(bytes.subarray(OTK.X, OTK.X + 32)),
    install: toHex(bytes.subarray(OTK.install, OTK.install + 16)),
    id: bytes.readUInt32BE(OTK.id),
  };
}

function recordOf(text: string, form: { bytes: number; magic: string }): Buffer | null {
  const bytes = fromBase64url(text);
  if (bytes?.length !== form.bytes) return null;
  const record = view(bytes);
  return record.toString('latin1', 0, form.magic.length) === form.magic ? record : null;
}
