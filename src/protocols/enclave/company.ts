// The friends of a running node: the address book with everybody's companion. docs/protocols/enclave.md §4.

import { aliasProblem } from '../../lib/alias.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { printable } from '../../lib/text.ts';
import { Book, type Friend } from './book.ts';
import { Companion } from './companion.ts';
import type { BookFile } from './file.ts';
import { type Comer, checkAnswer, friendOf } from './match.ts';
import type { NodeEvent, Stranger } from './queues.ts';

export interface CompanyOptions {
  readonly book: BookFile;
  readonly put: (event: NodeEvent) => void;
  /** He is new, or his line was changed: he is to be dialled, now. */
  readonly dial: (companion: Companion) => void;
}

export class Company {
  readonly #options: CompanyOptions;
  readonly #all = new Map<string, Companion>(); // by name
  #seen = Book.empty; // what #all was made of

  constructor(options: CompanyOptions) {
    this.#options = options;
  }

  get all(): Companion[] {
    return [...this.#all.values()];
  }

  /** Takes over what is in the book by now. Throws what reading it throws. */
  look(): void {
    const { book } = this.#options;
    book.refresh();
    if (book.book === this.#seen) return;
    this.#read();
    const friends = new Map(this.#seen.friends.map((each) => [each.name, each]));
    for (const [name, companion] of [...this.#all]) if (!friends.has(name)) this.#forget(companion);
    for (const friend of friends.values()) {
      const companion = this.#all.get(friend.name);
      if (!companion) this.meet(friend);
      else if (!isSame(companion.friend, friend)) this.#replace(companion, friend);
    }
  }

  /** He is still the one of that name. */
  has(companion: Companion): boolean {
    return this.#all.get(companion.friend.name) === companion;
  }

  /** Throws `contact-unknown`. */
  named(name: string): Companion {
    const companion = this.#all.get(name) ?? this.#all.get(this.#seen.named(name)?.name ?? '');
    if (companion) return companion;
    throw new FleximError(
      'contact-unknown',
      `${printable(name, 80)} is not in the address book. flexim enclave friends lists it`,
    );
  }

  withKey(key: string): Companion | undefined {
    return this.all.find(({ friend }) => friend.key === key);
  }

  /** Who came, or null for a stranger. */
  of(comer: Comer): Companion | null {
    const reached = ({ name }: Friend) => this.#all.get(name)?.reached ?? null;
    const friend = friendOf(this.#seen, comer, reached);
    return (friend && this.#all.get(friend.name)) ?? null;
  }

  /** Throws `peer-key-changed` when whoever answers at his address is somebody else; `closed` if he is none. */
  check(companion: Companion, { key }: Comer): void {
    if (!this.has(companion) || companion.friend.isBlocked) throw changed();
    checkAnswer(this.#seen, companion.friend, key);
  }

  meet(friend: Friend): Companion {
    const companion = new Companion(friend);
    this.#all.set(friend.name, companion);
    this.show(companion);
    this.#options.dial(companion);
    return companion;
  }

  /** A line of the book for a stranger. Throws `contact-exists`, `alias-invalid`, and what writing throws. */
  enter({ host, alias, key }: Stranger, wanted: string | null, isBlocked: boolean): Companion {
    const { book } = this.#options;
    const isFree = (name: string) => !aliasProblem(name) && book.book.named(name) === null;
    let name = wanted ?? alias;
    for (let n = 1; wanted === null && !isFree(name); n++) name = `friend${n}`;
    const friend = { name, host, port: 0, key, isPlain: false, isBlocked };
    book.update((before) => before.add(friend));
    this.look();
    return this.named(name);
  }

  /** The first key that he shows is his from now on, and he is plain no more. */
  learn(companion: Companion, key: string): void {
    const { friend } = companion;
    if (friend.key !== null) return;
    const { name } = friend;
    companion.friend = { ...friend, key, isPlain: false };
    this.#options.put({ kind: 'first-key', name, key });
    try {
      this.#options.book.update((book) => book.change(name, { key, isPlain: false }));
    } catch (error) {
      if (!isFleximError(error)) throw error;
      this.#options.put({ kind: 'trouble', error, name, id: null });
    }
    for (const { id } of companion.takeWaiting()) {
      const words = `${name} has a key now: what waited for him was not sent`;
      const error = new FleximError('not-encrypted', words);
      this.#options.put({ kind: 'trouble', error, name, id });
    }
  }

  show(companion: Companion): void {
    const { view } = companion;
    if (companion.isNews(view)) this.#options.put({ kind: 'friend', friend: view });
  }

  /** Damaged lines are told when they are new. */
  #read(): void {
    const { book } = this.#options;
    const before = new Set(this.#seen.damage.map(({ why }) => why));
    this.#seen = book.book;
    if (this.#seen.damage.every(({ why }) => before.has(why))) return;
    for (const error of book.troubles)
      this.#options.put({ kind: 'trouble', error, name: null, id: null });
  }

  #forget(companion: Companion): void {
    const { name } = companion.friend;
    this.#all.delete(name);
    companion.stopDialling();
    companion.pending?.fail(changed());
    for (const session of [...companion.sessions]) session.finish();
    this.#options.put({ kind: 'removed', name });
  }

  #replace(companion: Companion, friend: Friend): void {
    companion.friend = friend;
    for (const session of [...companion.sessions])
      if (friend.isBlocked || session.key !== friend.key) session.finish();
    this.show(companion);
    companion.pending?.fail(changed());
    companion.stopDialling();
    this.#options.dial(companion);
  }
}

function changed(): FleximError {
  return new FleximError('closed', 'the address book was changed meanwhile');
}

function isSame(a: Friend, b: Friend): boolean {
  return (Object.keys(a) as (keyof Friend)[]).every((field) => a[field] === b[field]);
}
