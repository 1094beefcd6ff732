// One connection as the client sees it: docs/protocols/flexim.md §3, §5 and §8. Login is a straight
// line of awaited frames; after it frames go by table, and answers are matched to commands in order.

import { hostAndPort } from '../../lib/address.ts';
import { sameBytes, toHex, utf8 } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import { printable } from '../../lib/text.ts';
import { Deadlines, systemClock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import { Connection, type ConnectionHandler } from '../../net/connection.ts';
import type { DatumOf, Handlers } from '../../wire/datum.ts';
import type { Delimiter } from '../../wire/frames.ts';
import type { DialOptions, Person, RelayInfo } from '../protocol.ts';
import { Acks } from './acks.ts';
import { answerChallenge, checkProof, mismatch } from './login.ts';
import { answersCommand, STATUS } from './status.ts';
import {
  type DatumName,
  type Datums,
  datums,
  encodeFrame,
  FRAME_HEAD,
  frameDelimiter,
  HELLO,
  type Message,
  type Status,
  type User,
} from './wire.ts';

export const ANSWER_MS = 20_000;
const HEARTBEAT_MS = 30_000;
const REPLY_BYTES = 1024 * 1024;
const MAX_ALIAS = 64; // characters; the relay may be anybody
const MAX_WAIT_S = 3_600; // no relay can ask for more
const BUSY = /^login-(busy|new-key) \d/;

/** What a command may be answered with. */
export type Answer = { readonly [N in 'User' | 'Roster' | 'Status' | 'Command']: NamedDatum<N> }[
  | 'User'
  | 'Roster'
  | 'Status'
  | 'Command'];
interface NamedDatum<N extends DatumName> {
  readonly name: N;
  readonly datum: DatumOf<Datums, N>;
}

export interface SessionHandler {
  /** `msg` of a Message, a copy, and its number on this connection. */
  delivered(envelope: Uint8Array, n: number): void;
  /** A Status that answers no command. */
  noticed(status: Status): void;
  /** Once, after a login that went well. */
  ended(error: FleximError): void;
}

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

type Expected = { name: DatumName; resolve(datum: never): void; reject(error: Error): void };

/** Logs in over an open channel. Throws what went wrong, and the channel is closed then. */
export async function login(
  channel: Channel,
  handler: SessionHandler,
  options: DialOptions & { readonly signal?: AbortSignal },
): Promise<Session> {
  const session = new Session(channel, handler);
  const abort = () => session.fail(new FleximError('closed', 'the login was given up'));
  options.signal?.addEventListener('abort', abort);
  const limit = setTimeout(
    () =>
      session.fail(new FleximError('login-timeout', 'the relay did not finish the login in time')),
    options.timeoutMs ?? ANSWER_MS,
  );
  try {
    await session.login(options);
    return session;
  } catch (error) {
    session.fail(error as Error);
    throw error;
  } finally {
    clearTimeout(limit);
    options.signal?.removeEventListener('abort', abort);
  }
}

export class Session implements ConnectionHandler {
  relay: RelayInfo = { name: '', key: '', host: '', port: 0, firstContact: false };
  self: Person = { key: '', aliases: [], lastSeen: 0 };
  /** This key had never logged in here before. */
  isFirstLogin = false;
  readonly #connection: Connection;
  readonly #handler: SessionHandler;
  readonly #pending: Pending[] = [];
  readonly #answers: Deadlines<Pending>;
  #expected: Expected | null = null;
  #loggedIn = false;
  #isHeld = false;
  #failure: FleximError | null = null;
  #retiring: FleximError | null = null; // why this session is about to end
  #acks: Acks | null = new Acks(); // null when the relay does not know them
  #ackScheduled = false;
  #acknowledged = 0;
  #sent = 0;
  #heartbeat: NodeJS.Timeout | null = null;

  constructor(channel: Channel, handler: SessionHandler) {
    this.#handler = handler;
    this.#connection = new Connection(channel, greetingDelimiter, this, {
      replyBytes: REPLY_BYTES,
    });
    this.#answers = new Deadlines(ANSWER_MS, systemClock, () =>
      this.fail(new FleximError('connection-lost', 'the relay does not answer any more')),
    );
  }

  // ---- login, a straight line ----

  async login({ identity, host, port, relayKey, pins }: DialOptions): Promise<void> {
    const place = hostAndPort({ host, port });
    const { binding, serverKey } = this.#connection.channel;
    this.#connection.channel.keep();
    this.#connection.send(Buffer.from(HELLO));

    const greeting = await this.#next('User');
    const hex = toHex(greeting.key);
    const pinned = pins.get(place);
    checkKey(hex, place, pinned, relayKey ?? null);
    if (serverKey && !sameBytes(serverKey, greeting.key)) throw mismatch();

    this.#frame('Command', { cmd: 'ACKS', payload: ['on'] });
    this.#frame('Command', { cmd: 'AUTH', payload: [identity.hex] });
    const { status } = await this.#next('Status');
    if (status !== STATUS.fine) this.#acks = null;
    const auth = await this.#next('Auth');
    const answer = answerChallenge(auth, { identity, relay: greeting.key, binding });
    this.#frame('AuthResponse', answer.response);

    const user = await this.#next('User');
    checkProof(user.proof, answer.nonce);
    if (toHex(user.key) !== identity.hex) throw mismatch();
    // Another process may have pinned another key in the meantime.
    if (pinned === null) checkKey(hex, place, await pins.add(place, hex), relayKey ?? null);
    if (this.#failure) throw this.#failure;

    const name = printable(greeting.aliases[0] ?? '', 64);
    this.relay = { name, key: hex, host, port, firstContact: pinned === null };
    this.self = person(user);
    this.isFirstLogin = answer.lastSeen === 0;
    this.#loggedIn = true;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
  }

  /** Lets the frames after the login through; the handler must be ready for them. */
  start(): void {
    this.#connection.release();
  }

  /** The next frame of this type; reading stops behind it, so that the line goes on in order. */
  #next<N extends DatumName>(name: N): Promise<DatumOf<Datums, N>> {
    const { promise, resolve, reject } = withResolvers<DatumOf<Datums, N>>();
    if (this.#failure) reject(this.#failure);
    else {
      const first = this.#expected === null;
      this.#expected = { name, resolve, reject };
      if (!first) this.#connection.release();
    }
    return promise;
  }

  #loginFrame(name: DatumName, bytes: Buffer): void {
    this.#connection.cutBy(frameDelimiter);
    if (name === 'Status') {
      const { status, payload } = datums.unpack('Status', bytes);
      if (status >= 10 || status <= -10) return;
      if (this.#expected?.name === 'Status' && answersCommand(status))
        return this.#arrived({ status, payload });
      if (status === STATUS.stopping) throw stopping(payload);
      if (BUSY.test(payload)) throw slowDown(payload.replace(/^\S+ /, ''), 'for the next login');
      throw new FleximError(
        'login-refused',
        `the relay refused the login: ${printable(payload) || `status ${status}`}`,
      );
    }
    const expected = this.#expected;
    if (!expected || name !== expected.name)
      throw new FleximError('protocol-violation', `the relay sent a ${name} during the login`);
    this.#arrived(copied(datums.unpack(name, bytes)));
  }

  #arrived(datum: object): void {
    this.#connection.hold();
    this.#expected?.resolve(datum as never);
  }

  // ---- after login ----

  /** Sends a command and gives its answer; a negative Status is an answer too. */
  async command(cmd: string, ...payload: string[]): Promise<Answer> {
    this.#mustBeUp();
    const { promise, resolve, reject } = withResolvers<Answer>();
    const pending = { resolve, reject };
    this.#frame('Command', { cmd, payload });
    this.#pending.push(pending);
    if (!this.#isHeld) this.#answers.start(pending);
    return promise;
  }

  #mustBeUp(): void {
    const why = this.#failure ?? this.#retiring;
    if (why) throw why;
  }

  /** Sends a Message and returns its number on this connection. */
  send(to: string, envelope: Uint8Array): number {
    this.#mustBeUp();
    this.#frame('Message', { to, from: '', flags: [], date: 0, msg: envelope });
    return ++this.#sent;
  }

  /** Message n is safe: the relay may forget it. */
  done(n: number): void {
    if (this.#failure || !this.#acks?.done(n) || this.#ackScheduled) return;
    this.#ackScheduled = true;
    setImmediate(() => {
      this.#ackScheduled = false;
      this.#acknowledge();
    });
  }

  #acknowledge(): void {
    if (this.#failure || this.#retiring || !this.#acks) return;
    if (this.#acks.safe === this.#acknowledged) return;
    this.#acknowledged = this.#acks.safe;
    this.#frame('Command', { cmd: 'ACK', payload: [String(this.#acknowledged)] });
  }

  /** Stops reading, for a consumer that does not keep up: until `release` no answer can be late. */
  hold(): void {
    this.#isHeld = true;
    for (const pending of this.#pending) this.#answers.stop(pending);
    this.#connection.hold();
  }

  release(): void {
    this.#isHeld = false;
    for (const pending of this.#pending) this.#answers.start(pending);
    this.#connection.release();
  }

  /** Says BYE and waits until what was sent is written and the relay has closed. */
  async close(): Promise<void> {
    if (this.#failure) return;
    this.#acknowledge();
    await this.command('BYE').catch(() => {});
    this.fail(new FleximError('closed', 'this connection was closed'));
  }

  readonly #steady: Handlers<Datums, Session> = {
    Auth: () => {},
    AuthResponse: () => {},
    Message: () => {}, // counted and handed on by #messageFrame
    User: (_, datum) => this.#answer({ name: 'User', datum: copied(datum) }),
    Roster: (_, datum) =>
      this.#answer({ name: 'Roster', datum: { users: datum.users.map(copied) } }),
    Command: (_, datum) => this.#answer({ name: 'Command', datum }),
    Status: (_, datum) => {
      if (answersCommand(datum.status)) this.#answer({ name: 'Status', datum });
      else if (datum.status === STATUS.replaced) throw replaced();
      else if (datum.status === STATUS.loginFailed)
        throw new FleximError('login-refused', `the relay ended this: ${printable(datum.payload)}`);
      else if (datum.status === STATUS.stopping) this.#retire(stopping(datum.payload));
      else this.#handler.noticed(datum);
    },
  };

  /** The relay stops: it gets our last word, and we what is still on its way here. */
  #retire(why: FleximError): void {
    if (this.#retiring) return;
    this.#acknowledge();
    this.command('BYE')
      .catch(() => {})
      .then(() => this.fail(why));
    this.#retiring = why;
  }

  #answer(answer: Answer): void {
    const pending = this.#pending.shift();
    if (!pending)
      throw new FleximError('protocol-violation', 'the relay answered what nobody asked');
    this.#answers.stop(pending);
    pending.resolve(answer);
  }

  #beat(): void {
    if (this.#pending.length === 0) this.command('PING').catch(() => {});
  }

  #frame<N extends DatumName>(name: N, datum: DatumOf<Datums, N>): void {
    this.#connection.send(encodeFrame(name, datum));
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    const name = datums.nameOf(bytes[start] as number);
    if (name === null || this.#failure) return; // a type of a later revision
    const body = bytes.subarray(start + FRAME_HEAD, end);
    if (!this.#loggedIn) return this.#loginFrame(name, body);
    if (name === 'Message') return this.#messageFrame(body);
    const handle = this.#steady[name] as (session: Session, datum: unknown) => void;
    handle(this, datums.unpack(name, body));
  }

  /** Anybody may send us a Message with a nonsensical body: it is passed over. */
  #messageFrame(body: Buffer): void {
    const n = this.#acks?.next() ?? 0;
    let message: Message;
    try {
      message = datums.unpack('Message', body);
    } catch (error) {
      if (isFleximError(error, 'malformed')) return this.done(n);
      throw error;
    }
    const { msg } = message;
    this.#handler.delivered(typeof msg === 'string' ? utf8(msg) : msg.slice(), n);
  }

  failed(error: Error): void {
    this.fail(error);
  }

  closed(error: Error | null): void {
    const why = error ? `: ${error.message}` : '';
    this.fail(new FleximError('connection-lost', `the relay closed the connection${why}`, error));
  }

  /** Ends the session for this reason; the first one counts. */
  fail(reason: Error): void {
    if (this.#failure) return;
    const error =
      this.#retiring ??
      (isFleximError(reason)
        ? reason
        : new FleximError('protocol-violation', 'this connection failed', reason));
    this.#failure = error;
    if (this.#heartbeat) clearInterval(this.#heartbeat);
    if (error.code === 'closed' || error.code === 'relay-stopping') this.#connection.end();
    else this.#connection.reset();
    this.#expected?.reject(error);
    for (const pending of this.#pending.splice(0)) {
      this.#answers.stop(pending);
      pending.reject(error);
    }
    if (this.#loggedIn) this.#handler.ended(error);
  }
}

const isLetter = (byte: number): boolean => byte >= 0x20 && byte < 0x7f; // no type of ours is one

/** Another service on that port, if it speaks in text, is known by its first byte at once. */
const greetingDelimiter: Delimiter = (bytes, start, end) => {
  if (end > start && isLetter(bytes[start] as number))
    throw new FleximError('protocol-violation', 'what answers there is no Flexim relay');
  return frameDelimiter(bytes, start, end);
};

/** A relay must have the key that the address names, and the one that was pinned here. */
function checkKey(hex: string, place: string, pinned: string | null, named: string | null): void {
  const wanted = named ?? pinned;
  if ((wanted === null || wanted === hex) && (pinned === null || pinned === hex)) return;
  const expected = pinned !== null && pinned !== hex ? pinned : wanted;
  throw new FleximError(
    'relay-key-changed',
    `the relay at ${place} shows the key ${hex}, but ${expected} was expected` +
      `${expected === pinned ? ' from earlier contacts' : ' by its address'}. ` +
      'Nothing was sent. If its operator confirms the new key, accept it with: ' +
      `flexim relays trust "flexim://${place}?relay=${hex}"`,
  );
}

function replaced(): FleximError {
  return new FleximError(
    'replaced',
    'a newer login with this key took over; this connection has ended',
  );
}

function secondsOf(payload: string): number {
  return Math.min(Number(/^\d+/.exec(payload)?.[0] ?? 0), MAX_WAIT_S);
}

/** The relay wants to be asked less often; `cause.seconds` says when it may be asked again. */
export function slowDown(payload: string, what: string): FleximError {
  const seconds = Math.max(1, secondsOf(payload));
  return new FleximError('slow-down', `the relay asks to wait ${seconds} s ${what}`, { seconds });
}

function stopping(payload: string): FleximError {
  const seconds = secondsOf(payload);
  return new FleximError('relay-stopping', `the relay is stopping; it asks to wait ${seconds} s`, {
    seconds,
  });
}

export function person({ key, aliases, last_seen }: User): Person {
  const shown = aliases.map((alias) => printable(alias, MAX_ALIAS));
  return { key: toHex(key), aliases: shown, lastSeen: last_seen };
}

/** bin values are views of memory that is used again. */
function copied<T extends object>(datum: T): T {
  const entries = Object.entries(datum).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? value.slice() : value,
  ]);
  return Object.fromEntries(entries) as T;
}
