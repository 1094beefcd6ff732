// An Enclave node, docs/protocols/enclave.md: it keeps a connection to every friend of the address book, and
// is spoken to by two queues alone. It knows neither terminal nor disk beyond the book, and opens nothing.

import { aliasProblem } from '../../lib/alias.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { AsyncQueue } from '../../lib/queue.ts';
import { printable } from '../../lib/text.ts';
import { type Clock, systemClock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import { dialTcp, type Listener } from '../../net/tcp.ts';
import { Book, type Friend } from './book.ts';
import { Companion } from './companion.ts';
import type { BookFile } from './file.ts';
import { checkAnswer, friendOf } from './match.ts';
import { PAUSES, type Pauses, pauseAfter } from './pause.ts';
import type { FriendView, NodeEvent, Order, Verdict } from './queues.ts';
import { Entrance, LIMITS, type Limits, listen } from './server.ts';
import { Session, violation } from './session.ts';
import { Strangers } from './strangers.ts';
import { encodePacket, type More, type Packet, STATUS } from './wire.ts';

const DIAL_MS = 15_000;
const ANSWER_MS = 180_000; // a person may have to be asked over there
const HANDSHAKE_MS = 10_000;
const ASKED_MS = 120_000;
const LOOK_MS = 5_000; // between looks whether the book was changed
const STEADY_MS = 30_000; // a connection that lasted so long makes the next pause short again
const EVENTS_HIGH = 1_024; // events not taken yet, beyond which nobody is read from

export interface NodeOptions {
  /** Where to listen; port 0 takes a free one. */
  readonly host: string;
  readonly port: number;
  readonly book: BookFile;
  readonly alias: string;
  /** Our flexim key in hex; null for a node that does not encrypt. */
  readonly key: string | null;
  /** What becomes of those who are in no line of the book. */
  readonly strangers: 'ask' | 'refuse' | 'accept';
  readonly limits?: Partial<Limits>;
  readonly pauses?: Pauses;
  readonly patience?: { readonly handshakeMs?: number; readonly askedMs?: number };
  readonly clock?: Pick<Clock, 'wall'>;
}

export class Node {
  readonly inbound = new AsyncQueue<NodeEvent>((left) => this.#taken(left));
  readonly outbound = new AsyncQueue<Order>();
  readonly #options: NodeOptions;
  readonly #entrance: Entrance;
  readonly #strangers: Strangers;
  readonly #company = new Map<string, Companion>(); // by name
  readonly #sessions = new Map<Session, Companion | null>(); // null: it is not known whose
  readonly #leaving = new AbortController();
  #listener: Listener | null = null;
  #timer: NodeJS.Timeout | null = null;
  #early: Session[] = []; // greeted before this node has begun
  #hasBegun = false;
  #isHeld = false;
  #held: Session[] = []; // not read from until events were taken
  #alias: string;
  #status: number = STATUS.available;
  #note = '';
  #spr: Uint8Array | null = null;
  #seen = Book.empty; // what #company was made of
  #left: Promise<void> | null = null;
  #allOver: (() => void) | null = null;

  /** One that nobody can reach yet, and that does nothing before `start`. */
  constructor(options: NodeOptions) {
    this.#options = options;
    this.#alias = options.alias;
    this.#entrance = new Entrance({ ...LIMITS, ...options.limits });
    this.#strangers = new Strangers(options.patience?.askedMs ?? ASKED_MS, (session) =>
      session.finish(),
    );
  }

  /** Listens. Throws `port-in-use`, `port-refused`, and what reading the address book throws. */
  static async open(options: NodeOptions): Promise<Node> {
    const node = new Node(options);
    node.#listener = await listen(options, node.#entrance, (channel) => node.accept(channel));
    node.#put({ kind: 'listening', ...node.address });
    node.start();
    return node;
  }

  start(): void {
    this.#options.book.refresh();
    void this.#obey();
    if (this.#options.key === null) this.#begin();
  }

  get address(): { readonly host: string; readonly port: number } {
    const { host, port } = (this.#listener as Listener).address;
    return { host, port };
  }

  get friends(): FriendView[] {
    return [...this.#company.values()].map(({ view }) => view);
  }

  /** That are open. */
  get connections(): number {
    return [...this.#sessions.keys()].filter(({ isOpen }) => isOpen).length;
  }

  /** Turned away because there was no place. */
  get refused(): number {
    return this.#entrance.refused;
  }

  /** Whether somebody with this key is connected. */
  has(key: string): boolean {
    return this.#withKey(key)?.isHere === true;
  }

  /** The prekeys that somebody who is connected showed, or null. */
  prekeysOf(key: string): Uint8Array | null {
    const sessions = this.#withKey(key)?.sessions ?? [];
    return sessions.findLast(({ spr }) => spr !== null)?.spr ?? null;
  }

  /** Does the orders that were given, says good-bye, and takes what is on its way. */
  leave(): Promise<void> {
    this.outbound.end();
    this.#left ??= this.#leave();
    return this.#left;
  }

  // ---- orders ----

  async #obey(): Promise<void> {
    for await (const order of this.outbound)
      try {
        this.#do(order);
      } catch (error) {
        if (!isFleximError(error)) throw error;
        const name = order.kind === 'message' ? order.to : null;
        this.#put({ kind: 'trouble', error, name, id: 'id' in order ? order.id : null });
      }
    this.#ordersDone();
  }

  #ordersDone: () => void = () => {};
  readonly #obeyed = new Promise<void>((resolve) => {
    this.#ordersDone = resolve;
  });

  #do(order: Order): void {
    switch (order.kind) {
      case 'message':
        return this.#say(order.to, order);
      case 'envelope':
        return this.#withKey(order.key)?.write(order.packet);
      case 'status':
        this.#status = order.status;
        this.#note = order.note;
        return this.#tellAll({ status: order.status, 'status-message': order.note });
      case 'alias':
        this.#alias = order.alias;
        return this.#tellAll({ alias: order.alias });
      case 'answer':
        return this.#answer(order.id, order.verdict, order.name);
      case 'prekeys':
        this.#spr = order.spr;
        if (!this.#hasBegun) return this.#begin();
        return this.#tellAll({ 'fe1-spr': order.spr }, ({ key }) => key !== null);
      case 'look':
        this.#look(true);
    }
  }

  #say(to: string, message: { readonly text: string; readonly id: number }): void {
    const companion = this.#named(to);
    const { friend, newest } = companion;
    if (friend.key !== null)
      throw new FleximError(
        'not-encrypted',
        `${friend.name} has a key: nothing is sent to him without encryption any more`,
      );
    if (!friend.isPlain)
      throw new FleximError(
        'not-encrypted',
        `${friend.name} has no key, and what you write would be read by anybody on the way: ` +
          `nothing was sent. To allow it: flexim enclave plain ${friend.name}`,
      );
    const { id } = message;
    if (newest) newest.write(this.#packet({ message: message.text }));
    else companion.wait(message);
    this.#put({ kind: newest ? 'sent' : 'waiting', id, name: friend.name });
  }

  #tellAll(packet: Packet, isMeant: (session: Session) => boolean = () => true): void {
    const bytes = this.#packet(packet);
    for (const session of this.#sessions.keys())
      if (session.isOpen && isMeant(session)) session.write(bytes);
  }

  #packet(packet: Packet): Buffer {
    return encodePacket({ ...packet, timestamp: this.#now() });
  }

  #now(): number {
    return (this.#options.clock ?? systemClock).wall();
  }

  #handshake(): Packet {
    const { key } = this.#options;
    return {
      ...{ alias: this.#alias, status: this.#status, 'status-message': this.#note },
      ...(key !== null && { 'flexim-key': key }),
      ...(key !== null && this.#spr && { 'fe1-spr': this.#spr }),
    };
  }

  // ---- friends and the book ----

  #begin(): void {
    this.#hasBegun = true;
    this.#read();
    for (const friend of this.#seen.friends) this.#meet(friend);
    for (const session of this.#early.splice(0)) this.#whoIs(session);
    this.#timer = setInterval(() => this.#look(false), LOOK_MS);
    this.#timer.unref();
  }

  #meet(friend: Friend): Companion {
    const companion = new Companion(friend);
    this.#company.set(friend.name, companion);
    this.#show(companion);
    this.#dial(companion);
    return companion;
  }

  /** Takes over what was changed in the book; `isUrgent` also tries everybody at once. */
  #look(isUrgent: boolean): void {
    if (!this.#hasBegun || this.#left) return;
    try {
      const { book } = this.#options;
      book.refresh();
      if (book.book !== this.#seen) this.#reread();
    } catch (error) {
      if (!isFleximError(error)) throw error;
      if (isUrgent) this.#put({ kind: 'trouble', error, name: null, id: null });
    }
    if (isUrgent) for (const companion of this.#company.values()) this.#dialNow(companion);
  }

  #reread(): void {
    this.#read();
    const friends = new Map(this.#seen.friends.map((each) => [each.name, each]));
    for (const [name, companion] of [...this.#company])
      if (!friends.has(name)) this.#forget(companion);
    for (const friend of friends.values()) {
      const companion = this.#company.get(friend.name);
      if (!companion) this.#meet(friend);
      else if (!isSame(companion.friend, friend)) this.#replace(companion, friend);
    }
  }

  /** Damaged lines are told when they are new. */
  #read(): void {
    const before = new Set(this.#seen.damage.map(({ why }) => why));
    this.#seen = this.#options.book.book;
    if (this.#seen.damage.every(({ why }) => before.has(why))) return;
    for (const error of this.#options.book.troubles)
      this.#put({ kind: 'trouble', error, name: null, id: null });
  }

  #forget(companion: Companion): void {
    const { name } = companion.friend;
    this.#company.delete(name);
    companion.stopDialling();
    for (const session of companion.sessions) session.finish();
    this.#put({ kind: 'removed', name });
  }

  #replace(companion: Companion, friend: Friend): void {
    companion.friend = friend;
    for (const session of [...companion.sessions])
      if (friend.isBlocked || session.key !== friend.key) session.finish();
    this.#show(companion);
    if (friend.isBlocked) companion.stopDialling();
    else this.#dialNow(companion);
  }

  #named(name: string): Companion {
    const friend = this.#company.has(name) ? null : this.#seen.named(name);
    const companion = this.#company.get(friend?.name ?? name);
    if (companion) return companion;
    throw new FleximError(
      'contact-unknown',
      `${printable(name, 80)} is not in the address book. flexim enclave friends lists it`,
    );
  }

  #withKey(key: string): Companion | undefined {
    for (const companion of this.#company.values())
      if (companion.friend.key === key) return companion;
    return undefined;
  }

  #show(companion: Companion): void {
    const { view } = companion;
    if (companion.isNews(view)) this.#put({ kind: 'friend', friend: view });
  }

  // ---- dialling ----

  #dialNow(companion: Companion): void {
    companion.stopDialling();
    this.#dial(companion);
  }

  #dial(companion: Companion): void {
    const { friend, dialling, retry, isHere } = companion;
    if (this.#left || dialling || retry || isHere || friend.isBlocked || friend.port === 0) return;
    companion.dialling = true;
    const { signal } = this.#leaving;
    const whom = friend.name;
    dialTcp(friend, { timeoutMs: DIAL_MS, signal, whom }).then(
      (channel) => this.#reached(companion, channel),
      (error: FleximError) => this.#unreached(companion, error),
    );
  }

  #reached(companion: Companion, channel: Channel): void {
    if (this.#left || this.#company.get(companion.friend.name) !== companion) {
      companion.dialling = false;
      return channel.reset();
    }
    const dialled = companion.friend.name;
    const session = new Session(channel, this, { dialled, patienceMs: ANSWER_MS });
    this.#sessions.set(session, companion);
    session.write(this.#packet(this.#handshake()));
  }

  #unreached(companion: Companion, error: FleximError | null): void {
    companion.dialling = false;
    const { friend } = companion;
    if (this.#left || this.#company.get(friend.name) !== companion || companion.isHere) return;
    const said = error && `${error.code} ${error.message}`;
    if (error && said !== companion.told)
      this.#put({ kind: 'trouble', error, name: friend.name, id: null });
    companion.told = said;
    companion.stopDialling();
    companion.retry = setTimeout(
      () => {
        companion.retry = null;
        this.#look(false);
        this.#dial(companion);
      },
      pauseAfter(companion.attempt++, this.#options.pauses ?? PAUSES),
    );
  }

  // ---- who comes ----

  /** Somebody came, and there is a place for him. */
  accept(channel: Channel): void {
    const patienceMs = this.#options.patience?.handshakeMs ?? HANDSHAKE_MS;
    const session = new Session(channel, this, { dialled: null, patienceMs });
    this.#sessions.set(session, null);
  }

  greeted(session: Session): void {
    if (this.#left) return session.fail(new FleximError('closed', 'this node is leaving'));
    const { key } = this.#options;
    if (key !== null && session.key === key) return session.fail(violation('that is this node'));
    if (!this.#hasBegun) this.#early.push(session);
    else if (session.isDialled) this.#answered(session);
    else this.#whoIs(session);
  }

  #answered(session: Session): void {
    const companion = this.#sessions.get(session) as Companion;
    try {
      checkAnswer(this.#options.book.book, companion.friend, session.key);
      this.#welcome(session, companion);
    } catch (error) {
      if (!isFleximError(error)) throw error;
      session.fail(error);
    }
  }

  #whoIs(session: Session): void {
    this.#look(false);
    const { host, key } = session;
    const reached = ({ name }: Friend) => this.#company.get(name)?.reached ?? null;
    const friend = friendOf(this.#options.book.book, { host, key }, reached);
    const companion = friend && this.#company.get(friend.name);
    if (!companion) return this.#unknown(session);
    if (companion.friend.isBlocked) return session.finish();
    this.#invite(session, companion);
  }

  #unknown(session: Session): void {
    const { strangers } = this.#options;
    if (strangers === 'refuse') return this.#refuse(session);
    const stranger = this.#strangers.add(session);
    if (!stranger) return this.#refuse(session);
    if (strangers === 'ask') this.#put({ kind: 'stranger', stranger });
    else this.#answer(stranger.id, 'accept', null);
  }

  #refuse(session: Session): void {
    const { host, alias, key } = session;
    const who = `${printable(alias, 40)} at ${host}${key === null ? '' : `, key ${key}`}`;
    const error = new FleximError(
      'contact-unknown',
      `${who} is not in the address book, and was refused`,
    );
    this.#put({ kind: 'trouble', error, name: null, id: null });
    session.finish();
  }

  #answer(id: number, verdict: Verdict, name: string | null): void {
    const waiting = this.#strangers.take(id);
    if (!waiting) throw new FleximError('contact-unknown', 'he does not wait any more');
    const { session } = waiting;
    if (verdict === 'ignore') return session.finish();
    try {
      const companion = this.#meet(this.#enter(session, name, verdict === 'block'));
      if (verdict === 'block') session.finish();
      else this.#invite(session, companion);
    } catch (error) {
      session.finish();
      throw error;
    }
  }

  /** A line of the book for somebody who came. */
  #enter({ host, alias, key }: Session, wanted: string | null, isBlocked: boolean): Friend {
    const { book } = this.#options;
    const isFree = (name: string) => !aliasProblem(name) && book.book.named(name) === null;
    let name = wanted ?? alias;
    for (let n = 1; wanted === null && !isFree(name); n++) name = `friend${n}`;
    const friend = { name, host, port: 0, key, isPlain: false, isBlocked };
    book.update((before) => before.add(friend));
    return book.book.named(name) as Friend;
  }

  /** Our handshake for one who dialled, and he is in. */
  #invite(session: Session, companion: Companion): void {
    this.#sessions.set(session, companion);
    this.#entrance.known(session.host);
    session.write(this.#packet(this.#handshake()));
    this.#welcome(session, companion);
  }

  #welcome(session: Session, companion: Companion): void {
    if (session.isDialled) companion.dialling = false;
    companion.stopDialling();
    this.#learn(session, companion);
    const ended = companion.join(session, this.#options.key);
    if (this.#isHeld) this.#hold(session);
    session.open();
    this.#show(companion);
    for (const each of ended) each.finish();
    if (session.key === null) this.#deliver(companion);
  }

  /** The first key that he shows is his from now on, and he is plain no more. */
  #learn({ key }: Session, companion: Companion): void {
    const { friend } = companion;
    if (key === null || friend.key !== null) return;
    companion.friend = { ...friend, key, isPlain: false };
    this.#put({ kind: 'first-key', name: friend.name, key });
    try {
      this.#options.book.update((book) => book.change(friend.name, { key, isPlain: false }));
    } catch (error) {
      if (!isFleximError(error)) throw error;
      this.#put({ kind: 'trouble', error, name: friend.name, id: null });
    }
    for (const { id } of companion.takeWaiting()) {
      const words = `${friend.name} has a key now: what waited for him was not sent`;
      const error = new FleximError('not-encrypted', words);
      this.#put({ kind: 'trouble', error, name: friend.name, id });
    }
  }

  #deliver(companion: Companion): void {
    for (const message of companion.takeWaiting()) this.#say(companion.friend.name, message);
  }

  // ---- what comes ----

  came(session: Session, packet: Packet, more: More): void {
    const companion = this.#sessions.get(session);
    if (!companion) return;
    const { key } = session;
    const claimed = packet['flexim-key'];
    if (claimed !== undefined && claimed !== key) throw violation('the key changed on the way');
    if (companion.shows(packet) && companion.sessions.includes(session)) this.#show(companion);
    const { message, fe1, 'fe1-spr': spr, status, timestamp: at = null } = packet;
    if (key === null) {
      if (fe1 || spr) throw violation('FE1 from one who has shown no key');
      const { name } = companion.friend;
      if (message !== undefined) this.#put({ kind: 'message', name, text: message, at, more });
    } else {
      if (message !== undefined)
        throw violation(
          `${companion.friend.name} has a key, and sent a message without encryption`,
        );
      if (spr) session.spr = spr;
      if (spr || claimed) this.#put({ kind: 'peer', key, spr: session.spr });
      if (fe1) this.#envelope(session, companion, fe1);
    }
    if (status === STATUS.offline) session.finish();
  }

  #envelope(session: Session, companion: Companion, envelope: Uint8Array): void {
    const opened = (key: string) => {
      if (session.isProven || session.key !== key) return;
      session.isProven = true;
      for (const each of companion.surplus(this.#options.key)) each.finish();
      if (companion.sessions.includes(session)) this.#show(companion);
    };
    this.#put({ kind: 'envelope', envelope, opened });
  }

  eased(session: Session): void {
    const companion = this.#sessions.get(session);
    if (companion) this.#put({ kind: 'eased', name: companion.friend.name });
  }

  ended(session: Session, error: FleximError | null): void {
    const companion = this.#sessions.get(session) ?? null;
    this.#sessions.delete(session);
    if (!session.isDialled) this.#gone(session, companion);
    if (companion) this.#lost(session, companion, error);
    else if (error)
      this.#put({ kind: 'trouble', error: from(session, error), name: null, id: null });
    if (this.#sessions.size === 0) this.#allOver?.();
  }

  /** A place is free again. */
  #gone(session: Session, companion: Companion | null): void {
    this.#entrance.left();
    if (companion) return;
    this.#entrance.known(session.host);
    this.#early = this.#early.filter((each) => each !== session);
    const id = this.#strangers.of(session);
    if (id === null) return;
    this.#strangers.take(id);
    this.#put({ kind: 'stranger-gone', id });
  }

  #lost(session: Session, companion: Companion, error: FleximError | null): void {
    const wasOpen = companion.leave(session);
    if (session.isDialled && !wasOpen) return this.#unreached(companion, error);
    if (!wasOpen) return;
    const { key, spr } = session;
    const { name } = companion.friend;
    if (error) this.#put({ kind: 'trouble', error, name, id: null });
    if (key !== null)
      // What was on its way on this one may be lost: whoever has it sends it again on the others.
      this.#put(companion.isHere ? { kind: 'peer', key, spr } : { kind: 'peer-gone', key });
    this.#show(companion);
    if (performance.now() - session.since > STEADY_MS) companion.attempt = 0;
    this.#unreached(companion, null);
  }

  // ---- the queue to the frontend ----

  #put(event: NodeEvent): void {
    this.inbound.push(event);
    if (this.#isHeld || this.inbound.length < EVENTS_HIGH) return;
    this.#isHeld = true;
    for (const session of this.#sessions.keys()) if (session.isOpen) this.#hold(session);
  }

  #hold(session: Session): void {
    session.hold();
    this.#held.push(session);
  }

  #taken(left: number): void {
    if (!this.#isHeld || left > EVENTS_HIGH / 2) return;
    this.#isHeld = false;
    for (const session of this.#held.splice(0)) session.release();
  }

  // ---- the end ----

  async #leave(): Promise<void> {
    await this.#obeyed;
    if (this.#timer) clearInterval(this.#timer);
    this.#leaving.abort();
    for (const companion of this.#company.values()) companion.stopDialling();
    for (const { session } of this.#strangers.all()) session.finish();
    for (const companion of this.#company.values()) this.#undelivered(companion);
    this.#tellAll({ status: STATUS.offline });
    const over = new Promise<void>((resolve) => {
      this.#allOver = resolve;
    });
    for (const session of [...this.#sessions.keys()])
      if (session.isOpen) session.finish();
      else session.fail(new FleximError('closed', 'this node is leaving'));
    if (this.#sessions.size > 0) await over;
    await this.#listener?.close();
    this.inbound.end();
  }

  /** What is lost now is not lost silently. */
  #undelivered(companion: Companion): void {
    const { name } = companion.friend;
    for (const { id } of companion.takeWaiting()) {
      const error = new FleximError('not-connected', `${name} did not come: it was not sent`);
      this.#put({ kind: 'trouble', error, name, id });
    }
  }
}

function isSame(a: Friend, b: Friend): boolean {
  return (Object.keys(a) as (keyof Friend)[]).every((field) => a[field] === b[field]);
}

function from(session: Session, error: FleximError): FleximError {
  const { alias, host } = session;
  const who = alias === '' ? host : `${printable(alias, 40)} at ${host}`;
  return new FleximError(error.code, `${who}: ${error.message}`, error.cause);
}
