// The queue: how many Messages a second become durable, beside LMDB alone; how fast a queue is drained;
// what a full store costs others at login, and the relay at its start. The relay is the real program;
// the load is a process of its own.

import { median, type Report } from './measure.ts';
import { ask, Place, UNLIMITED } from './process.ts';

const ROUNDS = 5;
const MESSAGES = 200_000;
const SIZE = 256;
const SENDERS = 64;
const IN_FLIGHT = 64;
const MANY = 1_000_000;
const DRAINED = 100_000;
const LOGINS = 400;

interface Rate {
  readonly perSecond: number;
}

const rate = (value: number) => `${(value / 1e3).toFixed(0)} k`;
const range = (all: readonly number[], show: (value: number) => string) =>
  `${show(median(all))} (${show(Math.min(...all))}–${show(Math.max(...all))})`;

const fillOf = (port: number, messages: number) => ({
  task: 'fill',
  port,
  senders: SENDERS,
  recipients: SENDERS,
  inFlight: IN_FLIGHT,
  messages,
  size: SIZE,
});

/** Messages to people who are away, each answered by event 20; and puts into LMDB. */
async function durable(): Promise<Report> {
  const place = new Place();
  try {
    const { port } = await place.relay(UNLIMITED);
    await ask('load.ts', fillOf(port, MESSAGES / 4)); // warms the relay up
    const [ours, raw]: [number[], number[]] = [[], []];
    const raws = {
      recipients: SENDERS,
      inFlight: SENDERS * IN_FLIGHT,
      messages: MESSAGES,
      size: SIZE,
    };
    for (let round = 0; round < ROUNDS; round++) {
      const run = {
        ours: async () => ours.push((await ask<Rate>('load.ts', fillOf(port, MESSAGES))).perSecond),
        raw: async () => raw.push((await ask<Rate>('raw-lmdb.ts', raws)).perSecond),
      };
      await (round % 2 === 0 ? run.ours() : run.raw());
      await (round % 2 === 0 ? run.raw() : run.ours());
    }
    const ratio = median(ours.map((each, i) => each / (raw[i] as number)));
    const title = `durable Messages of ${SIZE} bytes, ${SENDERS} senders with ${IN_FLIGHT} in flight`;
    const text = [
      `${title}, /s: median (min–max)`,
      `  relay, sockets and events included  ${range(ours, rate)}`,
      `  LMDB alone                          ${range(raw, rate)}   ${ratio.toFixed(2)} of it do we reach`,
    ].join('\n');
    const bounds = [
      { what: 'at least 40,000 durable Messages a second', kept: median(ours) >= 40_000 },
      { what: 'at least 40 % of LMDB alone', kept: ratio >= 0.4 },
    ];
    return { title, text, data: { ours, raw, ratio }, bounds };
  } finally {
    await place.end();
  }
}

async function drained(): Promise<Report> {
  const place = new Place();
  try {
    const { port } = await place.relay(UNLIMITED);
    const rates: number[] = [];
    for (let round = 0; round < ROUNDS; round++)
      rates.push(
        (await ask<Rate>('load.ts', { task: 'drain', port, messages: DRAINED, size: SIZE }))
          .perSecond,
      );
    const title = `a queue of ${DRAINED} taken and acknowledged after a login`;
    const text = `${title}, /s: median (min–max)\n  ${range(rates, rate)}`;
    const bounds = [
      { what: 'a queue drained at 100,000 a second or more', kept: median(rates) >= 100_000 },
    ];
    return { title, text, data: { rates }, bounds };
  } finally {
    await place.end();
  }
}

/** What a million Messages for others cost: at a login, and at the start of the relay. */
async function crowded(): Promise<Report> {
  const place = new Place();
  try {
    let full = await place.relay(UNLIMITED, { name: 'full' });
    const empty = await place.relay(UNLIMITED, { name: 'empty' });
    await ask('load.ts', { ...fillOf(full.port, MANY), recipients: 1_000 });
    const both = { task: 'logins', ports: [full.port, empty.port], rounds: LOGINS };
    const { times } = await ask<{ times: [number[], number[]] }>('load.ts', both);
    const [crowd, alone] = times;
    const slower = median(crowd.map((each, i) => each / (alone[i] as number)));
    await full.child.stop('SIGTERM');
    full = await place.relay(UNLIMITED, { name: 'full' });
    const clean = full.startMs;
    await full.child.stop('SIGKILL');
    full = await place.relay(UNLIMITED, { name: 'full' });
    const killed = full.startMs;
    const ms = (value: number) => value.toFixed(1);
    const title = `with ${MANY} Messages queued for others`;
    const text = [
      `${title}, ms: median (min–max)`,
      `  login, nothing queued for him    ${range(crowd, ms)}`,
      `  the same with an empty store     ${range(alone, ms)}   ${slower.toFixed(3)} times as long with the full one`,
      `  start after a clean stop         ${ms(clean)}`,
      `  start after a kill -9            ${ms(killed)}`,
    ].join('\n');
    const bounds = [
      { what: 'a login takes at most 5 % longer', kept: slower <= 1.05 },
      { what: 'start after a clean stop under 2 s', kept: clean < 2_000 },
      { what: 'start after a kill under 8 s', kept: killed < 8_000 },
    ];
    return {
      title,
      text,
      data: { crowd: median(crowd), alone: median(alone), slower, clean, killed },
      bounds,
    };
  } finally {
    await place.end();
  }
}

export async function mailbox(): Promise<Report[]> {
  return [await durable(), await drained(), await crowded()];
}
