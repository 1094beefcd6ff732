// The porter: a process beside flexim-relay that accepts connections, sends away who may not come in, and
// hands the others over, with nothing read from them. A flood at the door costs this process its time first,
// and the relay only as much as it lets in. It knows no key and no store. words.ts is what it is told and says.

import { setPriority } from 'node:os';
import { hostGroup } from '../../lib/address.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { systemClock } from '../../lib/time.ts';
import { remoteOf } from '../../net/socket.ts';
import { type Arrival, type Listener, listenSockets, type TcpAddress } from '../../net/tcp.ts';
import { DOOR_LIMITS, type DoorLimits, Doors, type ShutReason } from '../../relay/doors.ts';
import { DEFAULT_LIMITS, liveLimits } from '../../relay/limits.ts';
import type { FromPorter, ToPorter } from './words.ts';

const NICE = 10; // the relay itself goes first
const TELL_MS = 200;
const AGAIN_MS = 20;
const PATIENCE_MS = 3_000; // the porter of a relay that was killed is just leaving

const limits = liveLimits(DEFAULT_LIMITS);
const ways = new Map<number, Listener>();
let shut: Partial<Record<ShutReason, number>> = {};
let telling: NodeJS.Timeout | null = null;

const doors = new Doors({
  limits,
  clock: systemClock,
  shut: (reason, times = 1) => {
    shut[reason] = (shut[reason] ?? 0) + times;
    telling ??= setTimeout(tellShut, TELL_MS);
  },
});

function say(word: FromPorter, socket?: Arrival): void {
  if (!process.connected) return;
  process.send?.(word, socket, undefined, (error) => {
    if (error) process.exit(0); // the relay is gone
  });
}

function tellShut(): void {
  if (telling) clearTimeout(telling);
  telling = null;
  say({ shut });
  shut = {};
}

function arrived(way: number, socket: Arrival): void {
  const from = remoteOf(socket);
  socket.on('error', () => {});
  if (!doors.enter(hostGroup(from))) return void socket.resetAndDestroy();
  // Node would count the sockets of a server for it in both processes, a listener on each.
  Object.defineProperty(socket, 'server', { value: null });
  say({ came: way, from }, socket);
}

async function listen(way: number, at: TcpAddress): Promise<void> {
  try {
    const listener = await patiently(() =>
      listenSockets(at, {
        paused: true,
        accept: (socket) => arrived(way, socket),
        gate: {
          isOpen: () => doors.isOpen(),
          turnedAway: () => doors.turnedAway(),
          missed: () => doors.missed(),
        },
      }),
    );
    ways.set(way, listener);
    say({ listening: way, at: listener.address });
  } catch (error) {
    const { code, message } = isFleximError(error)
      ? error
      : new FleximError('port-refused', `cannot listen on ${at.host} port ${at.port}: ${error}`);
    say({ refused: way, code, message });
  }
}

async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const until = systemClock.now() + PATIENCE_MS; ; )
    try {
      return await work();
    } catch (error) {
      if (!isFleximError(error, 'port-in-use') || systemClock.now() >= until) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
}

function close(way: number): void {
  void ways.get(way)?.close();
  ways.delete(way);
  if (telling) tellShut();
  say({ closed: way });
}

function setLimits(wanted: DoorLimits): void {
  const live = liveLimits(wanted);
  for (const name of DOOR_LIMITS) limits[name] = live[name];
}

process.on('message', (word: ToPorter) => {
  if ('limits' in word) setLimits(word.limits);
  else if ('inside' in word) for (const remote of word.inside) doors.count(hostGroup(remote));
  else if ('listen' in word) void listen(word.listen, { host: word.host, port: word.port });
  else if ('close' in word) close(word.close);
  else for (const remote of word.left) doors.leave(hostGroup(remote));
});
// A signal to the whole group is for the relay, which still takes what is under way; this one goes with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
// Its death is seen on stdin, which says nothing else: Node does not emit `disconnect` while it waits for
// the other side to confirm a socket, nor for what happened before anybody listened.
process.stdin.on('close', () => process.exit(0)).resume();
try {
  setPriority(NICE);
} catch {
  // a system that has no such thing
}
