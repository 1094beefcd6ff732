// npm run bench -- workers: a relay that reads and writes itself, beside relays with one worker and with two.
// With a core for each process the busiest of them is the bound, so the table says what each has used for a
// message, the load too; on a machine with two cores no more can be seen.

import { median, type Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { UNLIMITED } from '../process.ts';
import { type Cell, nameOf } from './cells.ts';
import { match, type Score } from './match.ts';
import { canPin, type Rival, type Servers } from './servers.ts';
import type { Rate } from './traffic.ts';

const CELLS: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 128, spread: false },
  { bytes: 32, pairs: 128, spread: true },
  { bytes: 256, pairs: 128, spread: true },
  { bytes: 8_192, pairs: 16, spread: false },
];
const WORKERS = [0, 1, 2];
const NONE = 'none';

const named = (workers: number) => (workers === 0 ? NONE : `${workers}`);

const rivals = (servers: Servers): Promise<readonly Rival[]> =>
  Promise.all(
    WORKERS.map((workers) =>
      servers.relay(named(workers), 'flexim', { ...UNLIMITED, WORKERS: `${workers}` }),
    ),
  );

export async function workers(options: Options): Promise<Report[]> {
  const { cells, quick, rounds, seconds, progress } = options;
  const isPinned = canPin();
  const scores = await match({
    ...{ cells: cells ?? CELLS, rounds: rounds ?? (quick ? 3 : 7), seconds: seconds ?? 0.6 },
    ...{ isPinned, forwarder: false, rivals, progress },
  });
  const title = 'workers: messages delivered/s, and microseconds of processor time for one';
  const pinning = isPinned ? '; relay and workers on one core, the load on another' : '';
  const text = [
    `${title}${pinning}`,
    '  bound: how much more the busiest process of the relay would let through than a relay without workers,',
    '  if each had a core (computed from the times beside it, not measured)',
    '  cell       workers       msgs/s   relay   workers, all   load   bound',
    ...scores.flatMap(linesOf),
  ].join('\n');
  return [{ title, text, data: scores, bounds: [] }];
}

function linesOf({ cell, rounds }: Score<Rate>): readonly string[] {
  const times = WORKERS.map((count) => ({ count, ...timesOf(rounds[named(count)] ?? [], count) }));
  const alone = times[0]?.busiest ?? Number.NaN;
  return times.map(({ count, rate, relay, workers, load, busiest }) => {
    const rates = `${(rate / 1e3).toFixed(0)}k`.padStart(12);
    const each = [relay, workers, load].map((time) => time.toFixed(2));
    const [first = '', second = '', third = ''] = each;
    return (
      `  ${nameOf(cell).padEnd(10)} ${named(count).padEnd(7)} ${rates}${first.padStart(8)}` +
      `${second.padStart(15)}${third.padStart(7)}${(alone / busiest).toFixed(2).padStart(8)}`
    );
  });
}

/** Medians of microseconds for a message; the busiest process of the relay has one worker's part. */
function timesOf(runs: readonly Rate[], workers: number) {
  const of = (value: (run: Rate) => number) => median(runs.map(value));
  const each = (share: (run: Rate) => number | null) =>
    of((run) => ((share(run) ?? Number.NaN) / run.perSecond) * 1e6);
  const relay = each(({ serverCpu }) => serverCpu);
  const all = each(({ childrenCpu }) => childrenCpu); // the porter does nothing meanwhile
  const load = each(({ loadCpu }) => loadCpu);
  const busiest = Math.max(relay, workers > 0 ? all / workers : 0);
  return { rate: of(({ perSecond }) => perSecond), relay, workers: all, load, busiest };
}
