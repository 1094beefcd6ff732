// The client's state: tables over the vault. Opening reads what a running client needs in memory; the
// history stays on the disk and is read line by line.

import { fromHex } from '../lib/bytes.ts';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { decode, encode } from '../wire/msgpack.ts';
import type { Shape } from '../wire/shape.ts';
import {
  type ContactRow,
  type InitRow,
  type Line,
  type OtkRow,
  type OutRow,
  type OwedRow,
  type Own,
  type PeerRow,
  type Place,
  type SentRow,
  type SessionRow,
  SHAPES,
  type SprRow,
  type UnreadRow,
  type WaitRow,
} from './records.ts';
import { DiskTable, Journal, Table } from './tables.ts';
import type { Vault, Write } from './vault.ts';

export interface State {
  readonly own: Table<'own', Own>;
  readonly peers: Table<string, PeerRow>; // by key
  readonly sessions: Table<string, SessionRow>; // by sid
  readonly outbox: Table<number, OutRow>;
  readonly waiting: Table<string, WaitRow>; // these three by `key:id`
  readonly sent: Table<string, SentRow>;
  readonly owed: Table<string, OwedRow>;
  readonly inits: Table<string, InitRow>; // by iid
  readonly sprs: Table<number, SprRow>; // by spk_id
  readonly otks: Table<number, OtkRow>; // by otk_id
  readonly contacts: Table<string, ContactRow>; // by key
  readonly unread: Table<string, UnreadRow>; // by `key:id`
  readonly lines: DiskTable<Line>; // by `key:order`
  readonly places: DiskTable<Place>; // by `in:key:id` and `out:key:id`
}

type Name = keyof State;

const LETTERS: Readonly<Record<Name, string>> = {
  ...{ own: 'o', peers: 'p', sessions: 's', outbox: 'b', waiting: 'w', sent: 't', owed: 'r' },
  ...{ inits: 'i', sprs: 'k', otks: 'x', contacts: 'c', unread: 'u', lines: 'h', places: 'd' },
};
const NUMBERED: readonly Name[] = ['outbox', 'sprs', 'otks'];
const ON_DISK: readonly Name[] = ['lines', 'places'];

export interface Opened {
  readonly state: State;
  readonly journal: Journal;
  /** Writes what the journal holds, in one batch. */
  commit(): Promise<void>;
  /** Lines of one person, the newest below `before` first. */
  linesOf(key: string, before?: number): Iterable<Line>;
  /** The other way: the oldest above `after` first. */
  linesAfter(key: string, after: number): Iterable<Line>;
}

/** Reads everything; what was written with another key, or changed, is `store-damaged`. */
export function openState(vault: Vault, path: string): Opened {
  const journal = new Journal();
  const tables = Object.fromEntries(
    (Object.keys(LETTERS) as Name[]).map((name) => [
      name,
      ON_DISK.includes(name)
        ? new DiskTable<unknown>(name, journal, { read: (id) => readOne(name, id) })
        : new Table<string | number, unknown>(name, journal),
    ]),
  );
  const rowOf = (name: Name, bytes: Uint8Array) => parse(name, bytes, path);
  const readOne = (name: Name, id: string) => {
    const bytes = vault.read(nameOf(name, id));
    return bytes && rowOf(name, bytes).row;
  };
  const nameOf = (name: Name, id: string) => {
    if (name !== 'lines') return vault.name(LETTERS[name], id);
    const at = id.lastIndexOf(':');
    return vault.name(LETTERS[name], id.slice(0, at), Number(id.slice(at + 1)));
  };
  for (const [name, table] of Object.entries(tables)) {
    if (table instanceof DiskTable) continue;
    const found = [...vault.all(LETTERS[name as Name])].map((bytes) => rowOf(name as Name, bytes));
    if (NUMBERED.includes(name as Name)) {
      const numbered = found.map(({ id, row }) => ({ id: Number(id), row }));
      for (const { id, row } of numbered.sort((a, b) => a.id - b.id)) table.load(id, row);
    } else for (const { id, row } of found) table.load(id, row);
  }
  const write = ({ table, id, value }: { table: string; id: string; value: unknown }): Write => ({
    name: nameOf(table as Name, id),
    bytes: value === undefined ? null : encode([id, value]).slice(),
  });
  return {
    state: tables as unknown as State,
    journal,
    commit: async () => {
      const writes = journal.changes().map(write);
      if (writes.length > 0) await vault.write(writes);
    },
    *linesOf(key, before) {
      for (const bytes of vault.backwards(LETTERS.lines, key, before))
        yield rowOf('lines', bytes).row as Line;
    },
    *linesAfter(key, after) {
      for (const bytes of vault.forwards(LETTERS.lines, key, after))
        yield rowOf('lines', bytes).row as Line;
    },
  };
}

function parse(name: Name, bytes: Uint8Array, path: string): { id: string; row: unknown } {
  try {
    const value = decode(bytes);
    if (!Array.isArray(value) || typeof value[0] !== 'string') throw damaged(path);
    return { id: value[0], row: (SHAPES[name] as Shape<unknown>)(value[1], name) };
  } catch (error) {
    throw isFleximError(error, 'malformed') ? damaged(path, error) : error;
  }
}

function damaged(path: string, cause?: unknown): FleximError {
  return new FleximError('store-damaged', `${path}: a record is not what it should be`, cause);
}

/** The bytes of a key, id or sid that we wrote ourselves. */
export function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex, hex.length / 2);
  if (!bytes) throw new TypeError('not hex');
  return bytes;
}

export const pair = (key: string, id: string): string => `${key}:${id}`;
