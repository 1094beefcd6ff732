// Somebody who speaks Enclave by hand, and may say anything. Shares no code with the protocol.

import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { until } from '../../scene.ts';

export function framed(value: unknown): Buffer {
  return lengthened(Buffer.from(JSON.stringify(value)));
}

export function lengthened(body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

export const GREETING = { alias: 'raw', status: 1, 'status-message': '', timestamp: 1 };

export class Raw {
  readonly socket: Socket;
  readonly packets: Record<string, unknown>[] = [];
  isOver = false;
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isOver = true;
    });
    socket.on('data', (chunk) => this.#cut(chunk));
  }

  static async dial(port: number): Promise<Raw> {
    const raw = new Raw(createConnection({ host: '127.0.0.1', port }));
    // One who is turned away may hear of that first.
    await Promise.race(['connect', 'close'].map((event) => once(raw.socket, event))).catch(
      () => {},
    );
    return raw;
  }

  says(...values: unknown[]): this {
    for (const value of values) this.socket.write(Buffer.isBuffer(value) ? value : framed(value));
    return this;
  }

  /** The next packet that has the attribute. */
  async hears(attribute: string): Promise<Record<string, unknown>> {
    const at = () => this.packets.findIndex((packet) => Object.hasOwn(packet, attribute));
    await until(() => at() >= 0, `${attribute}; came ${JSON.stringify(this.packets)}`);
    return this.packets.splice(at(), 1)[0] as Record<string, unknown>;
  }

  async over(): Promise<void> {
    await until(() => this.isOver, 'the end');
  }

  #cut(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4) {
      const end = 4 + this.#bytes.readUInt32BE(0);
      if (this.#bytes.length < end) return;
      this.packets.push(JSON.parse(this.#bytes.subarray(4, end).toString()));
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}

export interface RawServer {
  readonly port: number;
  readonly server: Server;
  /** The next one who dialled. */
  visitor(): Promise<Raw>;
  close(): Promise<void>;
}

export async function rawServer(): Promise<RawServer> {
  const visitors: Raw[] = [];
  const all: Raw[] = [];
  const server = createServer((socket) => {
    const raw = new Raw(socket);
    visitors.push(raw);
    all.push(raw);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    server,
    port: typeof address === 'object' && address ? address.port : 0,
    visitor: async () => {
      await until(() => visitors.length > 0, 'a visitor');
      return visitors.shift() as Raw;
    },
    close: async () => {
      for (const { socket } of all) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
