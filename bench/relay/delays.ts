// Latency at a set rate: the table, and the bound of its p99.

import { median, type Report } from '../measure.ts';
import { nameOf } from './cells.ts';
import type { Score } from './match.ts';
import type { Delay } from './pace.ts';
import { FORWARDER, OURS } from './rows.ts';

interface Times {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly serverCpu: number | null;
  readonly loadCpu: number;
}

export function delays(scores: readonly Score<Delay>[], rate: number, where: string): Report {
  const title = `relay: latency at ${rate} messages/s, ${where}`;
  const rows = scores.map(({ cell, rounds }) => ({
    name: nameOf(cell),
    rivals: Object.entries(rounds).map(([name, runs]) => times(name, runs)),
  }));
  const text = [
    `${title}, ms: medians of rounds`,
    ...rows.flatMap(({ name, rivals }) => [
      `  ${name.padEnd(14)}    p50     p99   p99.9   server load`,
      ...rivals.map((each) => `    ${line(each)}`),
    ]),
  ].join('\n');
  const bounds = rows.map(({ name, rivals }) => {
    const [ours, ...peers] = [
      rivals.find((each) => each.name === OURS[0]) as Times,
      ...rivals.filter(
        (each) => each.name !== FORWARDER && !OURS.some((mine) => mine === each.name),
      ),
    ];
    const least = Math.min(...peers.map(({ p99 }) => p99));
    const what = `relay ${name}: p99 at ${rate}/s not above the best peer's (${ours.p99.toFixed(3)}, ${least.toFixed(3)} ms)`;
    return { what, kept: ours.p99 <= least };
  });
  return { title, text, data: { kind: 'latency', where, rate, rows }, bounds };
}

function times(name: string, runs: readonly Delay[]): Times {
  const of = (value: (run: Delay) => number) => median(runs.map(value));
  return {
    name,
    ...{ p50: of(({ p50 }) => p50), p99: of(({ p99 }) => p99), p999: of(({ p999 }) => p999) },
    serverCpu: of(({ serverCpu }) => serverCpu ?? 0),
    loadCpu: of(({ loadCpu }) => loadCpu),
  };
}

function line({ name, p50, p99, p999, serverCpu, loadCpu }: Times): string {
  const ms = [p50, p99, p999].map((each) => each.toFixed(3).padStart(7)).join(' ');
  const shares = [serverCpu ?? 0, loadCpu].map((each) => each.toFixed(2)).join('   ');
  return `${name.padEnd(12)} ${ms}   ${shares}`;
}
