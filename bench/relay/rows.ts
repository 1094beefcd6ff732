// From the rounds of a match to rows: medians, spread, and ratios of runs that were neighbours. A server
// that its neighbours on the machine disturb gets less of a core, so rates are also told for a second of
// the server's own processor time.

import { median } from '../measure.ts';
import { type Cell, nameOf } from './cells.ts';
import type { Score } from './match.ts';
import type { Rate } from './traffic.ts';

export const OURS = ['flexim', 'flexim+acks'] as const;
export const FORWARDER = 'forwarder';
const isPeer = (name: string) => name !== FORWARDER && !OURS.some((ours) => ours === name);

export interface Entry {
  readonly name: string;
  readonly perSecond: number; // medians
  readonly min: number;
  readonly max: number;
  readonly perCpu: number | null; // messages for a second of the server's processor time
  readonly serverCpu: number | null;
  readonly loadCpu: number;
  readonly queued: number; // runs in which a part of the messages went by the queue
}

/** Ours by another, by the clock and by the server's processor time; null when one is missing. */
export interface Ratio {
  readonly clock: number | null;
  readonly cpu: number | null;
}

export interface Row {
  readonly cell: Cell;
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly best: Ratio; // to the best peer
  readonly acks: Ratio; // with acknowledgements to without
  readonly acksBest: Ratio;
  readonly forwarder: Ratio;
}

type Value = (run: Rate) => number;
const clock: Value = (run) => run.perSecond;
const cpu: Value = (run) => run.perSecond / (run.serverCpu || Number.NaN);

export function row({ cell, rounds }: Score<Rate>): Row {
  const entries = Object.entries(rounds).map(([name, runs]) => entry(name, runs));
  const peers = Object.keys(rounds).filter(isPeer);
  const to = (ours: string, theirs: readonly string[]): Ratio => ({
    clock: ratio(rounds, { ours, theirs, value: clock }),
    cpu: ratio(rounds, { ours, theirs, value: cpu }),
  });
  return {
    ...{ cell, name: nameOf(cell), entries },
    best: to(OURS[0], peers),
    acksBest: to(OURS[1], peers),
    acks: to(OURS[1], [OURS[0]]),
    forwarder: to(OURS[0], [FORWARDER]),
  };
}

function entry(name: string, runs: readonly Rate[]): Entry {
  const all = runs.map(clock);
  const of = (value: Value) => {
    const known = runs.map(value).filter(Number.isFinite);
    return known.length > 0 ? median(known) : null;
  };
  return {
    name,
    ...{ perSecond: median(all), min: Math.min(...all), max: Math.max(...all) },
    perCpu: of(cpu),
    serverCpu: of((run) => run.serverCpu ?? Number.NaN),
    loadCpu: of((run) => run.loadCpu) ?? 0,
    queued: runs.filter(({ told }) => told > 0).length,
  };
}

/** The median over rounds of ours by the best of theirs. */
function ratio(
  rounds: Readonly<Record<string, readonly Rate[]>>,
  { ours, theirs, value }: { ours: string; theirs: readonly string[]; value: Value },
): number | null {
  const others = theirs.map((name) => rounds[name] ?? []).filter((runs) => runs.length > 0);
  const ratios = (rounds[ours] ?? []).map((run, round) => {
    const best = Math.max(...others.map((runs) => value(runs[round] as Rate)));
    return value(run) / best;
  });
  const known = ratios.filter((each) => Number.isFinite(each) && each > 0);
  return known.length > 0 ? median(known) : null;
}
