// npm run bench -- features: what a feature of the relay costs on the path of a Message, shown by switching it
// off. The relay that has none of them runs beside relays that have one each, which take turns.

import { median, type Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { UNLIMITED } from '../process.ts';
import { type Cell, nameOf } from './cells.ts';
import { match, type Score } from './match.ts';
import { canPin, type Rival, type Servers } from './servers.ts';
import type { Rate } from './traffic.ts';

const CELLS: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 16, spread: true },
];
const NONE = 'none';

/** Counted for each Message, and never reached. */
const LIMITS = {
  ...UNLIMITED,
  ...{ MESSAGES_PER_SECOND: '1000000', MESSAGES_BURST: '1000000' },
  ...{ BYTES_PER_SECOND: '1024G', BYTES_BURST: '1024G' },
};

async function rivals(servers: Servers): Promise<readonly Rival[]> {
  const bare = await servers.relay(NONE, 'flexim', UNLIMITED);
  return [
    bare,
    await servers.relay('limits', 'flexim', LIMITS),
    { ...bare, name: 'acks', wire: 'fleximAcks' },
    await servers.relay('durable', 'flexim', { ...UNLIMITED, DURABLE: 'true' }),
  ];
}

export async function features(options: Options): Promise<Report[]> {
  const { cells, quick, rounds, seconds, progress } = options;
  const isPinned = canPin();
  const scores = await match({
    ...{ cells: cells ?? CELLS, rounds: rounds ?? (quick ? 3 : 9), seconds: seconds ?? 0.6 },
    ...{ isPinned, forwarder: false, rivals, progress },
  });
  const title = 'features: messages delivered/s with one feature each, to those with none';
  const lines = scores.flatMap(linesOf);
  const text = [
    `${title}${isPinned ? '; the relay on one core, the load on another' : ''}`,
    '  medians; ratios of runs that were neighbours, by the clock and for a second of the relay’s processor time',
    ...lines,
  ].join('\n');
  return [{ title, text, data: scores, bounds: [] }];
}

function linesOf({ cell, rounds }: Score<Rate>): readonly string[] {
  const none = rounds[NONE] ?? [];
  const ratio = (runs: readonly Rate[], of: (run: Rate) => number) =>
    median(runs.map((run, n) => of(run) / of(none[n] as Rate))).toFixed(2);
  return Object.entries(rounds).map(([name, runs]) => {
    const rate = `${(median(runs.map(perSecond)) / 1e3).toFixed(0)}k`;
    const ratios = `${ratio(runs, perSecond)} ${ratio(runs, perCpu).padStart(6)}`;
    return `  ${nameOf(cell).padEnd(10)} ${name.padEnd(8)} ${rate.padStart(7)}  ${ratios}`;
  });
}

const perSecond = (run: Rate): number => run.perSecond;
const perCpu = (run: Rate): number => run.perSecond / (run.serverCpu || Number.NaN);
