// One connection as the client sees it: docs/protocols/flexim.md §7.3 and §8.1. Once it is through its
// entry, frames go by table, and answers are matched to commands in order.

import { toHex, utf8 } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import { printable } from '../../lib/text.ts';
import { Deadlines, systemClock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import { Connection, type ConnectionHandler } from '../../net/connection.ts';
import type { DatumOf, Handlers } from '../../wire/datum.ts';
import type { DialOptions, Person, RelayInfo } from '../protocol.ts';
import { ACK_PAUSE_MS, Acks, isMuch } from './acks.ts';
import { Entry, greetingDelimiter } from './entry.ts';
import { answersCommand, replaced, STATUS, stopping } from './status.ts';
import {
  copied,
  type DatumName,
  type Datums,
  datums,
  encodeFrame,
  FRAME_HEAD,
  type Message,
  type Status,
  type User,
} from './wire.ts';

export const ANSWER_MS = 20_000;
const HEARTBEAT_MS = 30_000;
const REPLY_BYTES = 1024 * 1024;
const MAX_ALIAS = 64; // characters; the relay may be anybody

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
  #entry: Entry | null; // until the login is done
  #isHeld = false;
  #failure: FleximError | null = null;
  #retiring: FleximError | null = null; // why this session is about to end
  #acks: Acks | null = new Acks(); // null when the relay does not know them
  #ackScheduled = false;
  #ackPause: NodeJS.Timeout | null = null; // since the last acknowledgement
  #acknowledged = 0;
  #unacknowledged = 0; // bytes of Messages that came since
  #sent = 0;
  #heartbeat: NodeJS.Timeout | null = null;

  constructor(channel: Channel, handler: SessionHandler) {
    this.#handler = handler;
    this.#connection = new Connection(channel, greetingDelimiter, this, {
      replyBytes: REPLY_BYTES,
    });
    this.#entry = new Entry(this.#connection);
    this.#answers = new Deadlines(ANSWER_MS, systemClock, () =>
      this.fail(new FleximError('connection-lost', 'the relay does not answer any more')),
    );
  }

  async login(options: DialOptions): Promise<void> {
    const { relay, user, isFirst, acks } = await (this.#entry as Entry).login(options);
    if (this.#failure) throw this.#failure;
    this.relay = relay;
    this.self = person(user);
    this.isFirstLogin = isFirst;
    if (!acks) this.#acks = null;
    this.#entry = null;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
  }

  /** Lets the frames after the login through; the handler must be ready for them. */
  start(): void {
    this.#connection.release();
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

  /** Message n is safe: the relay may forget it. It hears so at once; of those that follow soon, together. */
  done(n: number): void {
    if (this.#failure || !this.#acks?.done(n) || this.#ackScheduled) return;
    const messages = this.#acks.safe - this.#acknowledged;
    if (this.#ackPause && !isMuch(messages, this.#unacknowledged)) return;
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
    this.#unacknowledged = 0;
    this.#frame('Command', { cmd: 'ACK', payload: [String(this.#acknowledged)] });
    this.#ackPause ??= setTimeout(() => {
      this.#ackPause = null;
      this.#acknowledge();
    }, ACK_PAUSE_MS);
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
    if (this.#entry) return this.#entry.frame(name, body);
    if (name === 'Message') return this.#messageFrame(body);
    const handle = this.#steady[name] as (session: Session, datum: unknown) => void;
    handle(this, datums.unpack(name, body));
  }

  /** Anybody may send us a Message with a nonsensical body: it is passed over. */
  #messageFrame(body: Buffer): void {
    const n = this.#acks?.next() ?? 0;
    this.#unacknowledged += body.length;
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
    if (this.#ackPause) clearTimeout(this.#ackPause);
    if (error.code === 'closed' || error.code === 'relay-stopping') this.#connection.end();
    else this.#connection.reset();
    this.#entry?.fail(error);
    for (const pending of this.#pending.splice(0)) {
      this.#answers.stop(pending);
      pending.reject(error);
    }
    if (!this.#entry) this.#handler.ended(error);
  }
}

export function person({ key, aliases, last_seen }: User): Person {
  const shown = aliases.map((alias) => printable(alias, MAX_ALIAS));
  return { key: toHex(key), aliases: shown, lastSeen: last_seen };
}
