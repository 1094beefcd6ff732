// A socket of the system as a Channel.

import type { Socket } from 'node:net';
import { reading } from '../lib/blocks.ts';
import type { Channel, ChannelHandler } from './channel.ts';

const NO_BINDING = new Uint8Array(32);
const KEEPALIVE_MS = 60_000;

/** Asked for at once: it is gone with the connection. */
export function remoteOf(socket: Socket): string {
  return socket.remoteAddress ?? '';
}

/**
 * Reads into memory of ours, which costs half of what Node's own chunks do: what `onread` does for sockets
 * that one connects oneself. Confessed: for those that are accepted Node has no public way, so this sets
 * what the option would have set. False where that is not to be found; then chunks are read as always.
 */
function readInto(socket: Socket, take: (length: number) => void): boolean {
  const inner = socket as unknown as Record<symbol, unknown> & {
    _handle?: { useUserBuffer?(memory: Uint8Array): void };
  };
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

export class SocketChannel implements Channel {
  readonly binding = NO_BINDING;
  readonly serverKey = null;
  readonly remote: string;
  readonly #socket: Socket;
  readonly #resets: boolean;

  /** `resets`: the transport can tell the other side of a cut; local sockets cannot. */
  constructor(socket: Socket, resets: boolean, remote = remoteOf(socket)) {
    this.remote = remote;
    this.#socket = socket;
    this.#resets = resets;
  }

  open(handler: ChannelHandler): void {
    let failure: Error | null = null;
    const take = (length: number) => {
      handler.data(reading.subarray(0, length));
    };
    if (!readInto(this.#socket, take)) this.#socket.on('data', (chunk) => handler.data(chunk));
    this.#socket.on('error', (error) => {
      failure = error;
    });
    this.#socket.on('close', () => handler.closed(failure));
  }

  keep(): void {
    this.#socket.setKeepAlive(true, KEEPALIVE_MS);
  }

  write(bytes: Uint8Array, written: () => void): void {
    // Node also calls back for what a destroyed socket never wrote, and without an error.
    this.#socket.write(bytes, (error) => {
      if (!error && !this.#socket.destroyed) written();
    });
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
