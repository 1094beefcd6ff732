// The messenger: how many messages a second are sent and received, each durable on both machines and through
// a real relay; how long a history of 100,000 takes to open and to search. Relay, sender and receiver are
// processes of their own (talker.ts), with real stores.

import { join } from 'node:path';
import { median, type Report } from './measure.ts';
import { ask, Child, Place, UNLIMITED } from './process.ts';
import type { Task } from './talker.ts';

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
      return (await talk<{ ms: number }>(task)).ms;
    };
    const few: number[] = [];
    for (let round = 0; round < ROUNDS; round++) few.push(await run(`few${round}`, SENT));
    const many = await run('many', MANY);
    const slower = (many / MANY) * (SENT / median(few));
    const title = 'messages sent, each durable here and accepted by the relay or received';
    const text = [
      `${title}: median (min–max)`,
      `  ${SENT}, ms   ${range(few)}   limit ${SENT_MS}`,
      `  ${SENT}, /s   ${rate(SENT, few)}`,
      `  ${MANY}, /s  ${rate(MANY, [many])}   ${slower.toFixed(2)} times as long for each`,
    ].join('\n');
    const bounds = [
      { what: `${SENT} messages sent within ${SENT_MS} ms`, kept: median(few) <= SENT_MS },
      { what: `one of ${MANY} takes at most ${SLOWER} times as long`, kept: slower <= SLOWER },
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
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [bob, alice] = ['bob', 'alice'].map((name) => join(place.path, `${name}${round}`));
      if (!bob || !alice) throw new TypeError();
      const { key } = await talk<{ key: string }>({ task: 'appear', port, place: bob });
      // One goes first to open the session, and the protocol lets no more than 500 wait.
      const messages = WAITING - 1;
      await talk({ task: 'send', port, place: alice, to: key, messages });
      const { ms } = await talk<{ ms: number }>({
        task: 'take',
        port,
        place: bob,
        messages: WAITING,
      });
      times.push(ms);
    }
    const title = `${WAITING} messages that waited, received and durable, from the start of the login`;
    const text = `${title}, /s: median (min–max)\n  ${rate(WAITING, times)}`;
    const bounds = [
      { what: 'received at 250 a second or more', kept: median(times) <= WAITING * 4 },
    ];
    return { title, text, data: { times }, bounds };
  } finally {
    await place.end();
  }
}

interface Opened {
  readonly openMs: number;
  readonly rss: number;
  readonly pages: readonly number[];
  readonly oldest: Searched;
  readonly never: Searched;
  readonly common: Searched;
}
interface Searched {
  readonly times: readonly number[];
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
    const opens = runs.map(({ openMs }) => openMs);
    const opensShort = shorts.map(({ openMs }) => openMs);
    const first = runs.map(({ oldest }) => oldest.times[0] as number);
    const later = runs.flatMap(({ never }) => never.times);
    const common = runs.flatMap((run) => run.common.times);
    const pages = runs.flatMap((run) => run.pages);
    const more = median(runs.map(({ rss }, i) => rss - (shorts[i] as Opened).rss)) / 2 ** 20;
    const slower = median(opens.map((ms, i) => ms / (opensShort[i] as number)));
    const title = `a history of ${HISTORY} messages`;
    const text = [
      `${title}, ms: median (min–max)`,
      `  store, messenger and the last page    ${range(opens, 1)}   limit ${OPEN_MS}`,
      `  the same with ${SHORT} messages          ${range(opensShort, 1)}   ${slower.toFixed(2)} times as long with all`,
      `  search, the first: the oldest message ${range(first, 1)}   limit ${SEARCH_MS}`,
      `  search for what nobody said           ${range(later, 1)}   limit ${SEARCH_MS}`,
      `  search for what many said             ${range(common, 1)}`,
      `  a page from the middle                ${range(pages, 1)}`,
      `  memory more than with ${SHORT}, MiB      ${more.toFixed(0)}`,
    ].join('\n');
    const bounds = [
      { what: `a search in ${HISTORY} within ${SEARCH_MS} ms`, kept: median(later) <= SEARCH_MS },
      { what: `opening ${HISTORY} within ${OPEN_MS} ms`, kept: median(opens) <= OPEN_MS },
      { what: 'opening takes no more than twice as long as a short one', kept: slower <= 2 },
    ];
    return { title, text, data: { opens, opensShort, first, later, common, pages, more }, bounds };
  } finally {
    await place.end();
  }
}

export async function messenger(): Promise<Report[]> {
  return [await sent(), await received(), await history()];
}
