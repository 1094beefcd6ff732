// A match: all rivals are connected at once and take turns, each round in another order, cell by cell.

import { type Cell, MOST_PAIRS, nameOf } from './cells.ts';
import { Loader } from './loader.ts';
import type { Delay } from './pace.ts';
import { type Rival, Servers } from './servers.ts';
import type { Rate, Span } from './traffic.ts';

export interface Plan {
  readonly cells: readonly Cell[];
  readonly rounds: number;
  readonly seconds: number; // of each run
  readonly isPinned: boolean;
  /** A forwarder takes part, which knows pairs only. */
  readonly forwarder: boolean;
  /** Who takes part, in place of the relay and its peers. */
  readonly rivals?: Field;
  readonly progress: (line: string) => void;
  /** The load adds no pauses of its own. */
  readonly calm?: boolean;
}

type Field = (servers: Servers) => Promise<readonly Rival[]>;

/** What the rounds of one cell gave, by rival. */
export interface Score<T> {
  readonly cell: Cell;
  readonly rounds: Readonly<Record<string, readonly T[]>>;
}

const WARM_PART = 0.3; // of a run, before it is measured
const WARM_UP: Span = { warmMs: 0, ms: 1_500 }; // before the first cell: compilers are to be done
const WARM_CELLS: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 16, spread: true },
];

export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

export function match(plan: Plan): Promise<Score<Rate>[]> {
  const span = spanOf(plan);
  return playing(plan, plan.rivals ?? everybody(plan), async (loader, rivals) => {
    for (const rival of rivals) {
      for (const cell of WARM_CELLS)
        if (rival.wire !== 'forward' || !cell.spread) await loader.run(rival, cell, WARM_UP);
    }
    return eachCell(plan, rivals, (rival, cell) => loader.run(rival, cell, span));
  });
}

/** The same at a set rate. */
export function paced(plan: Plan, rate: number): Promise<Score<Delay>[]> {
  const how = { rate, ...spanOf(plan) };
  return playing({ ...plan, calm: true }, everybody(plan), async (loader, rivals) => {
    for (const rival of rivals)
      for (const cell of plan.cells) await loader.pace(rival, cell, { ...how, ...WARM_UP });
    return eachCell(plan, rivals, (rival, cell) => loader.pace(rival, cell, how));
  });
}

const spanOf = ({ seconds }: Plan): Span => ({
  warmMs: seconds * WARM_PART * 1_000,
  ms: seconds * 1_000,
});

const everybody =
  ({ forwarder }: Plan): Field =>
  async (servers) => [
    ...(await servers.ours()),
    ...(await servers.peers()),
    ...(forwarder ? [await servers.forwarder()] : []),
  ];

async function playing<T>(
  { isPinned, cells, progress, calm }: Plan,
  field: Field,
  play: (loader: Loader, rivals: readonly Rival[]) => Promise<T>,
): Promise<T> {
  const servers = new Servers(isPinned ? SERVER_CORE : null);
  const loader = new Loader(isPinned ? LOAD_CORE : null, { calm });
  try {
    const rivals = await field(servers);
    const pairs = Math.min(MOST_PAIRS, Math.max(...cells.map((each) => each.pairs), 16));
    for (const rival of rivals) {
      progress(`connecting ${2 * pairs} users to ${rival.name}`);
      await loader.open(rival, pairs);
    }
    return await play(loader, rivals);
  } finally {
    await loader.end();
    await servers.end();
  }
}

async function eachCell<T extends Rate | Delay>(
  { cells, rounds, progress }: Plan,
  rivals: readonly Rival[],
  run: (rival: Rival, cell: Cell) => Promise<T>,
): Promise<Score<T>[]> {
  const scores: Score<T>[] = [];
  for (const [nth, cell] of cells.entries()) {
    const playing = rivals.filter(({ wire }) => wire !== 'forward' || !cell.spread);
    const results: Record<string, T[]> = Object.fromEntries(playing.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++)
      for (const rival of turns(playing, round)) results[rival.name]?.push(await run(rival, cell));
    scores.push({ cell, rounds: results });
    progress(`${nth + 1}/${cells.length} ${nameOf(cell).padEnd(10)} ${summary(results)}`);
  }
  return scores;
}

/** Each round begins with another, every other one backwards. */
export function turns<T>(all: readonly T[], round: number): readonly T[] {
  const from = round % all.length;
  const turned = [...all.slice(from), ...all.slice(0, from)];
  return round % 2 === 0 ? turned : turned.reverse();
}

function summary(results: Readonly<Record<string, readonly (Rate | Delay)[]>>): string {
  return Object.entries(results)
    .map(([name, runs]) => {
      const last = runs.at(-1);
      if (!last) return name;
      return 'p99' in last
        ? `${name} ${last.p99.toFixed(2)}`
        : `${name} ${(last.perSecond / 1e3).toFixed(0)}k`;
    })
    .join('  ');
}
