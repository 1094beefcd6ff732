// The client's state: tables over the vault. Opening reads what a running client needs in memory; the
// history stays on the disk and is read line by line.

import { fromHex } from '../lib/bytes.ts';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { decode, encode, malformed } from '../wire/msgpack.ts';
import type { Shape } from '../wire/shape.ts';
import { Index } from './indexes.ts';
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
import { BLOCK_LINES, type Planned, Timeline } from './timeline.ts';
import type { Places, Vault } from './vault.ts';

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
  readonly lines: DiskTable<Line>; // by `key:order`; how they stand: timeline.ts
  readonly places: DiskTable<Place>; // by `in:key:id` and `out:key:id`
  readonly by: Indexes;
}

type Name = Exclude<keyof State, 'by'>;

const ALL = '';

/** Of one person in their order, but where it says otherwise. */
function newIndexes() {
  return {
    waiting: new Index<string, WaitRow>(
      ({ to }) => to,
      ({ order }) => order,
    ),
    sent: new Index<string, SentRow>(
      ({ to }) => to,
      ({ order }) => order,
    ),
    unheard: new Index<string, SentRow>(({ to, heard }) => (heard === null ? to : null)), // of sent
    copies: new Index<number, OutRow>(({ to, id }) => (id === null ? null : pair(to, id))), // of a message
    owed: new Index<string, OwedRow>(({ peer }) => peer),
    sessions: new Index<string, SessionRow>(
      ({ peer }) => peer,
      ({ usedAt }) => usedAt,
    ),
    used: new Index<string, SessionRow>(
      () => ALL,
      ({ usedAt }) => usedAt,
    ),
    unread: new Index<string, UnreadRow>(
      ({ peer }) => peer,
      ({ order }) => order,
    ),
  };
}

export type Indexes = ReturnType<typeof newIndexes>;

/** Sessions of all people, the one used last first. */
export function lastUsed({ by }: State): SessionRow[] {
  return by.used.rows(ALL).reverse();
}

const LETTERS: Readonly<Record<Name, string>> = {
  ...{ own: 'o', peers: 'p', sessions: 's', outbox: 'b', waiting: 'w', sent: 't', owed: 'r' },
  ...{ inits: 'i', sprs: 'k', otks: 'x', contacts: 'c', unread: 'u', lines: 'h', places: 'd' },
};
const NUMBERED: readonly Name[] = ['outbox', 'sprs', 'otks'];
const ON_DISK: readonly Name[] = ['lines', 'places'];

export interface Opened {
  readonly state: State;
  readonly journal: Journal;
  /** What the journal holds, as it is to be written, in one batch. */
  plan(): Planned;
  /** Writes it. */
  commit(): Promise<void>;
  /** Lines of one person; with `wanted`, folded, only those whose text has it in it. */
  linesOf(key: string, which?: Places, wanted?: string | null): Iterable<Line>;
}

/**
 * Reads everything but the history; what was written with another key, or changed, is `store-damaged`.
 * `size` is of a block of the history.
 */
export function openState(vault: Vault, path: string, size: number = BLOCK_LINES): Opened {
  const journal = new Journal();
  const by = newIndexes();
  const indexes: Partial<Record<Name, readonly unknown[]>> = {
    ...{ waiting: [by.waiting], sent: [by.sent, by.unheard], outbox: [by.copies] },
    ...{ owed: [by.owed], sessions: [by.sessions, by.used], unread: [by.unread] },
  };
  const indexesOf = (name: Name) => (indexes[name] ?? []) as Index<string | number, unknown>[];
  const tables = Object.fromEntries(
    (Object.keys(LETTERS) as Name[]).map((name) => [
      name,
      ON_DISK.includes(name)
        ? new DiskTable<unknown>(name, journal, { read: (id) => readOne(name, id) })
        : new Table<string | number, unknown>(name, journal, indexesOf(name)),
    ]),
  );
  const rowOf = (name: Name, bytes: Uint8Array) => sound(path, () => parse(name, bytes));
  const timeline = new Timeline({
    ...{ vault, size, sound: (work) => sound(path, work) },
    read: (bytes) => rowOf('lines', bytes).row as Line,
    bytes: (line) => rowBytes(pair(line.peer, String(line.order)), line),
  });
  const readOne = (name: Name, id: string) => {
    if (name === 'lines') return timeline.get(...placeOf(id));
    const bytes = vault.read(vault.name(LETTERS[name], id));
    return bytes && rowOf(name, bytes).row;
  };
  for (const [name, table] of Object.entries(tables)) {
    if (table instanceof DiskTable) continue;
    const found = [...vault.all(LETTERS[name as Name])].map((bytes) => rowOf(name as Name, bytes));
    if (NUMBERED.includes(name as Name)) {
      const numbered = found.map(({ id, row }) => ({ id: Number(id), row }));
      for (const { id, row } of numbered.sort((a, b) => a.id - b.id)) table.load(id, row);
    } else for (const { id, row } of found) table.load(id, row);
  }
  const plan = (): Planned => {
    const changes = journal.changes();
    const lines = changes
      .filter(({ table }) => table === 'lines')
      .map(({ value }) => value as Line);
    const history = timeline.plan(lines);
    const rows = changes.filter(({ table }) => table !== 'lines');
    const writes = rows.map(({ table, id, value }) => ({
      name: vault.name(LETTERS[table as Name], id),
      bytes: value === undefined ? null : rowBytes(id, value),
    }));
    return { ...history, writes: [...writes, ...history.writes] };
  };
  return {
    state: { ...tables, by } as unknown as State,
    journal,
    plan,
    commit: async () => {
      const { writes, kept } = plan();
      if (writes.length > 0) await vault.write(writes);
      kept();
    },
    linesOf: (key, which, wanted) => timeline.lines(key, which, wanted),
  };
}

function rowBytes(id: string, row: unknown): Uint8Array {
  return encode([id, row]).slice();
}

function parse(name: Name, bytes: Uint8Array): { id: string; row: unknown } {
  const value = decode(bytes);
  if (!Array.isArray(value) || typeof value[0] !== 'string')
    throw malformed('a row without its id');
  return { id: value[0], row: (SHAPES[name] as Shape<unknown>)(value[1], name) };
}

function sound<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isFleximError(error, 'malformed')) throw error;
    const text = `${path}: a record is not what it should be`;
    throw new FleximError('store-damaged', text, error);
  }
}

function placeOf(line: string): [key: string, order: number] {
  const at = line.lastIndexOf(':');
  return [line.slice(0, at), Number(line.slice(at + 1))];
}

/** The bytes of a key, id or sid that we wrote ourselves. */
export function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex, hex.length / 2);
  if (!bytes) throw new TypeError('not hex');
  return bytes;
}

export const pair = (key: string, id: string): string => `${key}:${id}`;
