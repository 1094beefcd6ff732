// An agent whose messenger is in another process: requests and events over the profile's socket. It lives
// as long as the owner does; what had no answer then fails with OwnerGone, and house.ts asks again.

import type { Page } from '../../client/history.ts';
import { FleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Channel } from '../../net/channel.ts';
import { Connection } from '../../net/connection.ts';
import { malformed } from '../../wire/msgpack.ts';
import type { Agent, AgentEvent } from './agent.ts';
import { LIMITS } from './host.ts';
import { Listeners } from './listeners.ts';
import { decodeEvent, decodeResult, encodeArgs, ownError, PAGE } from './values.ts';
import type { ArgsOf, ResultOf, VerbName } from './verbs.ts';
import { cut, frame, type Hello, type HouseName, opened, unpack, type Welcome } from './wire.ts';

/** The owner ended, or let us go, before he answered. */
export class OwnerGone extends Error {
  override readonly name = 'OwnerGone';
}

const ROOM = 1_024; // of a frame, around its arguments
const QUIET_MS = 5_000;

export interface RemoteOptions {
  readonly me: Agent['me'];
  readonly hello: Hello;
  /** How long the owner may be silent before somebody is told. */
  readonly quietMs?: number;
}

interface Pending {
  readonly verb: VerbName;
  readonly parts: Uint8Array[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Remote implements Agent {
  readonly me: Agent['me'];
  readonly #connection: Connection;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Listeners();
  readonly #welcome = withResolvers<Welcome>();
  readonly #quiet: NodeJS.Timeout;
  #owner: Welcome | null = null;
  #n = 0;
  #heard = 0; // bytes received at the last look
  #quietFor = 0; // looks at which nothing had come, although it should
  #closing = false;
  #over = false;

  private constructor(channel: Channel, { me, hello, quietMs = QUIET_MS }: RemoteOptions) {
    this.me = me;
    this.#connection = new Connection(channel, cut(LIMITS.frame), this, { replyBytes: 0 });
    this.#connection.send(frame('hello', hello));
    this.#quiet = setInterval(() => this.#look(), quietMs);
  }

  /** Throws OwnerGone, `store-busy` when nobody answers, and what the owner has against us. */
  static async enter(channel: Channel, options: RemoteOptions): Promise<Remote> {
    const remote = new Remote(channel, options);
    await remote.#welcome.promise;
    return remote;
  }

  /** Who serves us. */
  get owner(): Welcome {
    return this.#owner as Welcome;
  }

  async ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>> {
    if (verb === 'history')
      return (await this.#history(args as unknown as ArgsOf<'history'>)) as ResultOf<N>;
    return this.#request(verb, args);
  }

  events(): AsyncIterableIterator<AgentEvent> {
    return this.#listeners.events();
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (!this.#over) this.#connection.reset();
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    const { name, body } = opened(bytes, start, end);
    const take = this.#TAKE[name];
    if (!take) throw malformed(`an owner sends no ${name}`);
    take(body);
  }

  failed(error: Error): void {
    this.#welcome.reject(error);
    this.#connection.reset();
  }

  closed(): void {
    this.#over = true;
    clearInterval(this.#quiet);
    const gone = this.#closing
      ? new FleximError('closed', 'this agent was closed')
      : new OwnerGone('the process that had the connection has ended');
    this.#welcome.reject(gone);
    for (const { reject } of this.#pending.values()) reject(gone);
    this.#pending.clear();
    this.#listeners.end(this.#closing ? null : gone);
  }

  // ---- what comes ----

  readonly #TAKE: Partial<Record<HouseName, (body: Buffer) => void>> = {
    welcome: (body) => {
      this.#owner = unpack('welcome', body);
      this.#welcome.resolve(this.#owner);
    },
    bye: (body) => {
      const { code, message } = unpack('bye', body);
      this.#welcome.reject(ownError({ code, message, seconds: null }));
    },
    part: (body) => {
      const { n, bytes } = unpack('part', body);
      this.#pending.get(n)?.parts.push(bytes.slice());
    },
    answer: (body) => {
      const { n, bytes } = unpack('answer', body);
      const pending = this.#take(n);
      if (!pending) return;
      const { verb, parts, resolve, reject } = pending;
      try {
        resolve(decodeResult(verb, new Uint8Array(Buffer.concat([...parts, bytes]))));
      } catch (error) {
        reject(error as Error); // asked again it would be the same
      }
    },
    refusal: (body) => {
      const { n, ...error } = unpack('refusal', body);
      this.#take(n)?.reject(ownError(error));
    },
    event: (body) => {
      const { bytes } = unpack('event', body);
      this.#listeners.tell(eventOf(bytes.slice()));
    },
    pong: () => {},
  };

  #take(n: number): Pending | null {
    const pending = this.#pending.get(n) ?? null;
    this.#pending.delete(n);
    return pending;
  }

  // ---- what goes ----

  #request<N extends VerbName>(verb: N, args: ArgsOf<N>): Promise<ResultOf<N>> {
    const bytes = encodeArgs(verb, args);
    if (bytes.length > LIMITS.frame - ROOM)
      throw new FleximError('content-too-large', `a request of ${bytes.length} bytes`);
    if (this.#over) throw new OwnerGone('the process that had the connection has ended');
    const { promise, resolve, reject } = withResolvers<unknown>();
    const n = this.#n++;
    this.#pending.set(n, { verb, parts: [], resolve, reject });
    this.#connection.send(frame('ask', { n, verb, args: bytes }));
    return promise as Promise<ResultOf<N>>;
  }

  /** Page by page, so that no answer is long. */
  async #history([who, page]: ArgsOf<'history'>): Promise<ResultOf<'history'>> {
    const isForwards = page.after !== undefined;
    let { limit = 50 } = page;
    let from: Page = {}; // where the next page begins
    const pages: ResultOf<'history'>[] = [];
    for (;;) {
      const some = Math.min(limit, PAGE);
      const got = await this.#request('history', [who, { ...page, ...from, limit: some }]);
      pages.push(got);
      limit -= got.length;
      const next = (isForwards ? got.at(-1) : got[0])?.order;
      if (got.length < some || limit <= 0 || next === undefined)
        return (isForwards ? pages : pages.reverse()).flat();
      from = isForwards ? { after: next } : { before: next };
    }
  }

  /** A process that was suspended keeps its place, and nobody can take over: so at least it is said. */
  #look(): void {
    const { received } = this.#connection;
    const waits = this.#pending.size > 0 || !this.#owner;
    this.#quietFor = waits && received === this.#heard ? this.#quietFor + 1 : 0;
    this.#heard = received;
    if (this.#quietFor === 1) this.#connection.send(frame('ping', {}));
    if (this.#quietFor !== 2) return;
    const who = this.#owner ? `process ${this.#owner.pid}` : 'a process';
    const error = new FleximError(
      'store-busy',
      `${who} has this profile and does not answer. Is it suspended? Let it go on, or end it`,
    );
    if (this.#owner) this.#listeners.tell({ kind: 'warning', error, peer: null });
    else this.failed(error);
  }
}

/** One that cannot be read is one that was missed. */
function eventOf(bytes: Uint8Array): AgentEvent {
  try {
    return decodeEvent(bytes);
  } catch {
    return { kind: 'missed', count: 1 };
  }
}
