// Dialling Flexim: a Link that lives on over many sessions, with growing pauses in between.

import { FleximError, isFleximError } from '../../lib/errors.ts';
import { type Log, silent } from '../../lib/log.ts';
import { AsyncQueue, leavable, withResolvers } from '../../lib/queue.ts';
import { printable } from '../../lib/text.ts';
import { dialTcp } from '../../net/tcp.ts';
import type {
  Delivery,
  DialOptions,
  Directory,
  Link,
  LinkEvent,
  Person,
  PrekeyDirectory,
  RelayInfo,
} from '../protocol.ts';
import { prekeyDirectory } from './prekeys.ts';
import { ANSWER_MS, type Answer, login, person, type Session } from './session.ts';
import { STATUS, slowDown } from './status.ts';
import type { Status } from './wire.ts';

const RECONNECT = { minMs: 500, maxMs: 60_000 };
const STEADY_MS = 30_000; // a session that lasted so long makes the next pause short again
const DELIVERIES_HIGH = 1_024; // deliveries not yet taken, beyond which the relay is not read from
const EVENTS_MAX = 65_536; // events not yet taken, beyond which the relay is left
const NO_RETRY = [
  'relay-auth-mismatch',
  'relay-key-changed',
  'unsupported-encryption',
  'replaced',
  'closed',
] as const;

