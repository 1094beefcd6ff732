// A relay that lies: a raw TCP server that logs clients in honestly but for the steps a test replaces,
// and that keeps an account of every byte it was sent, to prove what was never said.

import { createServer, type Server, type Socket } from 'node:net';
import { type Identity, newIdentity } from '../src/crypto/identity.ts';
import { seal } from '../src/crypto/sodium.ts';
import { fromHex } from '../src/lib/bytes.ts';
import { AsyncQueue, withResolvers } from '../src/lib/queue.ts';
import { openField } from '../src/protocols/flexim/fields.ts';
import { type Challenge, makeChallenge } from '../src/protocols/flexim/login.ts';
import {
  type Command,
  DATUMS,
  type DatumName,
  datums,
  encodeFrame,
  FRAME_HEAD,
  frameDelimiter,
  HELLO,
} from '../src/protocols/flexim/wire.ts';
import { exactly, FrameReader } from '../src/wire/frames.ts';
import { encode } from '../src/wire/msgpack.ts';
import { atOnce } from './steps.ts';

/** What the relay says at each step of the login, and to each command after it; null is silence. */
export interface Steps {
  greeting(visit: Visit): Said;
  auth(visit: Visit): Said;
  user(visit: Visit): Said;
  answer(visit: Visit, command: Command): Said;
}
export type Said = Uint8Array | readonly Uint8Array[] | null | Promise<Uint8Array | null>;

const BINDING = new Uint8Array(32);
export const HELLO_BYTES = HELLO.length;
/** Of `Command {cmd: "ACKS", payload: ["on"]}` and `Command {cmd: "AUTH", payload: [64 hex digits]}`. */
export const AUTH_BYTES =
  FRAME_HEAD + 1 + 4 + 5 + 8 + 1 + 3 + (FRAME_HEAD + 1 + 4 + 5 + 8 + 1 + 66);

const HONEST: Steps = {
  greeting: ({ relay }) => greeting(relay.identity.exchange.publicKey),
  auth: (visit) => {
    const steps = makeChallenge({
      client: visit.client,
      relay: visit.relay.identity.exchange.publicKey,
      binding: BINDING,
      date: 1_700_000_000,
      lastSeen: visit.relay.lastSeen,
    });
    return encodeFrame('Auth', (atOnce(steps) as Challenge).auth);
  },
  user: (visit) => frame('User', ownUser(visit)),
  answer: (visit, { cmd, payload }) => {
    if (cmd === 'BYE') setImmediate(() => visit.socket.end());
    return status(0, payload[0] ?? '');
  },
};

/** One connection of a client. */
export class Visit {
  readonly relay: Hostile;
  readonly socket: Socket;
  /** What came, in order: `hello`, the names of commands and of other datums. */
  readonly seen: string[] = [];
  /** What its ACKs said. */
  readonly acknowledged: string[] = [];
  bytes = 0;
  client: Uint8Array = new Uint8Array(32);
  nonce = '';
  readonly closed: Promise<void>;
  readonly #steps: Steps;
  readonly #reader: FrameReader;
  readonly #waiting: { what: string; count: number; resolve: () => void }[] = [];
  #asked = false;

  constructor(relay: Hostile, socket: Socket, steps: Steps) {
    this.relay = relay;
    this.socket = socket;
    this.#steps = steps;
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    this.#reader = new FrameReader(exactly(HELLO.length), (bytes, start, end) =>
      this.#frame(bytes.subarray(start, end)),
    );
    socket.on('error', () => {}); // a client that refuses cuts the connection
    socket.on('data', (chunk) => {
      this.bytes += chunk.length;
      this.#reader.push(chunk);
    });
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Kept when so many of these have come. */
  saw(what: string, count = 1): Promise<void> {
    const { promise, resolve } = withResolvers<void>();
    this.#waiting.push({ what, count, resolve });
    this.#wake();
    return promise;
  }

