// The messenger: how many messages a second are sent and received, each durable on both machines and through
// a real relay; how long a history of 100,000 takes to open and to search. Relay, sender and receiver are
// processes of their own (talker.ts), with real stores.

import { join } from 'node:path';
import { median, type Report } from './measure.ts';
import { ask, Child, Place, UNLIMITED } from './process.ts';
import type { Opened, Searched, Task, Took } from './talker.ts';

const ROUNDS = 5;
const SENT = 1_000;
const MANY = 10_000;
const SENT_MS = 3_000;
const SLOWER = 2; // for each message, when there are ten times as many
const WAITING = 500;
const HISTORY = 100_000;
const SHORT = 1_000;
const SEARCH_MS = 150;
const OPEN_MS = 150;

const talk = <T>(task: Task) => ask<T>('talker.ts', task);
const script = join(import.meta.dirname, 'talker.ts');

const range = (all: readonly number[], digits = 0) =>
  `${median(all).toFixed(digits)} (${Math.min(...all).toFixed(digits)}–${Math.max(...all).toFixed(digits)})`;
const wall = (all: readonly Took[]) => all.map(({ ms }) => ms);
// Bounds hold for the time of the processor: others use this machine, too.
const cpu = (all: readonly Took[]) => median(all.map(({ cpuMs }) => cpuMs));
const rate = (messages: number, all: readonly number[]) =>
  range(all.map((ms) => (messages / ms) * 1_000));

/** From the first `send` until the relay or the other side has each, while he takes them. */
async function sent(): Promise<Report> {
  const place = new Place();
  const { port } = await place.relay(UNLIMITED);
  const bob = new Child([
    ...['--import', 'tsx', script],
    JSON.stringify({ task: 'listen', port, place: join(place.path, 'bob') } satisfies Task),
  ]);
  try {
    const { key } = JSON.parse(await bob.line()) as { key: string };
    const run = async (name: string, messages: number) => {
      const task = {
        task: 'send',
        port,
        place: join(place.path, name),
        to: key,
        messages,
      } as const;
      return talk<Took>(task);
    };
    const few: Took[] = [];
    for (let round = 0; round < ROUNDS; round++) few.push(await run(`few${round}`, SENT));
    const many = await run('many', MANY);
    const slower = (many.cpuMs / MANY) * (SENT / cpu(few));
    const title = 'messages sent, each durable here and accepted by the relay or received';
    const text = [
      `${title}: median (min–max)`,
      `  ${SENT}, ms            ${range(wall(few))}   limit ${SENT_MS}`,
      `  ${SENT}, CPU ms        ${cpu(few).toFixed(0)}   the sender's`,
      `  ${SENT}, /s            ${rate(SENT, wall(few))}`,
      `  ${MANY}, /s           ${rate(MANY, [many.ms])}   ${slower.toFixed(2)} times the CPU for each`,
    ].join('\n');
    const bounds = [
      { what: `${SENT} messages sent with ${SENT_MS} ms of CPU`, kept: cpu(few) <= SENT_MS },
      { what: `one of ${MANY} takes at most ${SLOWER} times the CPU`, kept: slower <= SLOWER },
    ];
    return { title, text, data: { few, many, slower }, bounds };
  } finally {
    await bob.stop();
    await place.end();
  }
}

/** From opening the store until what waited at the relay is in it. */
async function received(): Promise<Report> {
  const place = new Place();
  try {
    const { port } = await place.relay(UNLIMITED);
    const times: Took[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [bob, alice] = ['bob', 'alice'].map((name) => join(place.path, `${name}${round}`));
      if (!bob || !alice) throw new TypeError();
      const { key } = await talk<{ key: string }>({ task: 'appear', port, place: bob });
      // One goes first to open the session, and the protocol lets no more than 500 wait.
      const messages = WAITING - 1;
      await talk({ task: 'send', port, place: alice, to: key, messages });
      times.push(await talk<Took>({ task: 'take', port, place: bob, messages: WAITING }));
    }
    const title = `${WAITING} messages that waited, received and durable, from the start of the login`;
    const text = `${title}, /s: median (min–max)\n  ${rate(WAITING, wall(times))}   ${cpu(times).toFixed(0)} ms of CPU`;
    const bounds = [{ what: `${WAITING} received with 2 s of CPU`, kept: cpu(times) <= 2_000 }];
    return { title, text, data: { times }, bounds };
  } finally {
    await place.end();
  }
}

/** A fresh process each time: its first search counts as well as the others. */
async function history(): Promise<Report> {
  const place = new Place();
  try {
    const [full, short] = [join(place.path, 'full'), join(place.path, 'short')];
    await talk({ task: 'fill', place: full, messages: HISTORY });
    await talk({ task: 'fill', place: short, messages: SHORT });
    const runs: Opened[] = [];
    const shorts: Opened[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      runs.push(await talk<Opened>({ task: 'open', place: full, rounds: 5 }));
      shorts.push(await talk<Opened>({ task: 'open', place: short, rounds: 5 }));
    }
    const opens = runs.map((run) => run.open);
    const opensShort = shorts.map((run) => run.open);
    const first = runs.map(({ oldest }) => oldest.times[0] as Took);
    const all = (which: (run: Opened) => Searched) => runs.flatMap((run) => which(run).times);
    const [never, common] = [all((run) => run.never), all((run) => run.common)];
    const pages = runs.flatMap((run) => run.pages);
    const more = median(runs.map(({ rss }, i) => rss - (shorts[i] as Opened).rss)) / 2 ** 20;
    const slower = median(opens.map(({ cpuMs }, i) => cpuMs / (opensShort[i] as Took).cpuMs));
    const title = `a history of ${HISTORY} messages`;
    const line = (what: string, took: readonly Took[], limit?: number) =>
      `  ${what.padEnd(38)}${range(wall(took), 1).padEnd(22)}${cpu(took).toFixed(1)} of CPU${limit ? `   limit ${limit}` : ''}`;
    const text = [
      `${title}, ms: median (min–max)`,
      line('store, messenger and the last page', opens, OPEN_MS),
      line(`the same with ${SHORT}`, opensShort),
      line('the first search: the oldest message', first, SEARCH_MS),
      line('search for what nobody said', never, SEARCH_MS),
      line('search for what many said', common),
      line('a page from the middle', pages),
      `  memory more than with ${SHORT}: ${more.toFixed(0)} MiB`,
    ].join('\n');
    const bounds = [
      {
        what: `a search in ${HISTORY} with ${SEARCH_MS} ms of CPU`,
        kept: cpu(never) <= SEARCH_MS,
      },
      { what: `opening ${HISTORY} with ${OPEN_MS} ms of CPU`, kept: cpu(opens) <= OPEN_MS },
      { what: 'opening takes no more than twice as long as a short one', kept: slower <= 2 },
    ];
    return { title, text, data: { opens, opensShort, first, never, common, pages, more }, bounds };
  } finally {
    await place.end();
  }
}

export async function messenger(): Promise<Report[]> {
  return [await sent(), await received(), await history()];
}
