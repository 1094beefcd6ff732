// A wire between clients and a real relay that keeps a copy of every byte, and lets a test change what the
// relay says, frame by frame: a relay that drops, swaps and withholds, and honest in all the rest.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { FRAME_HEAD, frameDelimiter } from '../src/protocols/flexim/wire.ts';
import { FrameReader } from '../src/wire/frames.ts';

/** A frame of the relay's, and what goes on in its place. */
export type Tamper = (frame: Buffer) => readonly Uint8Array[];

export class Wiretap {
  readonly up: Buffer[] = []; // from clients
  readonly down: Buffer[] = []; // to clients, as it was before it was changed
  tamper: Tamper = (frame) => [frame];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(relay: () => number) {
    this.#server = createServer((client) => this.#join(client, connect(relay(), '127.0.0.1')));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  #join(client: Socket, relay: Socket): void {
    const reader = new FrameReader(frameDelimiter, (bytes, start, end) => {
      const frame = Buffer.from(bytes.subarray(start, end));
      this.down.push(frame);
      for (const each of this.tamper(frame)) client.write(each);
    });
    client.on('data', (bytes) => {
      this.up.push(bytes);
      relay.write(bytes);
    });
    relay.on('data', (bytes) => reader.push(bytes));
    for (const [one, other] of [
      [client, relay],
      [relay, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('end', () => other.end());
      one.on('close', () => this.#sockets.delete(one));
    }
  }

  /** Whether anybody could have read this. */
  has(what: string): boolean {
    return [this.up, this.down].some((some) => Buffer.concat(some).includes(what));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

export const bodyOf = (frame: Buffer): Buffer => frame.subarray(FRAME_HEAD);

/** Runs a test body with a wire to a relay. */
export async function withWiretap(
  port: number | (() => number),
  body: (wire: Wiretap) => Promise<void>,
): Promise<void> {
  const wire = new Wiretap(typeof port === 'number' ? () => port : port);
  await wire.listen();
  try {
    await body(wire);
  } finally {
    await wire.stop();
  }
}
