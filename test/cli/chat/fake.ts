// A scripted messenger behind the screen: as many conversations and entries as a test wants, in memory.

import type {
  Change,
  Chat,
  Connection,
  Conversation,
  Entry,
  Outgoing,
  Part,
  State,
  Trust,
} from '../../../src/cli/chat/model.ts';
import { FleximError } from '../../../src/lib/errors.ts';

export const NOON = Date.UTC(2026, 2, 14, 12, 0);
const MINUTE = 60_000;

interface Held {
  name: string;
  trust: Trust;
  presence: Conversation['presence'];
  unread: number;
  urgent: boolean;
  readonly entries: Entry[];
  readonly places: Map<string, number>;
}

export class FakeChat implements Chat {
  readonly me = 'alice';
  readonly sent: Outgoing[] = [];
  readonly calls: string[] = [];
  refuses: FleximError | null = null;
  link: Connection = { state: 'online', transport: 'flexim over tcp, 127.0.0.1:4321', why: null };
  /** How many of the entries are in memory; the rest is there after `load`. */
  known = Number.POSITIVE_INFINITY;
  readonly straight = new Set<string>();
  way = 'flexim';
  readonly #held = new Map<string, Held>();
  readonly #listeners = new Set<(change: Change) => void>();
  #now = NOON;

  person(id: string, name = id, trust: Trust = 'unverified'): this {
    const held = { entries: [], places: new Map(), presence: null, unread: 0, urgent: false };
    this.#held.set(id, { name, trust, ...held });
    this.tell({ kind: 'conversations' });
    return this;
  }

  /** Adds an entry; one from a peer is unread. */
  add(id: string, text: string, more: Partial<Entry> = {}): Entry {
    const held = this.#of(id);
    const from = more.from ?? 'peer';
    const entry: Entry = {
      id: `${id}-${held.entries.length}`,
      from,
      text,
      at: this.#now,
      written: null,
      state: from === 'me' ? 'queued' : null,
      notify: false,
      action: false,
      ...more,
    };
    this.#now += MINUTE;
    held.places.set(entry.id, held.entries.length);
    held.entries.push(entry);
    if (from === 'peer') held.unread++;
    if (from === 'peer' && entry.notify) held.urgent = true;
    this.tell({ kind: 'entry', conversation: id, entry });
    return entry;
  }

  setState(id: string, entryId: string, state: State): void {
    const held = this.#of(id);
    const at = held.places.get(entryId) as number;
    const entry = { ...(held.entries[at] as Entry), state };
    held.entries[at] = entry;
    this.tell({ kind: 'state', conversation: id, entry });
  }

  set(id: string, change: Partial<Pick<Held, 'name' | 'trust' | 'presence'>>): void {
    Object.assign(this.#of(id), change);
    this.tell({ kind: 'conversations' });
  }

  connect(link: Omit<Connection, 'why'> & Partial<Connection>): void {
    this.link = { why: null, ...link };
    this.tell({ kind: 'connection' });
  }

  /** The next day. */
  sleep(): void {
    this.#now += 24 * 60 * MINUTE;
  }

  tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }

  conversations(): readonly Conversation[] {
    return [...this.#held].map(([id, { entries, places: _, ...held }]) => ({
      ...held,
      id,
      isRequest: false,
      isStraight: this.straight.has(id),
      firstUnread: held.unread > 0 ? (entries.filter(isPeer).at(-held.unread)?.id ?? null) : null,
    }));
  }

  connection(): Connection {
    return this.link;
  }

  /** As if so many of the newest entries had been read. */
  load(id: string, known: number): void {
    this.known = known;
    this.tell({ kind: 'loaded', conversation: id });
  }

  before(id: string, entry: string | null, count: number): Part {
    const { entries, places } = this.#of(id);
    const end = entry === null ? entries.length : (places.get(entry) ?? 0);
    const first = Math.max(0, entries.length - this.known);
    const from = Math.max(first, end - count);
    return { entries: entries.slice(from, end), pending: end - from < count && first > 0 };
  }

  after(id: string, entry: string, count: number): Part {
    const { entries, places } = this.#of(id);
    const from = (places.get(entry) ?? entries.length) + 1;
    return { entries: entries.slice(from, from + count), pending: false };
  }

  async transport(name: string | null): Promise<string> {
    if (name !== null) this.way = name;
    return this.way;
  }

  async search(id: string, words: string, count: number): Promise<readonly Entry[]> {
    const found = this.#of(id).entries.filter(({ text }) => text.includes(words));
    return found.reverse().slice(0, count);
  }

  onChange(changed: (change: Change) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  async send(id: string, message: Outgoing): Promise<void> {
    if (this.refuses) throw this.refuses;
    this.sent.push(message);
    this.add(id, message.text, { from: 'me', notify: message.notify, action: message.action });
  }

  async open(who: string): Promise<string> {
    for (const [id, { name }] of this.#held) if (name === who) return id;
    throw new FleximError('bad-input', `nobody is called ${who}`);
  }

  seen(id: string, entry: string): void {
    this.calls.push(`seen ${entry}`);
    const held = this.#of(id);
    if (held.unread === 0) return;
    held.unread = 0;
    held.urgent = false;
    this.tell({ kind: 'conversations' });
  }

  typing(id: string, typing: boolean): void {
    this.calls.push(`typing ${id} ${typing}`);
  }

  async verification(): Promise<{ number: string; qr: readonly string[] }> {
    const number = Array.from({ length: 12 }, (_, i) => String(i * 1111).padStart(5, '0')).join(
      ' ',
    );
    return { number, qr: ['█▀▀█', '█▄▄█'] };
  }

  async verified(id: string): Promise<string> {
    this.set(id, { trust: 'verified' });
    return id;
  }

  async trust(id: string): Promise<string> {
    this.set(id, { trust: 'unverified' });
    return id;
  }

  async status(): Promise<readonly string[]> {
    return [`connection  ${this.link.state}`, 'waiting     0 messages'];
  }

  #of(id: string): Held {
    const held = this.#held.get(id);
    if (!held) throw new TypeError(`no conversation ${id}`);
    return held;
  }
}

const isPeer = ({ from }: Entry) => from === 'peer';

/** The conversations of the golden screens. */
export function scene(): FakeChat {
  const chat = new FakeChat()
    .person('bob', 'bob', 'verified')
    .person('hana', '花子')
    .person('eve', 'eve');
  chat.add('bob', 'did you see the new relay?');
  chat.add(
    'bob',
    'it answers in under a millisecond, which is less than the time that it takes to read this',
  );
  chat.seen('bob', '');
  for (const state of ['read', 'delivered', 'accepted', 'queued'] as const)
    chat.add('bob', `this one is ${state}`, { from: 'me', state });
  chat.add('bob', 'waves', { from: 'me', state: 'delivered', action: true });
  chat.sleep();
  chat.add(
    'bob',
    '日本語の文章はどこでも折り返すことができますので、画面の幅に合わせて折り返します。',
  );
  chat.add(
    'bob',
    'family \u{1f468}\u200d\u{1f469}\u200d\u{1f467} and e\u0301\u0300 and \u{1f1e9}\u{1f1ea}',
  );
  chat.add('bob', `https://example.org/${'a-long-path/'.repeat(8)}`);
  chat.add('bob', 'the build is red', { notify: true });
  chat.add('hana', 'こんにちは');
  chat.add('eve', 'urgent!', { notify: true });
  return chat;
}
