// A local (unix) socket as a Channel: for processes of one user on one machine. Who may connect is what
// the file system says: the socket is 0600, and its directory, which the caller chose and checked, 0700.

import { chmodSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { systemCode } from '../lib/errors.ts';
import type { Channel } from './channel.ts';
import { SocketChannel } from './socket.ts';

const NO_RESETS = false;
/** Nobody listens, or nobody takes more at this moment. */
const NOBODY = ['ENOENT', 'ECONNREFUSED', 'EAGAIN'];

/** The longest path that every system takes. A longer one would be cut short without a word. */
export const MAX_LOCAL_PATH = 103;

export interface LocalListener {
  /** Accepts no more, and removes the socket; open channels go on, and are waited for. */
  close(): Promise<void>;
}

/** Listens where nothing is. Throws the system's error. */
export function listenLocal(
  path: string,
  accept: (channel: Channel) => void,
): Promise<LocalListener> {
  const server = createServer((socket) => accept(new SocketChannel(socket, NO_RESETS)));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {}); // a failed accept concerns one visitor
      chmodSync(path, 0o600);
      resolve({
        close: () =>
          new Promise((done) => {
            server.close(() => done());
          }),
      });
    });
  });
}

/** Connects; null when nobody listens there. */
export function dialLocal(path: string): Promise<Channel | null> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const failed = (error: Error) => {
      socket.destroy();
      if (NOBODY.includes(systemCode(error) ?? '')) resolve(null);
      else reject(error);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(new SocketChannel(socket, NO_RESETS));
    });
  });
}
