// Who is known on this relay and under which aliases: docs/protocols/flexim.md §8. Kept in the store;
// what an answer says is on the disk before the answer goes out.

import { aliasProblem, foldAlias } from '../lib/alias.ts';
import { isFleximError } from '../lib/errors.ts';
import { type Clock, DAY_S } from '../lib/time.ts';
import { ALIAS_HELD_DAYS, MAX_ALIASES } from './limits.ts';

/** A user as others see him; `key` is canonical hex. */
export interface Known {
  readonly key: string;
  readonly aliases: readonly string[];
  readonly lastSeen: number; // rounded down to the day
}

export type AliasRefusal = 'alias-invalid' | 'alias-taken' | 'alias-held' | 'alias-limit';

interface UserRecord {
  readonly seen: number;
  readonly aliases: readonly string[]; // as written by their owner
  readonly held?: readonly string[]; // given up, folded, the oldest first
}

interface AliasRecord {
  readonly alias: string;
  readonly key: string;
  readonly freed?: number;
}

/** What the directory needs of a table of the store. */
interface Rows<V> {
  get(key: string): V | undefined;
  entries(range?: { prefix?: string; after?: string }): Iterable<readonly [string, V]>;
  put(key: string, value: V): void;
  remove(key: string): void;
}

export interface DirectoryStore {
  table<V>(name: string): Rows<V>;
  transaction<T>(work: () => T): Promise<T>;
}

export interface Login {
  readonly aliases: readonly string[];
  readonly lastSeen: number; // of the login before; 0 for a new key
  readonly refused: AliasRefusal | null;
}

export class Directory {
  readonly #store: DirectoryStore;
  readonly #users: Rows<UserRecord>;
  readonly #aliases: Rows<AliasRecord>;
  readonly #clock: Clock;

  constructor(store: DirectoryStore, clock: Clock) {
    this.#store = store;
    this.#users = store.table('users');
    this.#aliases = store.table('aliases');
    this.#clock = clock;
  }

  /** When the key logged in last, exactly; 0 for one that never did. */
  lastSeen(key: string): number {
    return this.#users.get(key)?.seen ?? 0;
  }

  isKnown(key: string): boolean {
    return this.#users.get(key) !== undefined;
  }

  /** The key behind an alias, or null. */
  keyOf(alias: string): string | null {
    if (aliasProblem(alias)) return null;
    const record = this.#aliases.get(foldAlias(alias));
    return record && record.freed === undefined ? record.key : null;
  }

  find(key: string): Known | null {
    const user = this.#users.get(key);
    return user ? known(key, user) : null;
  }

  aliasesOf(key: string): readonly string[] {
    return this.#users.get(key)?.aliases ?? [];
  }

  /**
   * Notes a login and claims the alias, if one is wished and free. A full disk does neither, and keeps
   * nobody out who is known: he may come to fetch what fills it.
   */
  async login(key: string, alias: string | null): Promise<Login> {
    try {
      return await this.#noted(key, alias);
    } catch (error) {
      const user = this.#users.get(key);
      if (!user || !isFleximError(error, 'store-full')) throw error;
      return { aliases: user.aliases, lastSeen: user.seen, refused: null };
    }
  }

  #noted(key: string, alias: string | null): Promise<Login> {
    return this.#store.transaction(() => {
      const before = this.#users.get(key);
      const user = { aliases: [], ...before, seen: this.#clock.wall() };
      this.#users.put(key, user);
      const claimed = alias === null ? user.aliases : this.#claim(key, user, alias);
      const refused = typeof claimed === 'string' ? claimed : null;
      const aliases = typeof claimed === 'string' ? user.aliases : claimed;
      return { aliases, lastSeen: before?.seen ?? 0, refused };
    });
  }

  /** The key's aliases with the new one, or why not. */
  register(key: string, alias: string): Promise<readonly string[] | AliasRefusal> {
    return this.#store.transaction(() => {
      const user = this.#users.get(key) ?? { seen: this.#clock.wall(), aliases: [] };
      return this.#claim(key, user, alias);
    });
  }

  /** The key's aliases without this one, or null when it was not the key's. */
  unregister(key: string, alias: string): Promise<readonly string[] | null> {
    return this.#store.transaction(() => {
      const user = this.#users.get(key);
      if (!user || this.keyOf(alias) !== key) return null;
      const folded = foldAlias(alias);
      const aliases = user.aliases.filter((each) => foldAlias(each) !== folded);
      this.#aliases.put(folded, { alias, key, freed: this.#clock.wall() });
      const held = this.#hold(key, user.held ?? [], folded);
      this.#users.put(key, { ...user, aliases, held });
      return aliases;
    });
  }

  /** Users with an alias in alias order, each at the first of his aliases, behind `after`. */
  *roster(after: string | null): Iterable<Known> {
    const range = after === null || aliasProblem(after) ? {} : { after: foldAlias(after) };
    for (const [folded, { key, freed }] of this.#aliases.entries(range)) {
      if (freed !== undefined) continue;
      const user = this.#users.get(key);
      if (user && first(user.aliases) === folded) yield known(key, user);
    }
  }

  /** Users with an alias that begins so. */
  *search(prefix: string): Iterable<Known> {
    if (aliasProblem(prefix)) return;
    const seen = new Set<string>();
    for (const [, { key, freed }] of this.#aliases.entries({ prefix: foldAlias(prefix) })) {
      if (freed !== undefined || seen.has(key)) continue;
      seen.add(key);
      const user = this.find(key);
      if (user) yield user;
    }
  }

  #claim(key: string, user: UserRecord, alias: string): readonly string[] | AliasRefusal {
    if (aliasProblem(alias)) return 'alias-invalid';
    const folded = foldAlias(alias);
    const present = this.#aliases.get(folded);
    if (present && present.key !== key) {
      if (present.freed === undefined) return 'alias-taken';
      if (this.#clock.wall() < present.freed + ALIAS_HELD_DAYS * DAY_S) return 'alias-held';
    }
    if (present?.key === key && present.freed === undefined) return user.aliases;
    if (user.aliases.length >= MAX_ALIASES) return 'alias-limit';
    const aliases = [...user.aliases, alias];
    const held = user.held?.filter((each) => each !== folded) ?? [];
    this.#aliases.put(folded, { alias, key });
    this.#users.put(key, { ...user, aliases, held });
    return aliases;
  }

  /** Holds a name back for its owner, and lets his oldest go: else he could keep any number. */
  #hold(key: string, held: readonly string[], folded: string): readonly string[] {
    const all = [...held, folded];
    for (const oldest of all.splice(0, all.length - MAX_ALIASES)) {
      const row = this.#aliases.get(oldest);
      if (row?.key === key && row.freed !== undefined) this.#aliases.remove(oldest);
    }
    return all;
  }
}

function first(aliases: readonly string[]): string | undefined {
  return aliases.map(foldAlias).sort(byBytes)[0];
}

/** The store's order, which is that of the UTF-8 bytes. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function known(key: string, { seen, aliases }: UserRecord): Known {
  return { key, aliases, lastSeen: Math.floor(seen / DAY_S) * DAY_S };
}
