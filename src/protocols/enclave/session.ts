// One connection to another node: docs/protocols/enclave.md §3. The first packet is the handshake; behind
// it nothing is read before the node has decided who that is. What is wrong closes this connection alone.

import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import { Connection, type ConnectionHandler } from '../../net/connection.ts';
import { plainHost } from './match.ts';
import {
  decodePacket,
  encodePacket,
  MAX_HANDSHAKE,
  MAX_PACKET,
  type More,
  type Packet,
  packetDelimiter,
  STATUS,
} from './wire.ts';

const HELD_BYTES = 4 * 1024; // of who waits to be let in
const NO_REPLIES = { replyBytes: Number.POSITIVE_INFINITY };
/** Output beyond this ends the connection: what waits for him is kept elsewhere, if at all. */
const MAX_WAITING = 16 * 2 ** 20;
const FULL_AT = 256 * 1024;

export interface SessionHandler {
  /** The handshake came; nothing more is read until `open`. */
  greeted(session: Session): void;
  came(session: Session, packet: Packet, more: More): void;
  /** What waited to be written was much, and is little again. */
  eased(session: Session): void;
  /** Once; null: the other side ended it in good order. */
  ended(session: Session, error: FleximError | null): void;
}

export interface SessionOptions {
  /** The friend whose address was dialled; null for one who came. */
  readonly dialled: string | null;
  /** For the handshake to come. */
  readonly patienceMs: number;
}

const greeting = packetDelimiter(MAX_HANDSHAKE);
const packets = packetDelimiter(MAX_PACKET);

export class Session implements ConnectionHandler {
  readonly host: string;
  readonly dialled: string | null;
  readonly since = performance.now();
  /** A claim until `isProven`. */
  key: string | null = null;
  isProven = false;
  alias = '';
  status: number = STATUS.available;
  note = '';
  spr: Uint8Array | null = null;
  #handshake: { readonly packet: Packet; readonly more: More } | null = null;
  readonly #handler: SessionHandler;
  readonly #connection: Connection;
  #timer: NodeJS.Timeout | null;
  #stage: 'greeting' | 'held' | 'open' | 'ending' | 'over' = 'greeting';
  #reason: FleximError | null = null;
  #isFull = false;

  constructor(channel: Channel, handler: SessionHandler, { dialled, patienceMs }: SessionOptions) {
    this.host = plainHost(channel.remote);
    this.dialled = dialled;
    this.#handler = handler;
    this.#connection = new Connection(channel, greeting, this, NO_REPLIES);
    this.#timer = setTimeout(() => this.fail(late()), patienceMs);
  }

  get isDialled(): boolean {
    return this.dialled !== null;
  }

  get isOpen(): boolean {
    return this.#stage === 'open';
  }

  /** Nothing more is sent. */
  get isEnding(): boolean {
    return this.#stage === 'ending' || this.#stage === 'over';
  }

  /** It is known who that is: what is behind the handshake is read. */
  open(): void {
    if (this.#stage !== 'held') return;
    this.#stage = 'open';
    this.#connection.cutBy(packets);
    this.#connection.channel.keep();
    const { packet, more } = this.#handshake as { packet: Packet; more: More };
    this.#handshake = null;
    try {
      this.#handler.came(this, packet, more);
      this.release();
    } catch (error) {
      this.failed(error as Error);
    }
  }

  send(packet: Packet): void {
    this.write(encodePacket(packet));
  }

  /** A packet that was made before. */
  write(bytes: Buffer): void {
    if (this.isEnding) return;
    this.#connection.send(bytes);
    const { waiting } = this.#connection;
    if (waiting > FULL_AT) this.#isFull = true;
    if (waiting > MAX_WAITING) this.fail(stuck());
  }

  /** Ends our direction and reads his to its end. */
  finish(): void {
    if (this.isEnding) return;
    const wasHeld = this.#stage === 'held';
    this.#stage = 'ending';
    this.#quiet();
    if (wasHeld) this.#connection.end();
    else this.#connection.finish();
  }

  fail(error: FleximError): void {
    if (this.#stage === 'over') return;
    this.#reason ??= error;
    this.#quiet();
    this.#connection.reset();
  }

  hold(): void {
    this.#connection.hold();
  }

  release(): void {
    this.#connection.release();
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    const { packet, more } = decodePacket(bytes, start, end);
    if (this.#stage === 'greeting') this.#greet(packet, more);
    else this.#handler.came(this, packet, more);
  }

  failed(error: Error): void {
    if (!isFleximError(error)) throw error;
    this.fail(error);
  }

  written(): void {
    if (!this.#isFull || this.#connection.waiting > FULL_AT / 4) return;
    this.#isFull = false;
    this.#handler.eased(this);
  }

  closed(error: Error | null): void {
    const isFirst = this.#stage === 'greeting';
    this.#stage = 'over';
    this.#quiet();
    const reason = this.#reason ?? (error ? broken(error) : isFirst ? unanswered() : null);
    this.#handler.ended(this, reason);
  }

  #greet(packet: Packet, more: More): void {
    if (packet.alias === undefined) throw violation('the first packet has no alias');
    this.alias = packet.alias;
    this.key = packet['flexim-key'] ?? null;
    this.#handshake = { packet, more };
    this.#stage = 'held';
    this.#quiet();
    this.#connection.holdWithin(HELD_BYTES); // a person may be asked: he may go meanwhile
    this.#handler.greeted(this);
  }

  #quiet(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

export function violation(what: string): FleximError {
  return new FleximError('protocol-violation', what);
}

function late(): FleximError {
  return new FleximError('login-timeout', 'no handshake came in time');
}

function stuck(): FleximError {
  return new FleximError('connection-lost', 'he does not take what is sent to him');
}

function unanswered(): FleximError {
  return new FleximError(
    'connection-lost',
    'he closed the connection before a handshake: perhaps he does not know this node',
  );
}

function broken(error: Error): FleximError {
  return new FleximError('connection-lost', `the connection broke: ${error.message}`, error);
}