/** Connects and logs in once, then stays connected as long as it can. */
export async function dial(options: DialOptions): Promise<Link> {
  const link = new FleximLink(options);
  const { signal } = options;
  const giveUp = () => link.abandon();
  signal?.addEventListener('abort', giveUp);
  try {
    if (signal?.aborted) throw closedError();
    await link.connect();
    if (signal?.aborted) throw closedError();
    if (link.lost) throw link.lost;
    return link;
  } catch (error) {
    link.abandon(); // a connection lost right after the login would go on reconnecting
    throw error;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

class FleximLink implements Link {
  readonly isDirect = false;
  readonly names = null;
  readonly closed: Promise<FleximError | null>;
  readonly #options: DialOptions;
  readonly #log: Log;
  readonly #reconnect: { readonly minMs: number; readonly maxMs: number } | null;
  readonly #events = new AsyncQueue<LinkEvent>();
  readonly #deliveries = new AsyncQueue<Delivery>((left) => this.#taken(left));
  readonly #abort = new AbortController(); // of a login under way
  readonly #settle: (error: FleximError | null) => void;
  #session: Session | null = null;
  #base = 0; // messages sent in the sessions before this one
  #last = 0; // the number given out last
  #came = 0; // deliveries, in all sessions
  #held = false;
  #attempt = 0;
  #upSince = 0;
  #retry: NodeJS.Timeout | null = null;
  #relay: RelayInfo | null = null;
  #self: Person | null = null;
  #isClosed = false;
  #isFull = false; // the last deliveries go nowhere
  /** Why the link was closed for good, unless by its user. */
  lost: FleximError | null = null;

  constructor(options: DialOptions) {
    this.#options = options;
    this.#log = options.log ?? silent;
    this.#reconnect = options.reconnect === undefined ? RECONNECT : options.reconnect;
    const { promise, resolve } = withResolvers<FleximError | null>();
    this.closed = promise;
    this.#settle = resolve;
  }

  get relay(): RelayInfo {
    return this.#relay ?? raise(notConnected());
  }

  get self(): Person {
    return this.#self ?? raise(notConnected());
  }

  async connect(): Promise<void> {
    const { connect = dialTcp } = this.#options;
    const channel = await connect(this.#options, {
      timeoutMs: this.#options.timeoutMs ?? ANSWER_MS,
      signal: this.#abort.signal,
    });
    if (this.#isClosed) return channel.reset();
    let base = 0;
    const session: Session = await login(
      channel,
      {
        delivered: (envelope, n) => this.#delivered(session, envelope, n),
        noticed: (status) => this.#noticed(status, base),
        ended: (error) => this.#ended(error),
      },
      { ...this.#options, signal: this.#abort.signal },
    );
    if (this.#isClosed) return session.fail(closedError());
    base = this.#last;
    this.#base = base;
    this.#session = session;
    this.#held = false;
    this.#upSince = performance.now();
    this.#relay = session.relay;
    this.#self = session.self;
    this.#events.push({ kind: 'up', relay: session.relay, self: session.self });
    session.start();
    this.#taken(this.#deliveries.length);
    if (session.isFirstLogin && this.#options.alias)
      await this.#claim(session, this.#options.alias);
  }

  /** The first login claims the wished alias; somebody else may have it, which is no failure. */
  async #claim(session: Session, alias: string): Promise<void> {
    try {
      await this.directory.register(alias);
    } catch (error) {
      if (isFleximError(error, 'command-refused') || isFleximError(error, 'slow-down'))
        this.#events.push({ kind: 'alias-refused', alias, reason: error.message });
      else session.fail(error as Error); // which goes the way of every session that ends
    }
  }

  send(to: string, envelope: Uint8Array, { live = false } = {}): number {
    this.#last = this.#base + this.#live().send(live ? `${to}/live` : to, envelope);
    return this.#last;
  }

  events(): AsyncIterableIterator<LinkEvent> {
    return leavable(this.#events);
  }

  deliveries(): AsyncIterableIterator<Delivery> {
    return leavable(this.#deliveries);
  }

  async ping(): Promise<number> {
    const began = performance.now();
    await this.#status('PING');
    return performance.now() - began;
  }

  readonly directory: Directory = {
    find: async (who) => {
      const answer = await this.#ask('GETUSER', who);
      if (answer.name === 'Status' && answer.datum.status === STATUS.notFound) return null;
      return asPerson(answer);
    },
    search: async (prefix) => people(await this.#ask('SEARCH', prefix)),
    roster: async (after) => people(await this.#ask('ROSTER', ...(after ? [after] : []))),
    register: async (alias) => this.#own(await this.#ask('REGISTER', alias)),
    unregister: async (alias) => this.#own(await this.#ask('UNREGISTER', alias)),
  };

  readonly prekeys: PrekeyDirectory = prekeyDirectory((cmd, ...payload) =>
    this.#ask(cmd, ...payload),
  );

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true; // nothing more goes out; what is on its way in is still delivered
      this.#abort.abort();
      this.#readOn();
      await this.#session?.close();
      this.#finish(null);
    }
    await this.closed;
  }

  abandon(): void {
    this.#abort.abort();
    this.#session?.fail(closedError());
    this.#finish(null);
  }

  // ---- what a session reports ----

  #delivered(session: Session, envelope: Uint8Array, n: number): void {
    // Of what still comes while BYE is on its way nobody need keep more than before: it is not
    // acknowledged, and comes again.
    if (this.#isClosed && this.#deliveries.length >= DELIVERIES_HIGH) this.#isFull = true;
    if (this.#isFull) return;
    // What comes too late, after its session has ended, changes nothing: the relay sends it again.
    this.#came++;
    this.#deliveries.push({ envelope, done: () => session.done(n) });
    if (this.#held || this.#isClosed || this.#deliveries.length < DELIVERIES_HIGH) return;
    this.#held = true;
    this.#session?.hold();
  }

  #taken(left: number): void {
    if (left < DELIVERIES_HIGH / 2) this.#readOn();
  }

  #readOn(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#session?.release();
  }

  #noticed({ status, payload }: Status, base: number): void {
    if (this.#events.length >= EVENTS_MAX)
      throw new FleximError('protocol-violation', 'the relay told more than anybody asked');
    const event = noticeEvent(status, payload, { base, deliveries: this.#came });
    if (event) this.#events.push(event);
  }

  #ended(error: FleximError): void {
    this.#session = null;
    if (performance.now() - this.#upSince > STEADY_MS) this.#attempt = 0;
    this.#again(error);
  }

  #again(error: FleximError): void {
    if (this.#isClosed) return this.#finish(null);
    const reconnect = this.#reconnect;
    if (!reconnect || NO_RETRY.some((code) => code === error.code)) return this.#finish(error);
    const retryMs = pause(this.#attempt++, reconnect, error);
    this.#events.push({ kind: 'down', error, retryMs });
    this.#log.debug({ code: error.code, retryMs }, 'the relay is away');
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.connect().catch((reason: unknown) => this.#again(asFleximError(reason)));
    }, retryMs);
  }

  #finish(error: FleximError | null): void {
    this.#isClosed = true;
    this.lost ??= error;
    if (this.#retry) clearTimeout(this.#retry);
    this.#session = null;
    this.#events.end();
    this.#deliveries.end();
    this.#settle(error);
  }

  // ---- commands ----

  #live(): Session {
    if (this.#isClosed) throw closedError();
    return this.#session ?? raise(notConnected());
  }

  async #ask(cmd: string, ...payload: string[]): Promise<Answer> {
    const answer = await this.#live().command(cmd, ...payload);
    if (
      answer.name === 'Status' &&
      answer.datum.status < 0 &&
      answer.datum.status !== STATUS.notFound
    )
      throw refusal(answer.datum);
    return answer;
  }

  async #status(cmd: string): Promise<void> {
    const answer = await this.#ask(cmd);
    if (answer.name !== 'Status') throw unexpected(answer);
  }

  #own(answer: Answer): Person {
    const self = asPerson(answer);
    this.#self = self;
    return self;
  }
}

/** Half fixed, half chance, so that clients of a relay that went away do not return as one. A relay
 * that stops or is asked too often says how long to stay away. */
function pause(
  attempt: number,
  { minMs, maxMs }: { minMs: number; maxMs: number },
  why: FleximError,
) {
  const isAsked = why.code === 'relay-stopping' || why.code === 'slow-down';
  const asked = isAsked ? (why.cause as { seconds: number }).seconds : 0;
  const most = Math.min(maxMs, minMs * 2 ** Math.min(attempt + 1, 20));
  const least = Math.max(Math.min(minMs, maxMs), most / 2);
  return Math.round(asked * 1_000 + least + (most - least) * Math.random());
}

const MESSAGE_EVENTS = new Map<number, 'queued' | 'unknown' | 'full'>([
  [STATUS.queued, 'queued'],
  [STATUS.unknownRecipient, 'unknown'],
  [STATUS.queueFull, 'full'],
]);

function noticeEvent(
  code: number,
  payload: string,
  { base, deliveries }: { readonly base: number; readonly deliveries: number },
): LinkEvent | null {
  if (code === STATUS.queueSent) return { kind: 'caught-up', deliveries };
  const kind = MESSAGE_EVENTS.get(code);
  const about = kind && /^(\S+) (\d{1,15})(?: |$)/.exec(payload);
  if (kind && about) {
    const to = printable(about[1] as string, 300);
    return { kind, to, n: base + Number(about[2]) };
  }
  return { kind: 'notice', code, text: printable(payload) };
}

function asPerson(answer: Answer): Person {
  if (answer.name === 'User') return person(answer.datum);
  throw unfit(answer);
}

function people(answer: Answer): readonly Person[] {
  if (answer.name === 'Roster') return answer.datum.users.map(person);
  throw unfit(answer);
}

function refusal({ status, payload }: Status): FleximError {
  if (status === STATUS.slowDown) return slowDown(payload, 'for the next command');
  const words = printable(payload.replace(/^\S+ /, '')) || `status ${status}`;
  return new FleximError('command-refused', `the relay refused: ${words}`);
}

/** What is neither the answer that was wanted nor a refusal. */
function unfit(answer: Answer): FleximError {
  const isRefusal = answer.name === 'Status' && answer.datum.status < 0;
  return isRefusal ? refusal(answer.datum) : unexpected(answer);
}

function unexpected({ name }: Answer): FleximError {
  return new FleximError('protocol-violation', `the relay answered with a ${name}`);
}

function notConnected(): FleximError {
  return new FleximError('not-connected', 'there is no connection to the relay at the moment');
}

function closedError(): FleximError {
  return new FleximError('closed', 'this link was closed');
}

/** What is no FleximError comes from the machine: a disk, a directory for the pins. */
function asFleximError(reason: unknown): FleximError {
  if (isFleximError(reason)) return reason;
  return new FleximError('connection-lost', `connecting failed: ${reason}`, reason);
}

function raise(error: Error): never {
  throw error;
}
