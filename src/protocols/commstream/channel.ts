// An established stream as a Channel: a byte stream in DATA records, with the binding and the server's key
// that it has proven. docs/protocols/commstream.md §7. So whatever runs over TCP runs over CommStream.

import { FleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Channel, ChannelHandler } from '../../net/channel.ts';
import type { Agreement } from './negotiation.ts';
import { Session, type SessionHandler, type SessionOptions } from './session.ts';

/** A record's data at most: with its type a multiple of 16, for which crypto/secretstream.ts is fastest. */
export const PIECE = 64 * 1024 - 1;
const STEP = 16;
const LONG = 8 * 1024; // from here on a piece is cut so, and the rest is a short record
const WRAPPING = 24 + 17 + 1; // header, tag and mac, inner type
/** A record of a byte stream: what is longer is not taken … */
export const LONG_RECORD = 64 * 1024 + WRAPPING;
/** … and before the channel is to last not even that. */
export const SHORT_RECORD = 8 * 1024;
const AHEAD = 64 * 1024; // sealed and not yet written: more stays as it was given
const ZERO = new Uint8Array(32);

interface Write {
  readonly bytes: Uint8Array;
  readonly written: () => void;
  at: number; // up to here it is sealed
  mark: number; // where it ends in the output, once it is sealed
}

export interface SecureOptions extends Omit<SessionOptions, 'maxRecord' | 'joins'> {
  /** Hears why the stream failed, in place of the handler, which then is told of an end alone. */
  readonly failed?: (error: FleximError) => void;
}

export class SecureChannel implements Channel, SessionHandler {
  readonly #lower: Channel;
  readonly #options: SecureOptions;
  readonly #established = withResolvers<void>();
  #session: Session | null = null;
  #handler: ChannelHandler | null = null;
  #agreement: Agreement | null = null;
  #queue: Write[] = []; // not all sealed
  #unwritten: Write[] = [];
  #isLasting = false;
  #isPaused = false;
  #isAwaited = false; // a handler: it is there, and nobody has opened it
  #isEnding = false;
  #closed: { readonly error: FleximError | null } | null = null;

  /** The negotiation begins with `open`, or with `begin`. */
  constructor(lower: Channel, options: SecureOptions) {
    this.#lower = lower;
    this.#options = options;
    this.#established.promise.catch(() => {}); // who began it with `open` hears of it by `closed`
  }

  get remote(): string {
    return this.#lower.remote;
  }

  get binding(): Uint8Array {
    return this.#agreement?.binding ?? ZERO;
  }

  get serverKey(): Uint8Array | null {
    return this.#agreement?.serverKey ?? null;
  }

  /** What was agreed on, once it is established. */
  get scheme(): Agreement['scheme'] | null {
    return this.#agreement?.scheme ?? null;
  }

  /** Kept when it is established; what comes then waits for `open`. Fails with why it was not. */
  begin(): Promise<void> {
    this.#start();
    return this.#established.promise;
  }

  #start(): Session {
    this.#session ??= new Session(this.#lower, this, {
      ...this.#options,
      maxRecord: this.#isLasting ? LONG_RECORD : SHORT_RECORD,
      joins: true,
    });
    return this.#session;
  }

  /** Ends the negotiation for this reason. */
  fail(error: FleximError): void {
    this.#session?.fail(error);
  }

  // ---- Channel ----

  open(handler: ChannelHandler): void {
    this.#handler = handler;
    if (this.#closed) return handler.closed(this.#closed.error);
    if (!this.#agreement) return void this.#start();
    if (this.#isAwaited) this.#session?.release();
    this.#isAwaited = false;
  }

  keep(): void {
    this.#lower.keep();
    this.#isLasting = true;
    this.#session?.allow(LONG_RECORD);
  }

  write(bytes: Uint8Array, written: () => void): void {
    if (this.#isEnding || this.#closed) return;
    this.#queue.push({ bytes, written, at: 0, mark: 0 });
    this.#pump();
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    if (this.#agreement) this.#session?.hold(); // until then what comes is not for the handler
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#agreement) this.#session?.release();
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.resume();
    this.#pump();
  }

  reset(): void {
    if (this.#session) this.#session.reset();
    else this.#lower.reset();
  }

  /** Seals as much as the other side takes; the rest stays in the memory that it was given in. */
  #pump(): void {
    const session = this.#session;
    if (!session?.isOpen) return;
    for (let next = this.#queue[0]; next && session.waiting < AHEAD; next = this.#queue[0]) {
      const length = pieceOf(next.bytes.length - next.at);
      const isWhole = length === next.bytes.length;
      const piece = isWhole ? next.bytes : next.bytes.subarray(next.at, next.at + length);
      session.gather(piece);
      next.at += piece.length;
      if (next.at < next.bytes.length) continue;
      next.mark = session.position;
      this.#queue.shift();
      this.#unwritten.push(next);
    }
    session.flush();
    if (this.#isEnding && this.#queue.length === 0) session.close();
  }

  // ---- SessionHandler ----

  established(agreement: Agreement): void {
    this.#agreement = agreement;
    if (this.#isPaused) this.#session?.hold();
    this.#isAwaited = this.#handler === null;
    if (this.#isAwaited) this.#session?.hold();
    this.#established.resolve();
    this.#pump();
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (!this.#isEnding) this.#handler?.data(bytes.subarray(start, end));
  }

  written(): void {
    const session = this.#session as Session;
    const done = session.position - session.waiting;
    for (let first = this.#unwritten[0]; first && first.mark <= done; first = this.#unwritten[0]) {
      this.#unwritten.shift();
      first.written();
    }
    this.#pump();
  }

  closed(error: FleximError | null): void {
    const { failed } = this.#options;
    if (error) failed?.(error);
    const told = failed ? null : error;
    this.#closed = { error: told };
    this.#queue = [];
    this.#unwritten = [];
    this.#established.reject(error ?? new FleximError('closed', 'this channel was closed'));
    this.#handler?.closed(told);
  }
}

function pieceOf(length: number): number {
  if (length >= PIECE) return PIECE;
  return length < LONG ? length : length - ((length + 1) % STEP);
}
