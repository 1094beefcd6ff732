// The porter: a process beside flexim-relay that accepts connections, sends away who may not come in, and
// receives strangers until they have logged in; only then are they handed over. So a flood costs this process
// its time, and the relay the lookup of keys; and what strangers can reach first has no store and nothing of
// anybody's traffic, but of the relay's keys the one that a login needs. words.ts is what it is told and says.

import { setPriority } from 'node:os';
import { hostGroup } from '../../lib/address.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { systemClock } from '../../lib/time.ts';
import { remoteOf, stopReading } from '../../net/socket.ts';
import {
  type Arrival,
  adopted,
  type Listener,
  listenSockets,
  type TcpAddress,
} from '../../net/tcp.ts';
import { Lobby } from '../../protocols/flexim/lobby.ts';
import type { Entrant, Known } from '../../protocols/protocol.ts';
import { Doors, type ShutReason } from '../../relay/doors.ts';
import type { DropReason } from '../../relay/drops.ts';
import { DEFAULT_LIMITS, liveLimits } from '../../relay/limits.ts';
import { Logins } from '../../relay/logins.ts';
import { loginTurns } from '../../relay/turns.ts';
import { tally } from '../tally.ts';
import { Handing } from './handing.ts';
import { rests } from './rest.ts';
import {
  bytesOf,
  type FromPorter,
  PORTER_LIMITS,
  type PorterLimits,
  type ToPorter,
  type WrittenKeys,
} from './words.ts';

const NICE = 15; // the relay itself goes first; still 3 % of a core that it uses in full
const AGAIN_MS = 20;
const PATIENCE_MS = 3_000; // the porter of a relay that was killed is just leaving

const limits = liveLimits(DEFAULT_LIMITS);
const ways = new Map<number, Listener>();
const lobbies = new Map<number, Lobby>(); // by way
const asked = new Map<number, (known: Known) => void>();
const rest = rests(systemClock); // between those who come and go, and turns of public-key work
let asks = 0;
let name = '';

function say(word: FromPorter, socket?: Arrival): void {
  if (!process.connected) return;
  process.send?.(word, socket, undefined, (error) => {
    if (error) process.exit(0); // the relay is gone
  });
}

// ---- what is counted, told now and then ----

const shut = tally<ShutReason>((sums) => say({ shut: sums }));
const counted = tally<DropReason>((sums) => say({ counted: sums }));

// ---- who comes ----

const doors = new Doors({ limits, clock: systemClock, shut: shut.count });
const gone = (remote: string) => {
  doors.leave(hostGroup(remote));
  rest();
};
const handing = new Handing(say, gone);

/** In, or reset; then with the socket's way and place. */
function letIn(socket: Arrival, take: (from: string) => void): void {
  const from = remoteOf(socket);
  socket.on('error', () => {});
  if (doors.enter(hostGroup(from))) take(from);
  else socket.resetAndDestroy();
}

function lobby(way: number, { publicKey, privateKey }: WrittenKeys) {
  const sockets = new WeakMap<object, Arrival>(); // by channel
  const clock = systemClock;
  const turns = loginTurns(limits, clock);
  turns.before = rest;
  const log: Log = { debug() {}, info() {}, warn() {}, error: (fields) => say(failure(fields)) };
  const made = new Lobby({
    ...{ limits, clock, turns, log, drops: counted, left: gone },
    name: () => name,
    exchange: { publicKey: bytesOf(publicKey), privateKey: bytesOf(privateKey) },
    logins: new Logins(limits, clock),
    lookUp: (key, found) => {
      asked.set(++asks, found);
      say({ ask: asks, key });
    },
    enter: (entrant) => handOver(way, entrant, sockets.get(entrant.channel) as Arrival),
  });
  return {
    lobby: made,
    accept: (socket: Arrival) =>
      letIn(socket, (from) => {
        const channel = adopted(socket, from);
        sockets.set(channel, socket);
        made.accept(channel);
      }),
  };
}

function failure({ err }: { readonly err?: unknown }): FromPorter {
  return { failure: err instanceof Error ? `${err.stack ?? err}` : String(err) };
}

/** What was read of the socket goes with it. */
function handOver(way: number, { channel, early, admission }: Entrant, socket: Arrival): void {
  const read = [early];
  channel.open({ data: (chunk) => read.push(Buffer.from(chunk)), closed() {} });
  stopReading(socket);
  const word = { came: way, from: channel.remote, admission };
  const bytes = Buffer.concat(read);
  handing.add({ ...word, ...(bytes.length > 0 && { early: bytes.toString('base64url') }) }, socket);
}

// ---- the ways in ----

interface Way {
  readonly id: number;
  readonly at: TcpAddress;
  readonly paused: boolean; // nothing is read from who comes
  readonly accept: (socket: Arrival) => void;
}

async function listen({ id, at, accept, paused }: Way): Promise<void> {
  try {
    const listener = await patiently(() =>
      listenSockets(at, {
        ...{ paused, accept },
        gate: {
          isOpen: () => {
            rest();
            return doors.isOpen();
          },
          turnedAway: () => doors.turnedAway(),
          missed: () => doors.missed(),
        },
      }),
    );
    ways.set(id, listener);
    say({ listening: id, at: listener.address });
  } catch (error) {
    const { code, message } = isFleximError(error)
      ? error
      : new FleximError('port-refused', `cannot listen on ${at.host} port ${at.port}: ${error}`);
    say({ refused: id, code, message });
  }
}

function listenForAll(id: number, at: TcpAddress): void {
  const accept = (socket: Arrival) =>
    letIn(socket, (from) => handing.add({ came: id, from }, socket));
  void listen({ id, at, accept, paused: true });
}

function receive(id: number, at: TcpAddress, keys: WrittenKeys): void {
  const { lobby: made, accept } = lobby(id, keys);
  lobbies.set(id, made);
  void listen({ id, at, accept, paused: false });
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
  shut.flush();
  handing.afterAll(() => say({ closed: way }));
}

async function dismiss(seconds: number): Promise<void> {
  await Promise.all([...lobbies.values()].map((each) => each.dismiss(seconds)));
  counted.flush();
  handing.afterAll(() => say({ dismissed: true }));
}

// ---- what it is told ----

function setLimits(wanted: PorterLimits): void {
  const live = liveLimits(wanted);
  for (const each of PORTER_LIMITS) limits[each] = live[each];
}

function found(n: number, known: Known): void {
  const then = asked.get(n);
  asked.delete(n);
  then?.(known);
}

process.on('message', (word: ToPorter) => {
  if ('limits' in word) {
    name = word.name;
    setLimits(word.limits);
  } else if ('inside' in word) for (const remote of word.inside) doors.count(hostGroup(remote));
  else if ('listen' in word) listenForAll(word.listen, { host: word.host, port: word.port });
  else if ('receive' in word)
    receive(word.receive, { host: word.host, port: word.port }, word.exchange);
  else if ('close' in word) close(word.close);
  else if ('took' in word) handing.took();
  else if ('known' in word) found(word.known, word);
  else if ('dismiss' in word) void dismiss(word.dismiss);
  else for (const remote of word.left) gone(remote);
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
