// A local (unix) socket as a Channel: for processes of one user on one machine. Who may connect is what
// the file system says: the socket is 0600, and its directory, which the caller chose and checked, 0700.

import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, Socket } from 'node:net';
import { systemCode } from '../lib/errors.ts';
import type { Channel } from './channel.ts';
import { SocketChannel } from './socket.ts';

const NO_RESETS = false;
/** Nobody listens, or nobody takes more at this moment; reset: he was killed before he took it. */
const NOBODY = ['ENOENT', 'ECONNREFUSED', 'EAGAIN', 'ECONNRESET'];

/** Behind the name of a socket that is not ready yet. */
const UNREADY = '+';
/** The longest path that every system takes. A longer one would be cut short without a word. */
export const MAX_LOCAL_PATH = 103 - UNREADY.length;

export interface LocalListener {
  /** Accepts no more, and removes the socket; open channels go on, and are waited for. */
  close(): Promise<void>;
}

/**
 * Listens where nothing is, and nobody else begins to. The name appears when the socket is 0600, and is
 * gone as soon as it closes. Throws the system's error.
 */
export function listenLocal(
  path: string,
  accept: (channel: Channel) => void,
): Promise<LocalListener> {
  const server = createServer((socket) => accept(new SocketChannel(socket, NO_RESETS)));
  const unready = path + UNREADY;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    rmSync(unready, { force: true }); // of one that died there
    server.listen({ path: unready }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {}); // a failed accept concerns one visitor
      try {
        chmodSync(unready, 0o600);
        renameSync(unready, path);
        resolve(listener(server, path));
      } catch (error) {
        server.close();
        reject(error);
      }
    });
  });
}

function listener(server: Server, path: string): LocalListener {
  return {
    close: () => {
      rmSync(path, { force: true });
      return new Promise((done) => {
        server.close(() => done());
      });
    },
  };
}

/** A pipe between a process and its child as a Channel: the parent's end of it … */
export function pipeChannel(pipe: unknown): Channel {
  return new SocketChannel(pipe as Socket, NO_RESETS);
}

/** … and the child's, by its descriptor. */
export function inheritedChannel(fd: number): Channel {
  return pipeChannel(new Socket({ fd, readable: true, writable: true }));
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
