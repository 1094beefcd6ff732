// npm run bench -- relay: the relay beside NATS, Redis pub/sub and Mosquitto, as far as they are
// installed, and beside a process that only forwards bytes.

import type { Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { type Cell, MATRIX, QUICK } from './cells.ts';
import { delays } from './delays.ts';
import { match, type Plan, paced } from './match.ts';
import { throughput } from './report.ts';
import { row } from './rows.ts';
import { canPin, configurations } from './servers.ts';

const RATE = 50_000;
const PACED: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 16, spread: true },
];

/** Both tables of throughput: each server on one core with the load on another, and as it comes. */
export async function relay(options: Options): Promise<Report[]> {
  const reports: Report[] = [];
  for (const isPinned of canPin() ? [true, false] : [false]) {
    const rows = (await match(planOf(options, isPinned))).map(row);
    reports.push(throughput(rows, where(isPinned)));
  }
  const [first, ...others] = reports as [Report, ...Report[]];
  const text = `${configurations()
    .map((each) => `  ${each}`)
    .join('\n')}\n${first.text}`;
  return [{ ...first, text }, ...others.map((each) => ({ ...each, bounds: [] }))];
}

export async function latency(options: Options): Promise<Report[]> {
  const isPinned = canPin();
  const { cells, quick, rounds, seconds } = options;
  const plan = {
    ...planOf(options, isPinned),
    ...{ cells: cells ?? PACED, forwarder: false },
    // A pause now and then decides about a p99: it takes more to see it than a rate does.
    ...(quick ? {} : { rounds: rounds ?? 5, seconds: seconds ?? 1.2 }),
  };
  return [delays(await paced(plan, RATE), RATE, where(isPinned))];
}

const where = (isPinned: boolean): string =>
  isPinned ? 'each server on one core, the load on another' : 'no process bound to a core';

function planOf({ cells, quick, rounds, seconds, progress }: Options, isPinned: boolean): Plan {
  return {
    cells: cells ?? (quick ? QUICK : MATRIX),
    rounds: rounds ?? (quick ? 2 : 3),
    seconds: seconds ?? (quick ? 0.4 : 0.6),
    isPinned,
    forwarder: true,
    progress,
  };
}
