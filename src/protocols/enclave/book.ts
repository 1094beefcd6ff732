// The address book as text: docs/protocols/enclave.md §4. A friend a line,
//
//   NAME HOST[:PORT] [KEY] [plain] [blocked]
//
// and nothing of a file is lost: lines that are none, empty ones and remarks stay where they are.

import { hostAndPort, parseAddress, parseKey } from '../../lib/address.ts';
import { aliasProblem, foldAlias } from '../../lib/alias.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { printable } from '../../lib/text.ts';
import { DEFAULT_PORT } from './wire.ts';

export interface Friend {
  readonly name: string;
  readonly host: string;
  /** 0: it is not known where he listens; he is waited for. */
  readonly port: number;
  readonly key: string | null;
  /** Marked by hand: he may be sent what is not encrypted. Means nothing once he has a key. */
  readonly isPlain: boolean;
  readonly isBlocked: boolean;
}

/** A line that is no friend, and why. */
export interface Damage {
  readonly line: number;
  readonly why: string;
}

type Line = { readonly text: string; readonly friend: Friend | null };

const NO_LINES: readonly Line[] = [];

/** A value: a change gives another one. */
export class Book {
  static readonly empty = new Book(NO_LINES, []);
  readonly #lines: readonly Line[];
  readonly friends: readonly Friend[];
  readonly damage: readonly Damage[];

  private constructor(lines: readonly Line[], damage: readonly Damage[]) {
    this.#lines = lines;
    this.damage = damage;
    this.friends = lines.flatMap(({ friend }) => friend ?? []);
  }

  /** Never throws: what is wrong is in `damage`, and stays in the text. */
  static parse(text: string): Book {
    const lines: Line[] = [];
    const damage: Damage[] = [];
    const texts = text.split('\n');
    if (texts.at(-1) === '') texts.pop();
    for (const [at, each] of texts.entries()) {
      const friend = readLine(each, lines);
      if (typeof friend === 'string') damage.push({ line: at + 1, why: friend });
      lines.push({ text: each, friend: typeof friend === 'object' ? friend : null });
    }
    return new Book(lines, damage);
  }

  format(): string {
    return this.#lines.map(({ text }) => `${text}\n`).join('');
  }

  named(name: string): Friend | null {
    const wanted = fold(name);
    return this.friends.find((friend) => fold(friend.name) === wanted) ?? null;
  }

  withKey(key: string): Friend | null {
    return this.friends.find((friend) => friend.key === key) ?? null;
  }

  /** Throws `contact-exists`, `alias-invalid`, `bad-address`. */
  add(friend: Friend): Book {
    const text = formatLine(friend);
    const read = readLine(text, this.#lines);
    if (typeof read === 'string') throw new FleximError('contact-exists', `not added: ${read}`);
    return new Book([...this.#lines, { text, friend: read }], this.damage);
  }

  /** Throws `contact-unknown`. */
  change(name: string, part: Partial<Omit<Friend, 'name'>>): Book {
    const friend = this.#known(name);
    const changed = { ...friend, ...part };
    const others = this.#lines.filter((line) => line.friend !== friend);
    const text = formatLine(changed);
    const read = readLine(text, others);
    if (typeof read === 'string') throw new FleximError('contact-exists', `not changed: ${read}`);
    const lines = this.#lines.map((line) =>
      line.friend === friend ? { text, friend: read } : line,
    );
    return new Book(lines, this.damage);
  }

  /** Throws `contact-unknown`. */
  remove(name: string): Book {
    const friend = this.#known(name);
    return Book.parse(
      new Book(
        this.#lines.filter((line) => line.friend !== friend),
        [],
      ).format(),
    );
  }

  #known(name: string): Friend {
    const friend = this.named(name);
    if (friend) return friend;
    throw new FleximError(
      'contact-unknown',
      `${printable(name, 80)} is not in the address book. flexim enclave friends lists it`,
    );
  }
}

/** A friend, null for a remark or nothing, or what is wrong. */
function readLine(text: string, before: readonly Line[]): Friend | null | string {
  if (text.trim() === '' || text.startsWith('#')) return null;
  const [name = '', place, ...words] = text.trim().split(/\s+/);
  const problem = aliasProblem(name);
  if (problem) return `the name: ${problem}`;
  if (place === undefined) return 'the address is missing';
  const at = readPlace(place);
  if (typeof at === 'string') return at;
  const friend = { name, ...at, key: null as string | null, isPlain: false, isBlocked: false };
  for (const word of words) {
    const key = parseKey(word);
    if (key !== null && friend.key === null) friend.key = key;
    else if (word === 'plain') friend.isPlain = true;
    else if (word === 'blocked') friend.isBlocked = true;
    else return `"${printable(word, 20)}" is neither a key, nor plain, nor blocked`;
  }
  return twin(friend, before) ?? friend;
}

function twin({ name, key }: Friend, before: readonly Line[]): string | null {
  for (const [at, { friend }] of before.entries()) {
    if (!friend) continue;
    if (fold(friend.name) === fold(name)) return `line ${at + 1} has the name ${name}`;
    if (key !== null && friend.key === key) return `line ${at + 1} has that key: ${friend.name}`;
  }
  return null;
}

/** HOST or HOST:PORT, where port 0 stands for an unknown one. */
export function readPlace(place: string): { host: string; port: number } | string {
  const bare = /^(.*[^:]):0$/.exec(place);
  try {
    if (/[/?#]/.test(place)) return 'an address is HOST or HOST:PORT';
    const named = /:\d+$/.test(place) && (place.startsWith('[') || place.split(':').length === 2);
    const { host, port } = parseAddress(bare?.[1] ?? place);
    return { host, port: bare ? 0 : named ? port : DEFAULT_PORT };
  } catch (error) {
    if (!isFleximError(error)) throw error;
    return error.message.replace(/^not a relay address: |\. Example: .*$/g, '');
  }
}

function formatLine({ name, host, port, key, isPlain, isBlocked }: Friend): string {
  foldAlias(name);
  const place = hostAndPort({ host, port });
  const problem = readPlace(place);
  if (typeof problem === 'string') throw new FleximError('bad-address', problem);
  const words = [key ?? '', isPlain ? 'plain' : '', isBlocked ? 'blocked' : ''];
  return [name, place, ...words].filter(Boolean).join(' ');
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}
