// A socket of the system as a Channel.

import type { Socket } from 'node:net';
import { reading } from '../lib/blocks.ts';
import { eachOf } from '../lib/queue.ts';
import type { Channel, ChannelHandler } from './channel.ts';

const NO_BINDING = new Uint8Array(32);
const KEEPALIVE_MS = 60_000;

/** Asked for at once: it is gone with the connection. */
export function remoteOf(socket: Socket): string {
  return socket.remoteAddress ?? '';
}

/**
 * Before a socket goes to another process: its channel's handler gets what was read and is still here, and
 * nothing more is read. Without that Node would go on reading until the other process has it, and throw
 * away what it read; it does the same to sockets that are `paused` from the start, by this very call.
 */
export function stopReading(socket: Socket): void {
  while (socket.read() !== null); // `data` is emitted
  const { _handle: handle } = innerOf(socket);
  if (!handle) return; // it is gone
  handle.reading = false;
  handle.readStop();
}

/** What Node's sockets have inside, since its beginnings. */
interface Inner extends Record<symbol, unknown> {
  readonly _handle?: {
    reading: boolean;
    readStop(): number;
    useUserBuffer?(memory: Uint8Array): void;
  } | null;
}

function innerOf(socket: Socket): Inner {
  return socket as unknown as Inner;
}

/**
 * Reads into memory of ours, which costs half of what Node's own chunks do: what `onread` does for sockets
 * that one connects oneself. Confessed: for those that are accepted Node has no public way, so this sets
 * what the option would have set. False where that is not to be found; then chunks are read as always.
 */
function readInto(socket: Socket, take: (length: number) => void): boolean {
  const inner = innerOf(socket);
  const named = (name: string) =>
    Object.getOwnPropertySymbols(inner).find((each) => each.description === name);
  const [buffer, callback] = [named('kBuffer'), named('kBufferCb')];
  const handle = inner._handle;
  const isUsable = buffer && callback && typeof handle?.useUserBuffer === 'function';
  if (!isUsable || inner[buffer] !== null || socket.readableLength > 0) return false;
  inner[buffer] = reading;
  inner[callback] = (length: number) => {
    take(length);
    return true;
  };
  handle?.useUserBuffer?.(reading);
  socket.resume();
  return true;
}

const BYTES = 'buffer' as BufferEncoding;
const now = Promise.resolve();
const NONE: never[] = [];
let taken: SocketChannel[] = NONE; // whose bytes the system took at once

/** Mostly it is the only one. */
function inAMoment(channel: SocketChannel): void {
  if (taken.length > 0) return void taken.push(channel);
  taken = [channel];
  void now.then(tellAll);
}

function tellAll(): void {
  const all = taken;
  taken = NONE;
  eachOf(all, tell, inAMoment);
}

const tell = (each: SocketChannel) => each.tell();

let came = reading; // what was read last: often as much comes again

export class SocketChannel implements Channel {
  readonly binding = NO_BINDING;
  readonly serverKey = null;
  readonly remote: string;
  readonly #socket: Socket;
  readonly #resets: boolean;
  #handler: ChannelHandler | null = null;
  #failure: Error | null = null;
  #unwritten: (() => void) | null = null; // who hears of the oldest piece that is not written
  #later: (() => void)[] = NONE; // and of those behind it
  #isWriting = false;
  #isClosed = false;

  /** `resets`: the transport can tell the other side of a cut; local sockets cannot. */
  constructor(socket: Socket, resets: boolean, remote = remoteOf(socket)) {
    this.remote = remote;
    this.#socket = socket;
    this.#resets = resets;
    // From the start: what comes from elsewhere may end before anybody has opened it.
    socket.on('error', (error) => {
      this.#failure = error;
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#handler?.closed(this.#failure);
    });
  }

  open(handler: ChannelHandler): void {
    const isFirst = this.#handler === null;
    this.#handler = handler;
    if (!isFirst) return;
    if (this.#isClosed) return void setImmediate(() => this.#handler?.closed(this.#failure));
    const take = (length: number) => {
      if (length !== came.length) came = reading.subarray(0, length);
      this.#handler?.data(came);
    };
    if (!readInto(this.#socket, take))
      this.#socket.on('data', (chunk) => this.#handler?.data(chunk));
  }

  keep(): void {
    this.#socket.setKeepAlive(true, KEEPALIVE_MS);
  }

  /**
   * By `_write`, which a stream has for who makes one, and not by `write`: in between lies a queue, which nobody
   * needs here, the system has its own, and which takes a third of the time and makes half of the garbage.
   */
  write(bytes: Uint8Array, written: () => void): void {
    if (!this.#unwritten) this.#unwritten = written;
    else if (this.#later === NONE) this.#later = [written];
    else this.#later.push(written);
    this.#isWriting = true;
    this.#socket._write(bytes, BYTES, this.#wrote);
    this.#isWriting = false;
  }

  readonly #wrote = (error?: Error | null): void => {
    if (error) this.#socket.destroy(error);
    else if (this.#isWriting) inAMoment(this);
    else this.tell();
  };

  /** The next piece is written. */
  tell(): void {
    const written = this.#unwritten;
    this.#unwritten = this.#later.length > 0 ? (this.#later.shift() ?? null) : null;
    // Node also calls back for what a destroyed socket never wrote, and without an error.
    if (!this.#socket.destroyed) written?.();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#socket.destroyed) return;
    this.#socket.end();
    this.#socket.resume(); // what still comes is discarded by the handler, the end must be seen
  }

  reset(): void {
    // Behind the end no reset is possible: libuv refuses, and the handle would stay open for ever.
    if (!this.#resets || this.#socket.writableEnded) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}
