// An Enclave node, docs/protocols/enclave.md: it keeps a connection to every friend of the address book, and
// is spoken to by two queues alone. It knows neither terminal nor disk beyond the book, and opens nothing.

import { sameBytes } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { AsyncQueue } from '../../lib/queue.ts';
import { printable } from '../../lib/text.ts';
import { type Clock, systemClock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import type { Listener } from '../../net/tcp.ts';
import type { Companion } from './companion.ts';
import { Company } from './company.ts';
import { Dialler } from './dialler.ts';
import type { BookFile } from './file.ts';
import { Intake } from './intake.ts';
import { PAUSES, type Pauses } from './pause.ts';
import type { FriendView, NodeEvent, Order } from './queues.ts';
import { Self } from './self.ts';
import { Entrance, LIMITS, type Limits, listen } from './server.ts';
import { Session, violation } from './session.ts';
import { Strangers } from './strangers.ts';
import { type More, type Packet, STATUS } from './wire.ts';

const ANSWER_MS = 180_000; // a person may have to be asked over there
const HANDSHAKE_MS = 10_000;
const ASKED_MS = 120_000;
const LOOK_MS = 5_000; // between looks whether the book was changed
const STEADY_MS = 30_000; // a connection that lasted so long makes the next pause short again

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
  readonly outbound = new AsyncQueue<Order>();
  readonly #options: NodeOptions;
  readonly #self: Self;
  readonly #entrance: Entrance;
  readonly #strangers: Strangers;
  readonly #company: Company;
  readonly #dialler: Dialler;
  readonly #intake = new Intake(() => [...this.#sessions.keys()].filter(({ isOpen }) => isOpen));
  readonly #sessions = new Map<Session, Companion | null>(); // null: it is not known whose
  #listener: Listener | null = null;
  #timer: NodeJS.Timeout | null = null;
  #early: Session[] = []; // greeted before this node has begun
  #hasBegun = false;
  #left: Promise<void> | null = null;
  #allOver: (() => void) | null = null;

  /** One that nobody can reach yet, and that does nothing before `start`. */
  constructor(options: NodeOptions) {
    this.#options = options;
    const { key, alias, clock = systemClock } = options;
    this.#self = new Self(key, alias, clock);
    this.#entrance = new Entrance({ ...LIMITS, ...options.limits });
    this.#company = new Company({
      book: options.book,
      put: (event) => this.#put(event),
      dial: (companion) => this.#dialler.dial(companion),
    });
    this.#dialler = new Dialler({
      pauses: options.pauses ?? PAUSES,
      isWanted: (companion) => this.#company.has(companion),
      reached: (companion, channel) => this.#reached(companion, channel),
      failed: ({ friend }, error) => this.#trouble(error, friend.name),
      look: () => this.#look(false),
    });
    this.#strangers = new Strangers({
      policy: options.strangers,
      patienceMs: options.patience?.askedMs ?? ASKED_MS,
      put: (event) => this.#put(event),
      enter: (...stranger) => this.#company.enter(...stranger),
      invite: (session, companion) => this.#invite(session, companion),
    });
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
    if (this.#self.key === null) this.#begin();
  }

  get inbound(): AsyncQueue<NodeEvent> {
    return this.#intake.queue;
  }

  get address(): { readonly host: string; readonly port: number } {
    const { host, port } = (this.#listener as Listener).address;
    return { host, port };
  }

  get friends(): FriendView[] {
    return this.#company.all.map(({ view }) => view);
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
    return this.#company.withKey(key)?.isHere === true;
  }

  /** The prekeys that somebody who is connected showed, or null. */
  prekeysOf(key: string): Uint8Array | null {
    const sessions = this.#company.withKey(key)?.sessions ?? [];
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
      this.#try(
        () => this.#do(order),
        order.kind === 'message' ? order.to : null,
        'id' in order ? order.id : null,
      );
    this.#ordersDone();
  }

  #try(work: () => void, name: string | null, id: number | null): void {
    try {
      work();
    } catch (error) {
      if (!isFleximError(error)) throw error;
      this.#trouble(error, name, id);
    }
  }

  #ordersDone: () => void = () => {};
  readonly #obeyed = new Promise<void>((resolve) => {
    this.#ordersDone = resolve;
  });

  #do(order: Order): void {
    const self = this.#self;
    switch (order.kind) {
      case 'message':
        return this.#say(order.to, order);
      case 'envelope':
        return this.#company.withKey(order.key)?.write(order.packet);
      case 'status':
        self.status = order.status;
        self.note = order.note;
        return this.#tellAll({ status: order.status, 'status-message': order.note });
      case 'alias':
        self.alias = order.alias;
        return this.#tellAll({ alias: order.alias });
      case 'answer':
        return this.#strangers.answer(order.id, order.verdict, order.name);
      case 'prekeys':
        self.spr = order.spr;
        if (!this.#hasBegun) return this.#begin();
        return this.#tellAll({ 'fe1-spr': order.spr }, ({ key }) => key !== null);
      case 'look':
        this.#look(true);
    }
  }

  #say(to: string, message: { readonly text: string; readonly id: number }): void {
    const companion = this.#company.named(to);
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
    if (newest) newest.write(this.#self.packet({ message: message.text }));
    else companion.wait(message);
    this.#put({ kind: newest ? 'sent' : 'waiting', id, name: friend.name });
  }

  #tellAll(packet: Packet, isMeant: (session: Session) => boolean = () => true): void {
    const bytes = this.#self.packet(packet);
    for (const session of this.#sessions.keys())
      if (session.isOpen && isMeant(session)) session.write(bytes);
  }

  // ---- friends ----

  #begin(): void {
    this.#hasBegun = true;
    this.#look(false);
    for (const session of this.#early.splice(0)) this.#whoIs(session);
    this.#timer = setInterval(() => this.#look(false), LOOK_MS);
    this.#timer.unref();
  }

  /** Takes over what was changed in the book; `isUrgent` also tries everybody at once. */
  #look(isUrgent: boolean): void {
    if (!this.#hasBegun || this.#left) return;
    try {
      this.#company.look();
    } catch (error) {
      if (!isFleximError(error)) throw error;
      if (isUrgent) this.#trouble(error, null);
    }
    if (isUrgent) for (const companion of this.#company.all) this.#dialler.dialNow(companion);
  }

  #reached(companion: Companion, channel: Channel): void {
    const dialled = companion.friend.name;
    const session = new Session(channel, this, { dialled, patienceMs: ANSWER_MS });
    companion.pending = session;
    this.#sessions.set(session, companion);
    session.write(this.#self.handshake());
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
    const { key } = this.#self;
    if (key !== null && session.key === key) return session.fail(violation('that is this node'));
    if (!this.#hasBegun) this.#early.push(session);
    else if (session.isDialled) this.#answered(session);
    else this.#whoIs(session);
  }

  #answered(session: Session): void {
    const companion = this.#sessions.get(session) as Companion;
    try {
      this.#company.check(companion, session);
      this.#welcome(session, companion);
    } catch (error) {
      if (!isFleximError(error)) throw error;
      session.fail(error);
    }
  }

  #whoIs(session: Session): void {
    this.#look(false);
    const companion = this.#company.of(session);
    if (!companion) return this.#strangers.knock(session);
    if (companion.friend.isBlocked) return session.finish();
    // A key that is his already, though the book could not be changed, makes others strangers.
    if (companion.friend.key !== null && companion.friend.key !== session.key)
      return this.#strangers.knock(session);
    this.#invite(session, companion);
  }

  /** Our handshake for one who dialled, and he is in. */
  #invite(session: Session, companion: Companion): void {
    this.#sessions.set(session, companion);
    this.#entrance.known(session.host);
    session.write(this.#self.handshake());
    this.#welcome(session, companion);
  }

  #welcome(session: Session, companion: Companion): void {
    if (companion.pending === session) companion.pending = null;
    if (session.isDialled) companion.dialling = false;
    if (session.key !== null) this.#company.learn(companion, session.key);
    const ended = companion.join(session, this.#self.key);
    if (companion.isSettled) companion.stopDialling();
    this.#intake.join(session);
    session.open();
    this.#company.show(companion);
    for (const each of ended) each.finish();
    if (session.key === null) this.#deliver(companion);
  }

  #deliver(companion: Companion): void {
    const { name } = companion.friend;
    for (const message of companion.takeWaiting())
      this.#try(() => this.#say(name, message), name, message.id);
  }

  // ---- what comes ----

  came(session: Session, packet: Packet, more: More): void {
    const companion = this.#sessions.get(session);
    if (!companion) return;
    const { key } = session;
    const claimed = packet['flexim-key'];
    if (claimed !== undefined && claimed !== key) throw violation('the key changed on the way');
    if (companion.shows(packet) && companion.sessions.includes(session))
      this.#company.show(companion);
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
      const isNew = spr !== undefined && !(session.spr && sameBytes(session.spr, spr));
      if (isNew) session.spr = spr;
      if (isNew || claimed) this.#put({ kind: 'peer', key, spr: session.spr });
      if (fe1) this.#envelope(session, companion, fe1);
    }
    if (status === STATUS.offline) session.finish();
  }

  #envelope(session: Session, companion: Companion, envelope: Uint8Array): void {
    const opened = (key: string) => {
      if (session.isProven || session.key !== key) return;
      session.isProven = true;
      companion.stopDialling();
      for (const each of companion.surplus(this.#self.key)) each.finish();
      if (companion.sessions.includes(session)) this.#company.show(companion);
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
    else if (error) this.#trouble(from(session, error), null);
    if (this.#sessions.size === 0) this.#allOver?.();
  }

  /** A place is free again. */
  #gone(session: Session, companion: Companion | null): void {
    this.#entrance.left();
    if (companion) return;
    this.#entrance.known(session.host);
    this.#early = this.#early.filter((each) => each !== session);
    this.#strangers.gone(session);
  }

  #lost(session: Session, companion: Companion, error: FleximError | null): void {
    const wasOpen = companion.leave(session);
    if (companion.pending === session) companion.pending = null;
    if (session.isDialled && !wasOpen) return this.#dialler.again(companion, error);
    if (!wasOpen) return;
    const { key, spr } = session;
    const { name } = companion.friend;
    if (error) this.#trouble(error, name);
    if (key !== null)
      // What was on its way on this one may be lost: whoever has it sends it again on the others.
      this.#put(companion.isHere ? { kind: 'peer', key, spr } : { kind: 'peer-gone', key });
    this.#company.show(companion);
    if (performance.now() - session.since > STEADY_MS) companion.attempt = 0;
    this.#dialler.again(companion, null);
  }

  #put(event: NodeEvent): void {
    this.#intake.put(event);
  }

  #trouble(error: FleximError, name: string | null, id: number | null = null): void {
    this.#put({ kind: 'trouble', error, name, id });
  }

  // ---- the end ----

  async #leave(): Promise<void> {
    await this.#obeyed;
    if (this.#timer) clearInterval(this.#timer);
    this.#dialler.stop();
    for (const companion of this.#company.all) this.#undelivered(companion);
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
    companion.stopDialling();
    const { name } = companion.friend;
    for (const { id } of companion.takeWaiting())
      this.#trouble(
        new FleximError('not-connected', `${name} did not come: it was not sent`),
        name,
        id,
      );
  }
}

function from(session: Session, error: FleximError): FleximError {
  const { alias, host } = session;
  const who = alias === '' ? host : `${printable(alias, 40)} at ${host}`;
  return new FleximError(error.code, `${who}: ${error.message}`, error.cause);
}