  #frame(bytes: Buffer): void {
    if (this.seen.length === 0) {
      this.#reader.delimiter = frameDelimiter;
      this.#say('hello', this.#steps.greeting(this));
      return;
    }
    const name = datums.nameOf(bytes[0] as number);
    const body = bytes.subarray(FRAME_HEAD);
    if (name === 'Command') this.#command(datums.unpack('Command', body));
    else if (name === 'AuthResponse') {
      const { nonce } = datums.unpack('AuthResponse', body);
      const opened = nonce && openField(nonce, this.relay.identity.exchange);
      this.nonce = typeof opened === 'string' ? opened : '';
      this.#say(name, this.#steps.user(this));
    } else this.#say(name ?? 'unknown', null);
  }

  #command(command: Command): void {
    if (command.cmd === 'ACKS')
      return this.#say('ACKS', frame('Status', { status: 0, payload: '' }));
    if (command.cmd === 'ACK') {
      this.acknowledged.push(...command.payload);
      return this.#say('ACK', null); // has no answer
    }
    const isAuth = command.cmd === 'AUTH' && !this.#asked;
    if (!isAuth) return this.#say(command.cmd, this.#steps.answer(this, command));
    this.#asked = true;
    this.client = fromHex(command.payload[0] ?? '', 32) ?? this.client;
    this.#say('AUTH', this.#steps.auth(this));
  }

  #say(heard: string, said: Said): void {
    this.seen.push(heard);
    this.#wake();
    if (said instanceof Promise) said.then((bytes) => this.#send(bytes));
    else this.#send(said);
  }

  #send(said: Uint8Array | readonly Uint8Array[] | null): void {
    if (said instanceof Uint8Array) this.send(said);
    else if (said) this.send(...said);
  }

  #wake(): void {
    for (const { what, count, resolve } of this.#waiting)
      if (this.seen.filter((each) => each === what).length >= count) resolve();
  }
}

export class Hostile {
  readonly identity: Identity = newIdentity();
  /** What Auth says about the client's last login; not 0: it is known. */
  lastSeen = 1_600_000_000;
  readonly visits: Visit[] = [];
  readonly #server: Server;
  readonly #arrivals = new AsyncQueue<Visit>();

  constructor(steps: Partial<Steps>) {
    this.#server = createServer((socket) => {
      const visit = new Visit(this, socket, { ...HONEST, ...steps });
      this.visits.push(visit);
      this.#arrivals.push(visit);
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  get hex(): string {
    return this.identity.hex;
  }

  listen(port = 0): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  /** The next connection that nobody has asked for yet. */
  async visit(): Promise<Visit> {
    const { value } = await this.#arrivals.next();
    return value;
  }

  /** Accepts no more and cuts all. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.visits) socket.destroy();
    await closed;
  }
}

/** Runs a test body with a hostile relay that is stopped whatever happens. */
export async function withHostile(
  steps: Partial<Steps>,
  body: (hostile: Hostile) => Promise<void>,
): Promise<void> {
  const hostile = new Hostile(steps);
  await hostile.listen();
  try {
    await body(hostile);
  } finally {
    await hostile.stop();
  }
}

// ---- frames, also such as no honest relay would send ----

/** A frame of any type around any value. */
export function frame(type: DatumName | number, value: unknown): Buffer {
  return rawFrame(type, encode(value));
}

export function rawFrame(type: DatumName | number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head[0] = typeof type === 'number' ? type : DATUMS[type].tag;
  head.writeUInt16BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export function greeting(key: Uint8Array): Buffer {
  return frame('User', { aliases: ['a relay'], key, last_seen: 0 });
}

/** An Auth around any bytes in the place of the sealed challenge. */
export function authOf({ client }: Visit, challenge: Uint8Array, lastSeen: unknown = 0): Buffer {
  return frame('Auth', { date: sealed(0, client), challenge, last_seen: sealed(lastSeen, client) });
}

export function sealed(value: unknown, key: Uint8Array): Uint8Array {
  return seal(encode(value), key) as Uint8Array;
}

/** What the client wants to read at the end of a login. */
export function ownUser(visit: Visit) {
  return { aliases: [] as string[], key: visit.client, last_seen: 1, proof: visit.nonce };
}

export function status(code: number, payload = ''): Buffer {
  return frame('Status', { status: code, payload });
}

export function message(msg: unknown): Buffer {
  return frame('Message', { to: 'you', from: '', flags: [], date: 0, msg });
}
