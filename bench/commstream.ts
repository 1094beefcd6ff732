// CommStream: what it adds to a small message's way through the relay, how fast large data goes, and what
// a negotiation takes; each beside the same over bare TCP.

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
const LARGE = 256 * 1024 * 1024;
const BLOCK = 256 * 1024;
const LARGE_ROUNDS = 5;
const RATE = 10_000; // messages a second
const SMALL = 128; // bytes of an envelope
const ROUND_MS = 1_500;
const ROUNDS = 8;

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
  const one = await listening(secured, (channel) => channel.open(ignore));
  const other = await listening(
    (channel) => channel,
    (channel) => channel.open(ignore),
  );
  for (let i = -20; i < HANDSHAKES; i++) {
    const began = performance.now();
    const channel = await dialSecure(one.address, how, { pins });
    const took = performance.now() - began;
    channel.reset();
    const then = performance.now();
    const tcp = await dialTcp(other.address, how);
    const without = performance.now() - then;
    tcp.open(ignore);
    tcp.reset();
    if (i >= 0) times.push(took);
    if (i >= 0) bare.push(without);
  }
  await Promise.all([one.close(), other.close()]);
  const [ms, tcp] = [median(times), median(bare)];
  return {
    title: 'negotiation',
    text: `negotiation, both sides in one process, TCP connection included: ${ms.toFixed(2)} ms (median of ${HANDSHAKES}); the connection alone ${tcp.toFixed(2)} ms`,
    data: { title: 'negotiation', ms, tcpMs: tcp },
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

/** So many messages a second for a while, and how long each was on its way. */
async function round({ from, to, times }: Pair): Promise<{ p50: number; mean: number }> {
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
  const warm = times.slice(Math.floor(times.length / 4));
  return { p50: median(warm), mean: warm.reduce((sum, each) => sum + each, 0) / warm.length };
}

async function small(): Promise<Report> {
  const place = new Place();
  try {
    const { port, child } = await place.relay({ ...UNLIMITED, COMMSTREAM_PORT: '0' });
    const second = parseAddress(await child.line()).port;
    const bare = await pairOver(protocols.flexim, port);
    const stream = await pairOver(protocols.commstream, second);
    await round(bare);
    await round(stream);
    const ratios: number[] = [];
    const all: Record<'bare' | 'stream', number[]> = { bare: [], stream: [] };
    for (let i = 0; i < ROUNDS; i++) {
      const order = i % 2 ? ([bare, stream] as const) : ([stream, bare] as const);
      const got = new Map<Pair, number>();
      for (const pair of order) got.set(pair, (await round(pair)).p50);
      const [b, s] = [got.get(bare) as number, got.get(stream) as number];
      all.bare.push(b);
      all.stream.push(s);
      ratios.push(s / b);
    }
    await Promise.all([bare, stream].flatMap(({ from, to }) => [from.close(), to.close()]));
    const adds = (median(ratios) - 1) * 100;
    const us = (values: number[]) => (median(values) * 1000).toFixed(0);
    return {
      title: 'small messages',
      text: `a message of ${SMALL} bytes through the relay at ${RATE} a second, sender and receiver in one process: bare ${us(all.bare)} µs, commstream ${us(all.stream)} µs; it adds ${adds.toFixed(0)} % (medians of ${ROUNDS} rounds: ${ratios.map((each) => each.toFixed(2)).join(', ')})`,
      data: {
        title: 'small messages',
        bareMs: median(all.bare),
        commstreamMs: median(all.stream),
        adds,
      },
      bounds: [{ what: 'it adds at most 25 % to the way of a small message', kept: adds <= 25 }],
    };
  } finally {
    await place.end();
  }
}
