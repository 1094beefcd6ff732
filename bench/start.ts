// How long a program takes to say its help, beside a Node that does nothing: whole processes.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { median, type Report } from './measure.ts';

const RUNS = 15;
const LIMIT_MS = 250;
const LIMIT_RATIO = 5;

function time(args: readonly string[]): number {
  const began = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`);
  return performance.now() - began;
}

export async function start(): Promise<Report[]> {
  const help = [join(import.meta.dirname, '../bin/flexim'), '--help'];
  const nothing = ['--eval', '0'];
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let i = 0; i < RUNS; i++) {
    ours.push(time(help));
    bare.push(time(nothing));
  }
  const [mine, theirs] = [median(ours), median(bare)];
  const ratio = median(ours.map((each, i) => each / (bare[i] as number)));
  const title = 'start: flexim --help';
  const text = [
    `${title}, ms: median (min–max)`,
    `  flexim --help  ${mine.toFixed(0)} (${Math.min(...ours).toFixed(0)}–${Math.max(...ours).toFixed(0)})   limit ${LIMIT_MS}`,
    `  bare Node      ${theirs.toFixed(0)}   ${ratio.toFixed(2)} × as long do we take`,
  ].join('\n');
  const bounds = [
    { what: `flexim --help within ${LIMIT_RATIO} times a bare Node`, kept: ratio <= LIMIT_RATIO },
  ];
  return [{ title, text, data: { helpMs: mine, nodeMs: theirs, ratio }, bounds }];
}
