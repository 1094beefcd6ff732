// npm run bench -- workers: a relay that reads and writes itself, beside relays with one worker and with two, at
// full speed and at a set rate. The relay has a core of its own; workers and load share the other, so that on a
// machine with two cores no more is seen than what each process uses for a message: with a core for each, the
// busiest of the relay's is the bound. The rate is far below what a core can do, as traffic mostly is: then
// what comes at once is little, and reading and writing it is most of the work.

import { execFileSync } from 'node:child_process';
import { childrenNamed } from '../../test/children.ts';
import { median, type Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { UNLIMITED } from '../process.ts';
import { type Cell, nameOf } from './cells.ts';
import { LOAD_CORE, match, paced, type Score } from './match.ts';
import type { Delay } from './pace.ts';
import { canPin, type Rival, type Servers } from './servers.ts';
import type { Rate } from './traffic.ts';

const CELLS: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 128, spread: false },
  { bytes: 256, pairs: 128, spread: true },
  { bytes: 8_192, pairs: 16, spread: false },
];
const RATE = 10_000;
const WORKERS = [0, 1, 2];
const NONE = 'none';

const named = (workers: number) => (workers === 0 ? NONE : `${workers}`);

async function rivals(servers: Servers): Promise<readonly Rival[]> {
  const all: Rival[] = [];
  for (const count of WORKERS) {
    const settings = { ...UNLIMITED, WORKERS: `${count}` };
    const rival = await servers.relay(named(count), 'flexim', settings);
    all.push(rival);
    if (!canPin()) continue;
    for (const pid of childrenNamed('worker', rival.pid))
      execFileSync('taskset', ['-acp', `${LOAD_CORE}`, `${pid}`], { stdio: 'ignore' });
  }
  return all;
}

export async function workers(options: Options): Promise<Report[]> {
  const { cells, quick, rounds, seconds, progress } = options;
  const plan = {
    ...{ cells: cells ?? CELLS, rounds: rounds ?? (quick ? 3 : 7), seconds: seconds ?? 0.6 },
    ...{ isPinned: canPin(), forwarder: false, rivals, progress },
  };
  const full = await match(plan);
  const calm = await paced(plan, RATE);
  const title = 'workers: microseconds of processor time for a message';
  const text = [
    title,
    '  the relay on one core; its workers and the load share another',
    '  room: how many messages the busiest process of the relay has time for, to those of a relay without',
    '  workers, if each had a core (computed from the times beside it)',
    '  at                     workers    msgs/s   relay   workers, all   load   room',
    ...full.flatMap((score) => linesOf('full speed', score)),
    ...calm.flatMap((score) => linesOf(`${RATE}/s`, score)),
  ].join('\n');
  return [{ title, text, data: { full, calm }, bounds: [] }];
}

type Run = Rate | Delay;

const rateOf = (run: Run): number => ('perSecond' in run ? run.perSecond : RATE);

function linesOf(at: string, { cell, rounds }: Score<Run>): readonly string[] {
  const times = WORKERS.map((count) => ({ count, ...timesOf(rounds[named(count)] ?? [], count) }));
  const alone = times[0]?.busiest ?? Number.NaN;
  return times.map(({ count, rate, relay, workers, load, busiest }) => {
    const [first = '', second = '', third = ''] = [relay, workers, load].map((us) => us.toFixed(2));
    const where = `${nameOf(cell).padEnd(10)} ${at}`.padEnd(22);
    const rates = `${(rate / 1e3).toFixed(0)}k`.padStart(10);
    const each = `${first.padStart(8)}${second.padStart(15)}${third.padStart(7)}`;
    return `  ${where} ${named(count).padEnd(7)} ${rates}${each}${(alone / busiest).toFixed(2).padStart(7)}`;
  });
}

/** Medians of microseconds for a message; the busiest process of the relay has one worker's part. */
function timesOf(runs: readonly Run[], workers: number) {
  const each = (share: (run: Run) => number | null) =>
    median(runs.map((run) => ((share(run) ?? Number.NaN) / rateOf(run)) * 1e6));
  const relay = each(({ serverCpu }) => serverCpu);
  const all = each(({ childrenCpu }) => childrenCpu); // the porter does nothing meanwhile
  const load = each(({ loadCpu }) => loadCpu);
  const busiest = Math.max(relay, workers > 0 ? all / workers : 0);
  return { rate: median(runs.map(rateOf)), relay, workers: all, load, busiest };
}
