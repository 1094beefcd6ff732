// A peer that speaks bytes over a bare socket. It is written from the spec and shares nothing with
// src/: libsodium and msgpack are used directly, frames and hello are cut and made here.

import { connect, type Socket } from 'node:net';
import { decode, encode } from '@msgpack/msgpack';
import sodium from 'libsodium-wrappers';

await sodium.ready;

export const HELLO = Buffer.from([0xa4, 0x46, 0x4c, 0x45, 0x58]);
export const TYPE = {
  Auth: 0,
  AuthResponse: 1,
  Command: 2,
  Message: 3,
  Roster: 4,
  User: 5,
  Status: 6,
} as const;

export interface Frame {
  readonly type: number;
  readonly body: Buffer;
  readonly bytes: Buffer; // head and body
}

export interface Keys {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly hex: string;
}

export interface UserDatum {
  aliases: string[];
  key: Uint8Array;
  last_seen: number;
  proof?: string;
}

export interface Login {
  readonly user: UserDatum;
  readonly challenge: string;
  readonly lastSeen: number;
  readonly nonce: string;
  /** What was queued: the Messages before the event 22. */
  readonly queued: readonly Frame[];
}

export function newKeys(): Keys {
  const { publicKey, privateKey } = sodium.crypto_box_keypair();
  return { publicKey, privateKey, hex: Buffer.from(publicKey).toString('hex') };
}

export function frame(type: number, body: Uint8Array): Buffer {
  if (body.length > 0xffff) throw new Error('too long for a frame');
  return Buffer.concat([Buffer.from([type, body.length >> 8, body.length & 0xff]), body]);
}

export function command(cmd: string, ...payload: string[]): Buffer {
  return frame(TYPE.Command, encode({ cmd, payload }));
}

export function message(to: string, msg: string | Uint8Array = 'x'): Buffer {
  return frame(TYPE.Message, encode({ to, from: '', flags: [], date: 0, msg }));
}

/** The number that `counted` wrote into a Message. */
export function countOf({ body }: Frame): number {
  return Number(/^\d+/.exec((decode(body) as { msg: string }).msg)?.[0]);
}

/** A Message that carries its number, padded to about so many bytes. */
export function counted(to: string, n: number, padding = 0): Buffer {
  return message(to, `${n} ${'.'.repeat(padding)}`);
}

export function sealed(value: unknown, to: Uint8Array): Uint8Array {
  return sodium.crypto_box_seal(encode(value), to);
}

/** The raw msgpack in a sealed field. */
export function opened(box: Uint8Array, keys: Keys): Uint8Array {
  return sodium.crypto_box_seal_open(box, keys.publicKey, keys.privateKey);
}

export function newNonce(): string {
  return Buffer.from(sodium.randombytes_buf(32)).toString('base64url');
}

export function authResponse(challenge: unknown, relay: Uint8Array, nonce?: unknown): Buffer {
  const fields = {
    challenge: sealed(challenge, relay),
    ...(nonce === undefined ? {} : { nonce: sealed(nonce, relay) }),
  };
  return frame(TYPE.AuthResponse, encode(fields));
}

export function statusOf({ type, body }: Frame): { status: number; payload: string } {
  if (type !== TYPE.Status) throw new Error(`a frame of type ${type} is no Status`);
  return decode(body) as { status: number; payload: string };
}

const PATIENCE_MS = 30_000; // a frame that must come; only a failure waits so long

