// A process that floods a relay with bad connections from many loopback addresses, at a set rate. Told
// by its parent: {port, rate, holdMs} starts, null stops; it answers with what it did. It does no
// cryptography of its own: what it sends was made before, so that it can be fast.
//   garbage     no hello
//   half        half a hello, then silence
//   junk        a key that is none
//   silence     AUTH of a good key, and no answer to the challenge
//   wrong       AUTH of a good key, and a response of the right form that opens nothing

import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';
import { newIdentity } from '../src/crypto/identity.ts';
import { randomBytes } from '../src/crypto/sodium.ts';
import { encodeFrame, HELLO } from '../src/protocols/flexim/wire.ts';

export interface Order {
  readonly port: number;
  readonly rate: number; // connections a second
  readonly holdMs: number; // how long a silent connection is kept, unless the relay ends it
}

export interface Done {
  readonly opened: number;
  readonly answered: number; // of those with AUTH, how many got a challenge
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const ADDRESSES = 251;
const KEYS = 500;
const TICK_MS = 2;
const MOST_OPEN = 15_000;

const auth = (hex: string) => encodeFrame('Command', { cmd: 'AUTH', payload: [hex] });
const auths = Array.from({ length: KEYS }, () => Buffer.concat([HELLO, auth(newIdentity().hex)]));
const response = encodeFrame('AuthResponse', {
  challenge: randomBytes(216),
  nonce: randomBytes(93),
});
const wrongs = auths.map((each) => Buffer.concat([each, response]));
const junk = Buffer.concat([HELLO, auth('no key at all')]);
const garbage = Buffer.from('GET / HTTP/1.1\r\n\r\n');
const half = Buffer.from(HELLO.subarray(0, 3));

const KINDS: readonly ((n: number) => Buffer)[] = [
  () => garbage,
  () => half,
  () => junk,
  (n) => auths[n % KEYS] as Buffer,
  (n) => wrongs[n % KEYS] as Buffer,
];

let order: Order | null = null;
let began = 0;
let cpu = process.cpuUsage();
let opened = 0;
let answered = 0;
const open = new Map<Socket, number>(); // in the order in which they were opened

function one({ port }: Order, n: number): void {
  const bytes = (KINDS[n % KINDS.length] as (n: number) => Buffer)(n);
  const localAddress = `127.0.1.${1 + (n % ADDRESSES)}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
  open.set(socket, performance.now());
  socket.on('error', () => {});
  socket.on('close', () => open.delete(socket));
  if (bytes.length > 60) socket.on('data', (chunk) => (answered += chunk.length > 300 ? 1 : 0));
  else socket.resume();
  socket.write(bytes);
}

function tick(): void {
  if (!order) return;
  const now = performance.now();
  const due = Math.floor(((now - began) / 1_000) * order.rate);
  // What it cannot do in time it leaves: a rate that is not reached must show.
  const most = Math.min(due, opened + order.rate / 20);
  while (opened < most && open.size < MOST_OPEN) one(order, opened++);
  for (const [socket, since] of open) {
    if (now - since < order.holdMs) break;
    socket.resetAndDestroy();
    open.delete(socket);
  }
  setTimeout(tick, TICK_MS);
}

process.on('message', (message: Order | null) => {
  if (message) {
    order = message;
    [began, cpu, opened, answered] = [performance.now(), process.cpuUsage(), 0, 0];
    return tick();
  }
  order = null;
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - began) / 1_000;
  for (const socket of open.keys()) socket.resetAndDestroy();
  process.send?.({ opened, answered, seconds, cpuSeconds: (user + system) / 1e6 } satisfies Done);
});
process.on('disconnect', () => process.exit());
if (process.env.RT)
  (await import('node:child_process')).execFileSync('chrt', [
    '-o',
    '-a',
    '-p',
    '0',
    `${process.pid}`,
  ]);
setPriority(19); // real floods come from other machines: this one takes what the relay leaves
