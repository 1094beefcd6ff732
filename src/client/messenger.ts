// The messenger: an identity, its store and a relay; people and messages. Everything that it says to have
// done is on the disk. docs/protocols/fe1.md; how the parts fit together: docs/ARCHITECTURE.md.

import type { Identity } from '../crypto/identity.ts';
import { randomBytes } from '../crypto/sodium.ts';
import { MAX_CONTENT } from '../fe1/constants.ts';
import { encodeContent, MAX_IDS, type Sign } from '../fe1/content.ts';
import type { Random } from '../fe1/random.ts';
import { hasRoom, isDue } from '../fe1/sessions.ts';
import { fromHex, toHex } from '../lib/bytes.ts';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { systemClock } from '../lib/time.ts';
import type { Directory, Link, RelayInfo } from '../protocols/protocol.ts';
import { Alarm } from './alarm.ts';
import { ClientConnection, type Trouble } from './connection.ts';
import { Contacts } from './contacts.ts';
import { begin, type Core, type Effect, newCore, ownRow, SIZES, type Sizes } from './core.ts';
import type { Message, MessengerEvent } from './events.ts';
import { type Page, readHistory } from './history.ts';
import { messageOf } from './lines.ts';
import { Outlet } from './outlet.ts';
import { activeOf, peerOf } from './peers.ts';
import { isHalted, mayWrite } from './people.ts';
import type { DeliveryState, UnreadRow } from './records.ts';
import { due, settle, tick } from './rounds.ts';
import { type Point, Runner } from './runner.ts';
import { live, post, say } from './sending.ts';
import { type Opened, openState, pair } from './state.ts';
import { type ByteStore, Vault } from './vault.ts';

const TICK_MS = 5_000;

export interface MessengerOptions {
  readonly identity: Identity;
  /** 32 secret bytes, of the key file, not made from the seed. */
  readonly storeKey: Uint8Array;
  /** Open, and claimed for this process; who opened it closes it, after the messenger. */
  readonly store: ByteStore;
  /** The signal says that the messenger is being closed. */
  readonly dial: (signal: AbortSignal) => Promise<Link>;
  readonly choice?: Choice;
  /** Go on although the relay has prekeys of this identity from another store. */
  readonly takeOver?: boolean;
  /** Tell people when their messages were read; they are told by `read`. */
  readonly readReceipts?: boolean;
  /** Let `sign` say that one types, or is here. */
  readonly signs?: boolean;
  readonly clock?: { wall(): number };
  readonly random?: Random;
  readonly again?: { readonly minMs: number; readonly maxMs: number };
  /** How often what is due is looked for; null: only when `tick` is called. */
  readonly tickMs?: number | null;
  /** For tests. */
  readonly point?: (point: Point) => void;
  readonly sizes?: Partial<Sizes>;
}

/** Where there is a choice between ways: what `dial` does from now on. */
export interface Choice {
  readonly name: string;
  /** Throws `usage` for one that there is not. */
  choose(name: string): void;
}

export interface Letter {
  readonly body: unknown;
  readonly flags?: readonly string[];
}

export interface Status {
  readonly relay: RelayInfo | null; // null: not connected
  /** Why not, at the last try; `retryMs` null: it is not tried again. Null while connected. */
  readonly trouble: Trouble | null;
  /** What the relay had kept for us at the last login has been taken. */
  readonly caughtUp: boolean;
  /** Seconds that our clock was ahead of the relay's at the last login; null: there was none. */
  readonly clockAhead: number | null;
  readonly key: string;
  /** Messages without a receipt. */
  readonly unsettled: number;
  /** The relay has our prekeys: others can write first. */
  readonly published: boolean;
  /** There is no relay between people: who is there is reached, and nobody else. */
  readonly isDirect: boolean;
  /** The way that was chosen; null where there is no choice. */
  readonly way: string | null;
  /** To whom, beside a relay, things go directly now. */
  readonly straight: readonly string[];
  readonly oneTimeKeys: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** Reads the store and begins to connect. Throws `store-damaged` and what the store throws. */
export async function openMessenger(options: MessengerOptions): Promise<Messenger> {
  const { store, storeKey, random = randomBytes } = options;
  const { block } = { ...SIZES, ...options.sizes };
  const opened = openState(new Vault(store, storeKey, random), store.path, block);
  const messenger = new Messenger(options, opened);
  await messenger.begin();
  return messenger;
}

export class Messenger {
  readonly contacts: Contacts;
  readonly #options: MessengerOptions;
  readonly #core: Core;
  readonly #opened: Opened;
  readonly #runner: Runner;
  readonly #connection: ClientConnection;
  readonly #outlet = new Outlet();
  readonly #counts = new Map<string, number>();
  readonly #alarm: Alarm;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;
  #isFull = false; // the disk; it was told

