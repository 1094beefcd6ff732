// A way to the relay that keeps every byte of both directions, and can be told to be a bad one: to swallow Messages,
// or to bring them twice. The relay behind it may change its port.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { frameDelimiter, HELLO, MESSAGE } from '../../src/protocols/flexim/wire.ts';
import { exactly, FrameReader } from '../../src/wire/frames.ts';

export interface Badness {
  /** One Message in so many, on its way to the relay, never gets there. */
  readonly swallowOneIn?: number;
  /** One Message in so many, on its way from the relay, comes twice. */
  readonly doubleOneIn?: number;
}

export class Tap {
  /** All that went through, and each Message frame by itself. */
  readonly chunks: Buffer[] = [];
  readonly messages: Buffer[] = [];
  badness: Badness = {};
  target = 0;
  swallowed = 0;
  doubled = 0;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  static async listen(): Promise<Tap> {
    const tap = new Tap();
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    return tap;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    this.connections++;
    const relay = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    const pipes = [this.#pipe(client, relay, true), this.#pipe(relay, client, false)];
    for (const [socket, other] of [
      [client, relay],
      [relay, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
    }
    client.on('data', pipes[0] as (chunk: Buffer) => void);
    relay.on('data', pipes[1] as (chunk: Buffer) => void);
  }

  /** Passes on what comes, frame by frame; what has no end yet waits for it. */
  #pipe(from: Socket, to: Socket, isUp: boolean): (chunk: Buffer) => void {
    let turn: Buffer[] = [];
    const reader = new FrameReader(
      isUp ? exactly(HELLO.length) : frameDelimiter,
      (bytes, start, end) => {
        const frame = Buffer.from(bytes.subarray(start, end));
        reader.delimiter = frameDelimiter;
        for (let times = this.#times(frame, isUp); times > 0; times--) turn.push(frame);
      },
    );
    return (chunk) => {
      this.chunks.push(chunk);
      turn = [];
      reader.push(chunk);
      if (turn.length === 0 || to.destroyed || to.write(Buffer.concat(turn))) return;
      from.pause();
      to.once('drain', () => from.resume());
    };
  }

  #times(frame: Buffer, isUp: boolean): number {
    if (frame[0] !== MESSAGE || frame.length === HELLO.length) return 1;
    this.messages.push(frame);
    const { swallowOneIn = 0, doubleOneIn = 0 } = this.badness;
    if (isUp && swallowOneIn > 0 && this.messages.length % swallowOneIn === 0) {
      this.swallowed++;
      return 0;
    }
    if (isUp || doubleOneIn === 0 || this.messages.length % doubleOneIn !== 0) return 1;
    this.doubled++;
    return 2;
  }
}
