// Bare TCP as a Channel.

import { createConnection, createServer, type Server } from 'node:net';
import { FleximError, systemCode } from '../lib/errors.ts';
import type { Channel } from './channel.ts';
import { SocketChannel } from './socket.ts';

// A cut is to be seen as one, not as an end.
const RESETS = true;

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

export interface Listener {
  readonly address: TcpAddress;
  /** Accepts no more; open channels go on. */
  close(): Promise<void>;
}

export interface Accept {
  /** Takes the channel, or resets it before it has opened it. */
  accept(channel: Channel): void;
  /** False: what comes now is closed, at a third of the cost, and only counted. */
  isOpen(): boolean;
  turnedAway(): void;
  /** The system could not give a connection that was there. */
  missed(): void;
}

/** Listens, or throws `port-in-use` or `port-refused`. */
export function listenTcp(at: TcpAddress, take: Accept): Promise<Listener> {
  const server = createServer({ allowHalfOpen: false, noDelay: true }, (socket) =>
    take.accept(new SocketChannel(socket, RESETS)),
  );
  // Node looks at it for each connection, before it makes a socket of it.
  Object.defineProperty(server, 'maxConnections', {
    get: () => (take.isOpen() ? Infinity : -1),
  });
  server.on('drop', () => take.turnedAway());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, at)));
    server.listen({ host: at.host, port: at.port, backlog: 4_096 }, () => {
      server.removeAllListeners('error');
      server.on('error', () => take.missed()); // a failed accept concerns one visitor; see also cli/descriptors.ts
      resolve(listener(server, at));
    });
  });
}

function listener(server: Server, at: TcpAddress): Listener {
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : at.port;
  return {
    address: { host: at.host, port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

function listenError(error: Error, { host, port }: TcpAddress): FleximError {
  const code = systemCode(error);
  if (code === 'EADDRINUSE')
    return new FleximError(
      'port-in-use',
      `port ${port} on ${host} is in use by another program; choose another with --port`,
      error,
    );
  const why =
    code === 'EACCES'
      ? 'ports below 1024 need rights this user does not have'
      : code === 'EADDRNOTAVAIL'
        ? 'this machine has no such address'
        : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
          ? 'this host name is not known'
          : error.message;
  return new FleximError('port-refused', `cannot listen on ${host} port ${port}: ${why}`, error);
}

export interface DialTcpOptions {
  readonly timeoutMs: number;
  /** Gives up at once when it is aborted. */
  readonly signal: AbortSignal;
}

/** Connects, or throws `relay-unreachable`. */
export function dialTcp(to: TcpAddress, { timeoutMs, signal }: DialTcpOptions): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({
      host: to.host,
      port: to.port,
      autoSelectFamily: true,
      noDelay: true,
    });
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    };
    const fail = (why: string, cause?: Error) => {
      settle();
      socket.destroy();
      reject(
        new FleximError(
          'relay-unreachable',
          `cannot reach the relay at ${to.host} port ${to.port}: ${why}. Is it running, and is the address right?`,
          cause,
        ),
      );
    };
    const timer = setTimeout(() => fail(`no answer in ${timeoutMs / 1000} s`), timeoutMs);
    const failed = (error: Error) => fail(dialReason(error), error);
    const aborted = () => fail('it was given up');
    signal.addEventListener('abort', aborted);
    if (signal.aborted) return aborted();
    socket.once('error', failed);
    socket.once('connect', () => {
      settle();
      socket.off('error', failed);
      resolve(new SocketChannel(socket, RESETS));
    });
  });
}

function dialReason(error: Error): string {
  switch (systemCode(error)) {
    case 'ECONNREFUSED':
      return 'nothing listens there';
    case 'ENOTFOUND':
      return 'this host name is not known';
    case 'EAI_AGAIN':
      return 'the name service does not answer';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no way to that network';
    case 'ETIMEDOUT':
      return 'no answer';
    default:
      return error.message || 'the connection failed';
  }
}