  constructor(options: MessengerOptions, opened: Opened) {
    const { identity, dial, random = randomBytes, clock = systemClock, point, again } = options;
    this.#options = options;
    this.#opened = opened;
    this.#core = newCore(identity, opened.state, {
      random,
      sizes: { ...SIZES, ...options.sizes },
      now: () => clock.wall(),
      count: (what) => this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1),
    });
    this.#runner = new Runner({
      core: this.#core,
      opened,
      point,
      settle,
      carryOut: (effect) => this.#carryOut(effect),
      kept: () => {
        this.#isFull = false;
      },
      failed: (error) => this.#failed(error),
    });
    this.#connection = new ClientConnection({
      ...{ runner: this.#runner, dial, own: identity.hex, takeOver: options.takeOver ?? false },
      tell: (event) => this.#outlet.push(event),
      up: () => void this.contacts.lookAgain().catch(() => {}), // at the next login, then
      again,
    });
    this.#alarm = new Alarm(() => void this.#runner.step(due).catch(() => {}));
    this.contacts = new Contacts({
      ...{ core: this.#core, runner: this.#runner, link: () => this.#connection.link },
    });
  }

  async begin(): Promise<void> {
    await this.#runner.step(begin);
    this.#connection.start();
    const { tickMs = TICK_MS } = this.#options;
    if (tickMs !== null) this.#timer = setInterval(() => void this.tick().catch(() => {}), tickMs);
  }

  /** One consumer. It ends when the messenger is closed, and throws when it broke. */
  events(): AsyncIterableIterator<MessengerEvent> {
    return this.#outlet.events();
  }

  // ---- messages ----

  /**
   * Accepts a message for somebody and returns its id: it is on the disk, and goes out as soon as it can;
   * events tell its state. With an id (32 hex digits) that was used for him before nothing happens.
   */
  async send(who: string, what: string | Letter, { id }: { readonly id?: string } = {}) {
    const letter = typeof what === 'string' ? { body: what } : what;
    const bytes = id === undefined ? this.#random(16) : idBytes(id);
    const { content } = encodeContent({
      kind: 'message',
      message: {
        id: bytes,
        date: this.#core.host.now(),
        flags: letter.flags ?? [],
        msg: letter.body,
      },
    });
    if (content.length > MAX_CONTENT)
      throw new FleximError(
        'content-too-large',
        `a message of ${content.length} bytes; the limit is ${MAX_CONTENT}`,
      );
    const X = await this.contacts.resolve(who);
    const name = toHex(bytes);
    await this.#runner.step((core) => {
      if (core.state.places.get(`out:${pair(X, name)}`)) return;
      mayWrite(core, X);
      say(core, X, name, content);
    });
    return name;
  }

  /** The state of a message that was sent, or null. */
  stateOf(who: string, id: string): DeliveryState | null {
    const X = this.contacts.get(who)?.key;
    const { places, lines } = this.#core.state;
    const place = X && places.get(`out:${pair(X, id)}`);
    return (place && lines.get(pair(X, String(place.order)))?.state) || null;
  }

  history(who: string, page?: Page): Message[] {
    const contact = this.contacts.get(who);
    return contact ? readHistory(this.#opened, contact.key, page) : [];
  }

  /** What came and was not marked as read, oldest first: also what came before a crash. */
  unread(): Message[] {
    const { unread, lines } = this.#core.state;
    const rows = unread.values().sort((a, b) => a.order - b.order);
    return rows.flatMap(({ peer, order }) => {
      const line = lines.get(pair(peer, String(order)));
      return line ? [messageOf(line)] : [];
    });
  }

  /** Marks a message as read, by its id, or all of somebody's. */
  read(who: string, id?: string): Promise<void> {
    return this.#read(who, (row) => id === undefined || row.id === id);
  }

  /** Marks somebody's messages as read up to a place in the history. */
  readTo(who: string, last: number): Promise<void> {
    return this.#read(who, ({ order }) => order <= last);
  }

  async #read(who: string, isMeant: (row: UnreadRow) => boolean): Promise<void> {
    const X = await this.contacts.resolve(who);
    await this.#runner.step((core) => {
      const rows = core.state.by.unread.rows(X).filter(isMeant);
      for (const row of rows) core.state.unread.delete(pair(X, row.id));
      if (this.#options.readReceipts)
        this.#tellRead(
          core,
          X,
          rows.map((row) => row.id),
        );
    });
  }

  /** Not repeated: what cannot be said now is not said. */
  #tellRead(core: Core, X: string, read: readonly string[]): void {
    for (let at = 0; at < read.length; at += MAX_IDS) {
      const session = activeOf(core, X);
      if (!session || isHalted(core, X) || isDue(peerOf(core, X))) return;
      if (!hasRoom(session, core.host.sizes.room)) return;
      const ids = read.slice(at, at + MAX_IDS).map(idBytes);
      post(core, X, encodeContent({ kind: 'read', ids }));
    }
  }

  /** Says that one types, or is here: only if that is turned on, to contacts who were heard just now. */
  async sign(who: string, sign: Sign): Promise<boolean> {
    const contact = this.contacts.get(who);
    if (!this.#options.signs || !contact?.added) return false;
    return this.#runner.step((core) => live(core, contact.key, { kind: 'sign', sign }));
  }

  // ---- the rest ----

  /** What the relay knows of its users. Throws `not-connected`. */
  get directory(): Directory {
    const directory = this.#connection.link?.directory;
    if (directory) return directory;
    throw new FleximError('not-connected', 'there is no connection to ask the relay');
  }

  get status(): Status {
    const { state, identity } = this.#core;
    return {
      relay: this.#connection.link?.relay ?? null,
      trouble: this.#connection.trouble,
      caughtUp: this.#connection.isCaughtUp,
      clockAhead: this.#connection.clockAhead,
      key: identity.hex,
      unsettled: state.waiting.size + state.sent.size,
      published: ownRow(state).published,
      isDirect: this.#connection.link?.isDirect ?? false,
      way: this.#options.choice?.name ?? null,
      straight: [...this.#core.straight],
      oneTimeKeys: state.otks.size,
      counts: Object.fromEntries(this.#counts),
    };
  }

  /** Does what is due; it is called by itself every few seconds. */
  tick(): Promise<void> {
    return this.#runner.step(tick);
  }

  /** After a `down` that will not end by itself. */
  reconnect(): void {
    this.#connection.start();
  }

  /** Goes on by another way, in the same conversations. Throws `usage`. */
  async goBy(way: string): Promise<void> {
    const { choice } = this.#options;
    if (!choice) throw new FleximError('usage', 'there is one way only');
    if (way === choice.name) return;
    choice.choose(way);
    await this.#connection.redial();
  }

  /** Ends the connection; what was accepted stays in the store, and goes out another time. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTimers();
    await this.#connection.close();
    await this.#runner.stop(new FleximError('closed', 'this messenger was closed'));
    this.#outlet.end();
  }

  #carryOut(effect: Effect): void {
    if (effect.kind === 'event') this.#outlet.push(effect.event);
    else if (effect.kind === 'again') this.#later(effect.seconds);
    else this.#connection.carryOut(effect);
  }

  #later(seconds: number): void {
    if (this.#options.tickMs !== null) this.#alarm.within(seconds * 1_000);
  }

  /** The disk may have room again later; after anything else nobody knows what the store holds. */
  #failed(error: unknown): void {
    if (isFleximError(error, 'store-full')) {
      if (!this.#isFull) this.#outlet.push({ kind: 'warning', error, peer: null });
      this.#isFull = true;
      return this.#connection.drop(error); // what came and was not kept comes again
    }
    this.#isClosed = true;
    this.#stopTimers();
    void this.#runner.stop(error as Error);
    void this.#connection.close().catch(() => {});
    this.#outlet.end(error as Error);
  }

  #stopTimers(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#alarm.stop();
  }

  #random(length: number): Uint8Array {
    return this.#core.host.random(length);
  }
}

function idBytes(id: string): Uint8Array {
  const bytes = fromHex(id, 16);
  if (!bytes) throw new FleximError('bad-input', 'an id is 32 hex digits');
  return bytes;
}
