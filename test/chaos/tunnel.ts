// A tunnel through CommStream: whoever connects to it is at the relay, in a stream of his own. So clients that speak
// bytes over a bare socket reach a relay by way of its workers.

import { createServer, type Server, type Socket } from 'node:net';
import { dialSecure } from '../../src/protocols/commstream/client.ts';
import { memoryPins } from '../relay.ts';

const TIMEOUT_MS = 10_000;

export class Tunnel {
  /** Where the relay listens for CommStream. */
  target = 0;
  readonly #server: Server = createServer((socket) => void this.#join(socket));
  readonly #sockets = new Set<Socket>();

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  async #join(socket: Socket): Promise<void> {
    socket.on('error', () => {}).pause();
    this.#sockets.add(socket);
    const abort = new AbortController();
    socket.on('close', () => {
      this.#sockets.delete(socket);
      abort.abort();
    });
    try {
      const channel = await dialSecure(
        { host: '127.0.0.1', port: this.target },
        { timeoutMs: TIMEOUT_MS, signal: abort.signal },
        { pins: memoryPins() },
      );
      if (socket.destroyed) return channel.reset();
      channel.open({
        data: (chunk) => {
          if (socket.write(Buffer.from(chunk))) return;
          channel.pause();
          socket.once('drain', () => channel.resume());
        },
        closed: (error) => (error ? socket.resetAndDestroy() : socket.end()),
      });
      channel.keep();
      socket.on('data', (chunk) => {
        socket.pause();
        channel.write(chunk, () => socket.resume());
      });
      socket.on('end', () => channel.end());
      socket.on('close', (isBroken) => isBroken && channel.reset());
      socket.resume();
    } catch {
      socket.destroy(); // the relay, or its worker, is not there
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
