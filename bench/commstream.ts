// CommStream: what it adds to a small message's way through the relay, how fast large data goes, and what
// a negotiation takes; each beside the same over bare TCP.

import { readFileSync } from 'node:fs';
import { newIdentity } from '../src/crypto/identity.ts';
import { exchangePair, randomBytes } from '../src/crypto/sodium.ts';
import { parseAddress } from '../src/lib/address.ts';
import { systemClock } from '../src/lib/time.ts';
import type { Channel } from '../src/net/channel.ts';
import { dialTcp, listenTcp } from '../src/net/tcp.ts';
import { SecureChannel } from '../src/protocols/commstream/channel.ts';
import { dialSecure } from '../src/protocols/commstream/client.ts';
import { acceptable, DEFAULT_SCHEME } from '../src/protocols/commstream/schemes.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Link, Pins, Protocol } from '../src/protocols/protocol.ts';
import { median, type Report } from './measure.ts';
import { Place, UNLIMITED } from './process.ts';

const HOST = '127.0.0.1';
const HANDSHAKES = 200;
const WARM_UP = 200; // as many before them: a relay has been running for a while
const LARGE = 256 * 1024 * 1024;
const BLOCK = 256 * 1024;
const LARGE_ROUNDS = 5;
const RATE = 10_000; // messages a second
const SMALL = 128; // bytes of an envelope
const ROUND_MS = 250; // short ones, in turns: what else the machine does hits both alike
const ROUNDS = 60;

const never = new AbortController().signal;
const how = { timeoutMs: 10_000, signal: never };
const pins: Pins = { get: () => null, add: async (_, hex) => hex };

export async function commstream(): Promise<Report[]> {
  return [await handshake(), await large(), await small()];
}

/** A listener whose channels are made by `make`, and how to reach it. */
async function listening(make: (channel: Channel) => Channel, accept: (channel: Channel) => void) {
  return listenTcp(
    { host: HOST, port: 0 },
    {
      isOpen: () => true,
      turnedAway: () => {},
      missed: () => {},
      accept: (channel) => accept(make(channel)),
    },
  );
}

function secured(channel: Channel): SecureChannel {
  const answering = {
    ...{ schemes: acceptable(DEFAULT_SCHEME, true), draw: randomBytes, server: KEYS },
  };
  return new SecureChannel(channel, { clock: systemClock, role: { side: 'server', answering } });
}

const KEYS = exchangePair(randomBytes(32));

async function handshake(): Promise<Report> {
  const ignore = { data: () => {}, closed: () => {} };
  const times: number[] = [];
  const bare: number[] = [];
  const first: number[] = [];
  let used = 0;
  const one = await listening(secured, (channel) => channel.open(ignore));
  const other = await listening(
    (channel) => channel,
    (channel) => channel.open(ignore),
  );
  for (let i = -WARM_UP; i < HANDSHAKES; i++) {
    const began = performance.now();
    const cpu = process.cpuUsage();
    const channel = await dialSecure(one.address, how, { pins });
    const took = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    if (i >= 0) used += (user + system) / 1000 / HANDSHAKES;
    channel.reset();
    const then = performance.now();
    const tcp = await dialTcp(other.address, how);
    const without = performance.now() - then;
    tcp.open(ignore);
    tcp.reset();
    if (i >= 0) times.push(took);
    else if (first.length < 20) first.push(took);
    if (i >= 0) bare.push(without);
  }
  await Promise.all([one.close(), other.close()]);
  const [ms, tcp] = [median(times), median(bare)];
  return {
    title: 'negotiation',
    text: `negotiation, both sides in one process, TCP connection included: ${ms.toFixed(2)} ms (median of ${HANDSHAKES}), ${used.toFixed(2)} ms at work, helpers of the engine included; the first 20 of the process ${median(first).toFixed(2)} ms; the connection alone ${tcp.toFixed(2)} ms`,
    data: { title: 'negotiation', ms, firstMs: median(first), cpuMs: used, tcpMs: tcp },
    bounds: [{ what: 'a negotiation takes less than 3 ms', kept: ms < 3 }],
  };
}

/** MB/s from one channel to another, both in this process. */
async function transfer(isSecure: boolean): Promise<number> {
  let got = 0;
  let began = 0;
  let done: (seconds: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    done = resolve;
  });
  const listener = await listening(
    (channel) => (isSecure ? secured(channel) : channel),
    (channel) => {
      channel.open({
        data: (chunk) => {
          got += chunk.length;
          if (got >= LARGE) done((performance.now() - began) / 1000);
        },
        closed: () => {},
      });
      channel.keep();
    },
  );
  const channel = isSecure
    ? await dialSecure(listener.address, how, { pins })
    : await dialTcp(listener.address, how);
  channel.open({ data: () => {}, closed: () => {} });
  const block = Buffer.alloc(BLOCK, 7);
  let sent = 0;
  began = performance.now();
  const cpu = process.cpuUsage();
  const write = () => {
    if (sent >= LARGE) return;
    sent += BLOCK;
    channel.write(block, write);
  };
  write();
  write();
  await finished;
  const { user, system } = process.cpuUsage(cpu);
  channel.reset();
  await listener.close();
  return LARGE / 1e6 / ((user + system) / 1e6); // of this process's time: the machine may be shared
}

