// Does it cost the busy what others are there? The throughput of 16 pairs on a relay that knows 100,000
// users, 10,000 of whom are connected and silent, beside the same on an empty one, in turns.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Store } from '../../src/store/store.ts';
import { median, type Report } from '../measure.ts';
import type { Options } from '../options.ts';
import { Place, UNLIMITED } from '../process.ts';
import type { Cell } from './cells.ts';
import { Loader } from './loader.ts';
import { LOAD_CORE, SERVER_CORE, turns } from './match.ts';
import { canPin, type Rival } from './servers.ts';
import type { Rate } from './traffic.ts';

const KNOWN = 100_000;
const CONNECTED = 10_000;
const CELL: Cell = { bytes: 256, pairs: 16, spread: false };
const BATCH = 5_000;
const LOSS = 0.1;
const WARM_UP = { warmMs: 0, ms: 1_500 };

export async function crowd({ quick, rounds, seconds, progress }: Options): Promise<Report[]> {
  const [known, connected] = quick ? [KNOWN / 10, CONNECTED / 10] : [KNOWN, CONNECTED];
  const [core, loadCore] = canPin() ? [SERVER_CORE, LOAD_CORE] : [null, null];
  const place = new Place();
  const loaders = [new Loader(loadCore), new Loader(loadCore)] as const;
  try {
    await register(join(place.path, 'full'), known);
    const rivals: Rival[] = [];
    for (const name of ['full', 'empty']) {
      const { port, child } = await place.relay(UNLIMITED, { name, core });
      rivals.push({ name, wire: 'flexim', port, pid: child.pid });
    }
    const [full, empty] = rivals as [Rival, Rival];
    progress(`connecting ${connected} users who are silent`);
    await loaders[1].open({ ...full, name: 'silent' }, connected / 2);
    for (const rival of rivals) await loaders[0].open(rival, CELL.pairs);
    for (const rival of rivals) await loaders[0].run(rival, CELL, WARM_UP);
    const rates = new Map<Rival, Rate[]>(rivals.map((rival) => [rival, []]));
    const ms = (seconds ?? 0.5) * 1_000;
    for (let round = 0; round < (rounds ?? 7); round++)
      for (const rival of turns([full, empty], round))
        rates.get(rival)?.push(await loaders[0].run(rival, CELL, { warmMs: ms / 3, ms }));
    return [report([rates.get(full) ?? [], rates.get(empty) ?? []], { known, connected })];
  } finally {
    for (const loader of loaders) await loader.end();
    await place.end();
  }
}

/** Into the store of a relay that is to be. */
async function register(directory: string, count: number): Promise<void> {
  mkdirSync(directory, { mode: 0o700 });
  const store = new Store(directory, 'relay');
  const users = store.table<{ seen: number; aliases: string[] }>('users');
  for (let from = 0; from < count; from += BATCH)
    await store.transaction(() => {
      for (let n = from; n < Math.min(count, from + BATCH); n++)
        users.put((n + 1).toString(16).padStart(64, 'a'), { seen: 1_700_000_000, aliases: [] });
    });
  await store.close();
}

function report(
  [full, empty]: readonly [readonly Rate[], readonly Rate[]],
  { known, connected }: { known: number; connected: number },
): Report {
  const ratio = (of: (rate: Rate) => number) =>
    median(full.map((each, i) => of(each) / of(empty[i] as Rate)));
  const clock = ratio(({ perSecond }) => perSecond);
  const cpu = ratio(({ perSecond, serverCpu }) => perSecond / (serverCpu || Number.NaN));
  const rate = (all: readonly Rate[]) => median(all.map(({ perSecond }) => perSecond));
  const title = `crowd: 16 busy pairs among ${known} known users, ${connected} of them connected`;
  const text = [
    `${title}, messages of ${CELL.bytes} bytes/s`,
    `  among them ${(rate(full) / 1e3).toFixed(0)} k, alone ${(rate(empty) / 1e3).toFixed(0)} k`,
    `  among them by alone: ${clock.toFixed(2)} by the clock, ${cpu.toFixed(2)} for a second of processor time`,
  ].join('\n');
  const bound = Number.isNaN(cpu) ? clock : cpu;
  const bounds = [
    { what: `crowd: less than ${100 * LOSS} % (${bound.toFixed(2)})`, kept: bound > 1 - LOSS },
  ];
  return { title, text, data: { known, connected, clock, cpu, full: rate(full) }, bounds };
}
