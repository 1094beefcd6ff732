// CommStream as its document describes it: a message stream that hides how it is encrypted.
// docs/protocols/commstream.md §9. One object is a client, a server, or both; any number of them live side
// by side, and every call may be made at any time.

import { equal, exchangePair, KEY_BYTES, type KeyPair, randomBytes } from '../../crypto/sodium.ts';
import { hostAndPort, hostGroup } from '../../lib/address.ts';
import { NO_BYTES, utf8 } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import { Deadlines, systemClock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import { dialTcp, type Listener, listenTcp } from '../../net/tcp.ts';
import { Turns } from '../../relay/turns.ts';
import { End, type Owner } from './end.ts';
import { Inbox, type Received } from './inbox.ts';
import type { Agreement } from './negotiation.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { acceptable, DEFAULT_SCHEME, SCHEMES } from './schemes.ts';
import { MAX_RECORD, unsupported } from './wire.ts';

const SERVER = 0; // the id of the server that we are connected to
const EVERYBODY = -1;
const LINGER_MS = 5_000; // how long a stream that is closed waits for its important messages
const TURNS = { turnMs: 0.25, waiting: 256, clock: systemClock };

export interface CommStreamOptions {
  /** The static key of a stream that listens; a new one unless it is given. */
  readonly keys?: KeyPair;
  /** The key that a server must have. */
  readonly serverKey?: Uint8Array;
  /** For the connection, and for a visitor's negotiation. */
  readonly timeoutMs?: number;
  /** How many may be connected to a stream that listens. */
  readonly maxVisitors?: number;
}

export interface Sending {
  /** An id of `receive`; all who are connected unless it is given. */
  readonly target?: number;
  /** A safe disconnect does not interrupt it. */
  readonly important?: boolean;
}

export class CommStream implements Owner {
  /** What others can know this stream by when it listens. */
  readonly publicKey: Uint8Array;
  readonly #keys: KeyPair;
  readonly #serverKey: Uint8Array | null;
  readonly #timeoutMs: number;
  readonly #maxVisitors: number;
  readonly #inbox = new Inbox((isFull) => {
    for (const end of this.#ends.values()) end.hold(isFull);
  });
  readonly #ends = new Map<number, End>(); // being negotiated or established
  readonly #deadlines: Deadlines<End>;
  readonly #turns = new Turns(TURNS);
  readonly #encrypted = new Set<string>(); // servers that are never spoken to in plain again
  readonly #abort = new AbortController();
  #schemes = acceptable(DEFAULT_SCHEME, true);
  #listener: Listener | null = null;
  #connecting: ((outcome: Outcome) => void) | null = null;
  #isBusy = false; // connecting, or about to listen
  #lastId = SERVER;
  #isClosed = false;

  constructor(options: CommStreamOptions = {}) {
    this.#keys = options.keys ?? exchangePair(randomBytes(KEY_BYTES));
    this.publicKey = this.#keys.publicKey;
    this.#serverKey = options.serverKey ?? null;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#maxVisitors = options.maxVisitors ?? 1_000;
    this.#deadlines = new Deadlines(this.#timeoutMs, systemClock, (end) =>
      end.fail(new FleximError('login-timeout', 'the encryption was not negotiated in time')),
    );
  }

  /**
   * What is asked for and offered first, in negotiations from here on. Not forced, plain text is the last
   * that is accepted. Until it is called: the default scheme, forced.
   */
  setEncryptionScheme(scheme: string, force = false): Outcome {
    const known = SCHEMES.find((each) => each === scheme);
    if (!known || (force && known === 'plain')) return 'unsupported-encryption';
    this.#schemes = acceptable(known, force);
    return 'ok';
  }

  /** Connects and negotiates. */
  async connect(address: string, port: number): Promise<Outcome> {
    if (this.#isClosed) return 'closed';
    if (this.#isBusy || this.#ends.has(SERVER)) return 'busy';
    if (!isPort(port) || port === 0) return 'refused';
    this.#isBusy = true;
    try {
      const how = { timeoutMs: this.#timeoutMs, signal: this.#abort.signal };
      const channel = await dialTcp({ host: address, port }, how);
      const { promise, resolve } = withResolvers<Outcome>();
      this.#connecting = resolve;
      const place = hostAndPort({ host: address, port });
      this.#add(channel, SERVER, place);
      if (this.#isClosed) this.#ends.get(SERVER)?.fail(new FleximError('closed', 'it was closed'));
      return await promise;
    } catch (error) {
      return this.#isClosed ? 'closed' : outcomeOf(error);
    } finally {
      this.#isBusy = false;
      this.#connecting = null;
    }
  }

  /** A server, or somebody, is connected. */
  connected(): boolean {
    return this.#established().length > 0;
  }

  /** What was agreed on with this one: scheme, binding, and the server's key. */
  agreement(id = SERVER): Omit<Agreement, 'keys'> | null {
    const agreed = this.#ends.get(id)?.agreement;
    if (!agreed) return null;
    const { scheme, binding, serverKey } = agreed;
    return { scheme, binding, serverKey };
  }

  /** Where it listens. */
  get address(): { readonly host: string; readonly port: number } | null {
    return this.#listener?.address ?? null;
  }

  /**
   * Ends all connections and listening, behind everything that was sent. While an important message is on
   * its way nothing is done and it is `busy`; by force nothing is waited for, and what waits is lost.
   */
  async disconnect(force = false): Promise<Outcome> {
    if (this.#ends.size === 0 && !this.#listener) return 'not-connected';
    if (!force && [...this.#ends.values()].some((end) => end.isBusy)) return 'busy';
    const listener = this.#listener;
    this.#listener = null;
    const ended = [...this.#ends.values()].map((end) => end.end(force));
    await Promise.all([listener?.close(), ...ended]);
    this.#tellIfOver();
    return 'ok';
  }

  /** Listens at all addresses of this machine, or at one. */
  listen(port: number): Promise<Outcome>;
  listen(address: string, port: number): Promise<Outcome>;
  async listen(...where: [port: number] | [address: string, port: number]): Promise<Outcome> {
    const [host, port] = where.length === 1 ? ['::', where[0]] : where;
    if (this.#isClosed) return 'closed';
    if (this.#isBusy || this.#listener) return 'busy';
    if (!isPort(port)) return 'refused';
    this.#isBusy = true;
    try {
      const listener = await listenTcp(
        { host, port },
        {
          accept: (channel) => this.#add(channel, ++this.#lastId, null),
          isOpen: () => !this.#inbox.isFull && this.#ends.size < this.#maxVisitors,
          turnedAway: () => {},
          missed: () => {},
        },
      );
      if (this.#isClosed) await listener.close();
      else this.#listener = listener;
      return this.#isClosed ? 'closed' : 'ok';
    } catch (error) {
      return outcomeOf(error);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Kept when the system has the message: for all whom it goes to, or as it was for the first that failed. */
  async send(
    message: string | Uint8Array,
    { target = EVERYBODY, important = false }: Sending = {},
  ): Promise<Outcome> {
    if (this.#isClosed) return 'closed';
    const to = this.#established().filter(({ id }) => target === EVERYBODY || id === target);
    if (to.length === 0) return 'not-connected';
    const bytes = typeof message === 'string' ? utf8(message) : message;
    const outcomes = await Promise.all(to.map((end) => end.send(bytes, important)));
    return outcomes.find((each) => each !== 'ok') ?? 'ok';
  }

  /** The next that has come; kind `closed` at once when nothing is left and nothing more can come. */
  receive(): Promise<Received> {
    return this.#inbox.isEmpty && this.#isOver ? Promise.resolve(this.#end()) : this.#inbox.take();
  }

  /** For good: lets important messages go out, says the end to all, and frees everything. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#abort.abort();
    const settled = [...this.#ends.values()].map((end) => end.settled());
    await within(Promise.all(settled), LINGER_MS);
    await this.disconnect();
    await this.disconnect(true);
    this.#tellIfOver();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- its ends ----

  #add(channel: Channel, id: number, place: string | null): void {
    const options = { id, clock: systemClock, maxRecord: MAX_RECORD };
    const shared = { schemes: this.#schemes, draw: randomBytes };
    const checkServer = (key: Uint8Array | null) => this.#checkServer(key, place as string);
    const group = hostGroup(channel.remote);
    const end = new End(channel, this, {
      ...options,
      role:
        place !== null
          ? { side: 'client', asking: { ...shared, checkServer } }
          : {
              side: 'server',
              answering: { ...shared, server: this.#keys },
              turn: (step) => this.#turns.add(group, step),
            },
    });
    this.#ends.set(id, end);
    this.#deadlines.start(end);
  }

  #checkServer(key: Uint8Array | null, place: string): void {
    if (!key && (this.#serverKey || this.#encrypted.has(place)))
      throw unsupported('this server is known, and nothing goes to it in plain');
    if (key && this.#serverKey && !equal(key, this.#serverKey))
      throw new FleximError('relay-key-changed', 'the server has another key than it must have');
    if (key) this.#encrypted.add(place);
  }

  #established(): End[] {
    return [...this.#ends.values()].filter((end) => end.isOpen);
  }

  get #isOver(): boolean {
    return this.#isClosed
      ? this.#ends.size === 0
      : !this.#listener && !this.#isBusy && this.#ends.size === 0;
  }

  #end(): Received {
    const outcome = this.#isClosed ? 'closed' : 'not-connected';
    return { kind: 'closed', id: -1, message: NO_BYTES, outcome, scheme: null };
  }

  #tellIfOver(): void {
    if (this.#isOver) this.#inbox.tell(this.#end());
  }

  // ---- Owner ----

  established(end: End): void {
    this.#deadlines.stop(end);
    const { id, agreement } = end;
    const scheme = agreement?.scheme ?? null;
    this.#inbox.put({ kind: 'connected', id, message: NO_BYTES, outcome: 'ok', scheme });
    end.hold(this.#inbox.isFull);
    if (id === SERVER) this.#connecting?.('ok');
  }

  message({ id }: End, message: Uint8Array): void {
    this.#inbox.put({ kind: 'message', id, message, outcome: 'ok', scheme: null });
  }

  ended(end: End, error: FleximError | null): void {
    const { id, agreement } = end;
    this.#deadlines.stop(end);
    this.#ends.delete(id);
    const outcome = error ? outcomeOf(error) : 'ok';
    const kind = agreement ? 'disconnected' : 'refused';
    // What `connect` says need not be received too, and who only knocks must not fill the memory.
    const isTold = agreement || (id !== SERVER && !this.#inbox.isFull);
    if (isTold) this.#inbox.put({ kind, id, message: NO_BYTES, outcome, scheme: null });
    if (id === SERVER)
      this.#connecting?.(error ? outcome : this.#isClosed ? 'closed' : 'not-connected');
    this.#tellIfOver();
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535;
}

async function within(work: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