interface Waiter {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

export class Peer {
  readonly socket: Socket;
  /** Kept at the end of the connection: 'end' for a clean one, else the error's code. */
  readonly closed: Promise<string>;
  /** All bytes that ever came, but those of frames that were taken. */
  readonly pending: Frame[] = [];
  received = 0;
  relayKey: Uint8Array = new Uint8Array(32);
  #rest: Buffer = Buffer.alloc(0);
  #waiter: Waiter | null = null;
  #sink: ((frame: Frame) => void) | null = null;
  #over: string | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      let why = 'end';
      socket.on('error', (error: NodeJS.ErrnoException) => {
        why = error.code ?? error.message;
      });
      socket.on('close', () => {
        this.#over = why;
        const waiter = this.#waiter;
        this.#waiter = null;
        waiter?.reject(new Error(`the connection is over: ${why}`));
        resolve(why);
      });
    });
    socket.on('data', (chunk) => this.#take(chunk));
  }

  static connect(port: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Peer(socket));
      });
    });
  }

  #take(chunk: Buffer): void {
    this.received += chunk.length;
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= 3) {
      const end = at + 3 + bytes.readUInt16BE(at + 1);
      if (end > bytes.length) break;
      const cut = Buffer.from(bytes.subarray(at, end));
      this.pending.push({ type: cut[0] as number, body: cut.subarray(3), bytes: cut });
      at = end;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
    if (this.#sink) return this.#drain(this.#sink);
    const waiter = this.#waiter;
    const first = waiter && this.pending.shift();
    if (!waiter || !first) return;
    this.#waiter = null;
    waiter.resolve(first);
  }

  /** From here on frames go there as they come, those that wait first; `next` is over. */
  listen(sink: (frame: Frame) => void): void {
    this.#sink = sink;
    this.#drain(sink);
  }

  #drain(sink: (frame: Frame) => void): void {
    for (const each of this.pending.splice(0)) sink(each);
  }

  write(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The next frame, in order. Rejects when the connection is over. */
  next(): Promise<Frame> {
    const first = this.pending.shift();
    if (first) return Promise.resolve(first);
    if (this.#over !== null)
      return Promise.reject(new Error(`the connection is over: ${this.#over}`));
    if (this.#waiter) throw new Error('two wait for one frame');
    return new Promise((resolve, reject) => {
      const ceiling = setTimeout(() => reject(new Error('nothing came')), PATIENCE_MS);
      const done =
        <T>(go: (value: T) => void) =>
        (value: T) => {
          clearTimeout(ceiling);
          go(value);
        };
      this.#waiter = { resolve: done(resolve), reject: done(reject) };
    });
  }

  async take(count: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  async status(): Promise<{ status: number; payload: string }> {
    return statusOf(await this.next());
  }

  /** Sends a command and takes the next frame for its answer. */
  ask(cmd: string, ...payload: string[]): Promise<Frame> {
    this.write(command(cmd, ...payload));
    return this.next();
  }

  async user(cmd: string, ...payload: string[]): Promise<UserDatum> {
    const answer = await this.ask(cmd, ...payload);
    if (answer.type !== TYPE.User) throw new Error(`no User: ${JSON.stringify(statusOf(answer))}`);
    return decode(answer.body) as UserDatum;
  }

  async users(cmd: string, ...payload: string[]): Promise<UserDatum[]> {
    const answer = await this.ask(cmd, ...payload);
    if (answer.type !== TYPE.Roster) throw new Error(`no Roster but type ${answer.type}`);
    return (decode(answer.body) as { users: UserDatum[] }).users;
  }

  /** Everything that comes up to the answer to a PING: all that was sent before is dealt with. */
  async settled(): Promise<Frame[]> {
    const mark = `mark-${newNonce()}`;
    this.write(command('PING', mark));
    const frames: Frame[] = [];
    for (;;) {
      const each = await this.next();
      if (each.type === TYPE.Status && statusOf(each).payload === mark) return frames;
      frames.push(each);
    }
  }

  /** The status that ends this connection, and that nothing comes behind it. */
  async lastStatus(): Promise<{ status: number; payload: string; end: string }> {
    const last = await this.status();
    const end = await this.closed;
    if (this.pending.length > 0 || this.#rest.length > 0) throw new Error('bytes behind the end');
    return { ...last, end };
  }

  // ---- login ----

  async greet(): Promise<UserDatum> {
    this.write(HELLO);
    const { type, body } = await this.next();
    if (type !== TYPE.User) throw new Error(`greeted with type ${type}`);
    const greeting = decode(body) as UserDatum;
    this.relayKey = greeting.key;
    return greeting;
  }

  /** Sends AUTH and opens what comes. */
  async challenged(keys: Keys, alias?: string) {
    const auth = await this.ask('AUTH', keys.hex, ...(alias === undefined ? [] : [alias]));
    if (auth.type !== TYPE.Auth) throw new Error(`no Auth: ${JSON.stringify(statusOf(auth))}`);
    const fields = decode(auth.body) as Record<'date' | 'challenge' | 'last_seen', Uint8Array>;
    return {
      frame: auth,
      fields,
      challenge: decode(opened(fields.challenge, keys)) as string,
      date: Number(decode(opened(fields.date, keys))),
      lastSeen: Number(decode(opened(fields.last_seen, keys))),
    };
  }

  /** The whole login, up to and with the event 22. `acks` are turned on before it. */
  async login(keys: Keys, alias?: string, { acks = false } = {}): Promise<Login> {
    await this.greet();
    if (acks) {
      const { status } = statusOf(await this.ask('ACKS', 'on'));
      if (status !== 0) throw new Error(`ACKS: status ${status}`);
    }
    const { challenge, lastSeen } = await this.challenged(keys, alias);
    const nonce = newNonce();
    this.write(authResponse(challenge, this.relayKey, nonce));
    const answer = await this.next();
    if (answer.type !== TYPE.User) throw new Error(`refused: ${JSON.stringify(statusOf(answer))}`);
    const user = decode(answer.body) as UserDatum;
    const queued: Frame[] = [];
    for (;;) {
      const each = await this.next();
      if (each.type === TYPE.Status && statusOf(each).status === 22)
        return { user, challenge, lastSeen, nonce, queued };
      if (each.type !== TYPE.Message) throw new Error(`type ${each.type} in place of the event 22`);
      queued.push(each);
    }
  }

  /** Ends with a RST. Node never closes a socket that is reset while its end is under way. */
  reset(): void {
    if (this.socket.writableEnded) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  destroy(): Promise<string> {
    this.socket.destroy();
    return this.closed;
  }
}
