// Bare TCP as a Channel.

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { FleximError, systemCode } from '../lib/errors.ts';
import type { Channel } from './channel.ts';
import { SocketChannel } from './socket.ts';

// A cut is to be seen as one, not as an end.
const RESETS = true;

/** A connection as the system gives it. */
export type Arrival = Socket;

/** A socket that another process has accepted, from the place that it saw. */
export function adopted(socket: Socket, remote: string): Channel {
  return new SocketChannel(socket, RESETS, remote);
}

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

export interface Listener {
  readonly address: TcpAddress;
  /** Accepts no more; open channels go on. */
  close(): Promise<void>;
}

/** What is asked about connections that are not there yet. */
export interface Gate {
  /** False: what comes now is closed, at a third of the cost, and only counted. */
  isOpen(): boolean;
  turnedAway(): void;
  /** The system could not give a connection that was there. */
  missed(): void;
}

export interface Accept<T> extends Gate {
  /** Takes it, or resets it before it has opened it. */
  accept(arrival: T): void;
}

interface Sockets {
  readonly accept: (socket: Socket) => void;
  readonly gate: Gate;
  readonly paused?: boolean;
}

/** Listens, or throws `port-in-use` or `port-refused`. */
export function listenTcp(at: TcpAddress, take: Accept<Channel>): Promise<Listener> {
  return listenSockets(at, {
    accept: (socket) => take.accept(new SocketChannel(socket, RESETS)),
    gate: take,
  });
}

/** The same for sockets as they are; nothing is read from them when they are taken paused. */
export function listenSockets(
  at: TcpAddress,
  { accept, gate, paused = false }: Sockets,
): Promise<Listener> {
  const options = { allowHalfOpen: false, noDelay: true, pauseOnConnect: paused };
  const server = createServer(options, accept);
  // Node looks at it for each connection, before it makes a socket of it.
  Object.defineProperty(server, 'maxConnections', {
    get: () => (gate.isOpen() ? Infinity : -1),
  });
  server.on('drop', () => gate.turnedAway());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, at)));
    server.listen({ host: at.host, port: at.port, backlog: 4_096 }, () => {
      server.removeAllListeners('error');
      server.on('error', () => gate.missed()); // a failed accept concerns one visitor; see also cli/descriptors.ts
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
  /** Whom the address is of, where it is no relay. */
  readonly whom?: string;
}

/** Connects, or throws `relay-unreachable`; `peer-unreachable` for somebody who is named. */
export function dialTcp(
  to: TcpAddress,
  { timeoutMs, signal, whom }: DialTcpOptions,
): Promise<Channel> {
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
        whom === undefined
          ? new FleximError(
              'relay-unreachable',
              `cannot reach the relay at ${to.host} port ${to.port}: ${why}. Is it running, and is the address right?`,
              cause,
            )
          : new FleximError(
              'peer-unreachable',
              `cannot reach ${whom} at ${to.host} port ${to.port}: ${why}`,
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
