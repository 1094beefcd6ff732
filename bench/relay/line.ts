// A connection of the load, as cheap as Node has it: all read into one piece of memory, and what comes
// is handed to `take` without a copy.

import { connect, type Socket } from 'node:net';

export type Take = (bytes: Buffer, length: number) => void;

const memory = Buffer.alloc(256 * 1024);

export class Line {
  readonly socket: Socket;
  /** How others name the user of this line. */
  readonly name: string;
  take: Take = () => {};
  /** Bytes that came in this run, and messages. */
  bytes = 0;
  messages = 0;

  private constructor(socket: Socket, name: string) {
    this.socket = socket;
    this.name = name;
  }

  static open(port: number, name: string): Promise<Line> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer: memory,
          callback: (length: number) => {
            line.take(memory, length);
            return true;
          },
        },
      });
      const line = new Line(socket, name);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        socket.on('close', () => fail(`a server closed the connection of ${name}`));
        socket.on('error', () => {});
        resolve(line);
      });
    });
  }

  /** What comes up to and with a text, from here on. */
  until(text: string): Promise<void> {
    return new Promise((resolve) => {
      let seen = '';
      this.take = (bytes, length) => {
        seen += bytes.toString('latin1', 0, length);
        if (!seen.includes(text)) return;
        this.take = () => {};
        resolve();
      };
    });
  }

  end(): void {
    this.socket.removeAllListeners('close').destroy();
  }
}

/** A load that is not what it should be measures nothing. */
export function fail(why: string): never {
  throw new Error(`relay bench: ${why}`);
}