async function large(): Promise<Report> {
  const rates: Record<'commstream' | 'tcp', number[]> = { commstream: [], tcp: [] };
  await transfer(true);
  for (let i = 0; i < LARGE_ROUNDS; i++) {
    rates.commstream.push(await transfer(true));
    rates.tcp.push(await transfer(false));
  }
  const [ours, tcp] = [median(rates.commstream), median(rates.tcp)];
  return {
    title: 'large data',
    text: `large data, sender and receiver in one process, MB for each second of its processor time: commstream ${ours.toFixed(0)} (${rates.commstream.map((each) => each.toFixed(0)).join(', ')}), bare TCP ${tcp.toFixed(0)}`,
    data: { title: 'large data', commstream: ours, tcp },
    bounds: [{ what: 'large data: at least 100 MB a second of one core', kept: ours >= 100 }],
  };
}

interface Pair {
  readonly from: Link;
  readonly to: Link;
  readonly times: number[];
}

async function pairOver(protocol: Protocol, port: number): Promise<Pair> {
  const dial = () =>
    protocol.dial({ host: HOST, port, identity: newIdentity(), pins, reconnect: null });
  const [from, to] = [await dial(), await dial()];
  const times: number[] = [];
  void (async () => {
    for await (const { envelope, done } of to.deliveries()) {
      times.push(performance.now() - Buffer.from(envelope).readDoubleLE(0));
      done();
    }
  })();
  for (const link of [from, to])
    void (async () => {
      for await (const _ of link.events());
    })();
  return { from, to, times };
}

/** So many messages a second for a while; how long half of them were on their way at most. */
async function round({ from, to, times }: Pair): Promise<number> {
  times.length = 0;
  const envelope = Buffer.alloc(SMALL);
  const key = to.self.key;
  const began = performance.now();
  let sent = 0;
  while (performance.now() - began < ROUND_MS) {
    const due = Math.floor(((performance.now() - began) / 1000) * RATE);
    for (; sent < due; sent++) {
      envelope.writeDoubleLE(performance.now(), 0);
      from.send(key, envelope);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  while (times.length < sent) await new Promise((resolve) => setImmediate(resolve));
  return median(times);
}

async function small(): Promise<Report> {
  const place = new Place();
  try {
    const { port, child } = await place.relay({ ...UNLIMITED, COMMSTREAM_PORT: '0' });
    const second = parseAddress(await child.line()).port;
    const bare = await pairOver(protocols.flexim, port);
    const stream = await pairOver(protocols.commstream, second);
    const all = { bare: [] as number[], stream: [] as number[], ratios: [] as number[] };
    const work = { bare: 0, stream: 0 };
    for (let i = -6; i < ROUNDS; i++) {
      const order = i % 2 ? (['bare', 'stream'] as const) : (['stream', 'bare'] as const);
      const took = { bare: 0, stream: 0 };
      for (const name of order) {
        const before = usedBy(child.pid);
        took[name] = await round({ bare, stream }[name]);
        if (i >= 0) work[name] += usedBy(child.pid) - before;
      }
      if (i < 0) continue; // the compiler is at work
      all.bare.push(took.bare);
      all.stream.push(took.stream);
      all.ratios.push(took.stream / took.bare);
    }
    await Promise.all([bare, stream].flatMap(({ from, to }) => [from.close(), to.close()]));
    return smallReport(all, work);
  } finally {
    await place.end();
  }
}

/** Microseconds of processor time that a process has used; Linux counts in hundredths of a second. */
function usedBy(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

interface Small {
  readonly bare: readonly number[];
  readonly stream: readonly number[];
  readonly ratios: readonly number[];
}

function smallReport(
  { bare, stream, ratios }: Small,
  work: { readonly bare: number; readonly stream: number },
): Report {
  const adds = (median(ratios) - 1) * 100;
  const sorted = ratios.toSorted((a, b) => a - b);
  const quarter = (n: number) => (sorted[Math.floor((sorted.length * n) / 4)] as number).toFixed(2);
  const us = (values: readonly number[]) => (median(values) * 1000).toFixed(0);
  const messages = (ROUNDS * ROUND_MS * RATE) / 1000;
  const each = (total: number) => (total / messages).toFixed(1);
  return {
    title: 'small messages',
    text:
      `a message of ${SMALL} bytes through the relay at ${RATE} a second, sender and receiver in one process: ` +
      `bare ${us(bare)} µs, commstream ${us(stream)} µs; it adds ${adds.toFixed(0)} % ` +
      `(median ratio of ${ROUNDS} rounds in turns, half of them from ${quarter(1)} to ${quarter(3)}); ` +
      `of the relay's processor ${each(work.bare)} and ${each(work.stream)} µs a message`,
    data: { title: 'small messages', bareMs: median(bare), commstreamMs: median(stream), adds },
    bounds: [{ what: 'it adds at most 25 % to the way of a small message', kept: adds <= 25 }],
  };
}
