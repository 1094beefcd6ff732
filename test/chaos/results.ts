// What came out of a chaos run, added up and put into words.

import type { Task } from './jobs.ts';
import { FAULTS } from './planted.ts';
import type { Spread } from './spread.ts';
import type { Outcome } from './world.ts';

export interface Result extends Outcome {
  readonly task: Task;
  readonly passed: boolean;
}

/** All that a run leaves behind: the file that --json writes. */
export interface RunRecord {
  readonly command: string;
  readonly seed: number;
  /** Somebody ended it before it had done all that it was told. */
  readonly endedEarly?: boolean;
  readonly date: string;
  readonly node: string;
  readonly machine: string;
  readonly seconds: number;
  readonly results: readonly Result[];
}

/** A planted fault passes when it is found, and found for what it is. */
export function judge(task: Task, outcome: Outcome): Result {
  const expects = FAULTS.find(({ name }) => name === task.planted)?.expects;
  const passed = expects
    ? outcome.violations.some(({ kind }) => expects.includes(kind))
    : outcome.violations.length === 0;
  return { ...outcome, task, passed };
}

export function titleOf({ scenario, planted }: Task): string {
  return planted === undefined ? scenario : `planted ${planted}`;
}

export function line({ task, passed, seconds, counts, times, violations }: Result): string {
  const numbers = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
  const spreads = Object.entries(times)
    .filter(([, { count }]) => count > 0)
    .map(([name, spread]) => `${name} ${shown(spread)}`);
  const head = `${passed ? 'ok  ' : 'FAIL'} ${titleOf(task)} (${seconds.toFixed(1)} s) `;
  const found = violations
    .slice(0, passed ? 1 : 20)
    .map(({ kind, what }) => `\n     ${kind}: ${what}`);
  const again = passed ? '' : `\n     again: ${command(task)}`;
  return `${head}${[numbers, ...spreads].join('; ')}${found.join('')}${again}`;
}

function shown({ min, median, max }: Spread): string {
  return `${min}/${median}/${max}`;
}

function command({ scenario, seed, planted, kills, seconds }: Task): string {
  const until = kills === undefined ? `--seconds ${seconds}` : `--kills ${kills}`;
  const what = planted === undefined ? `${scenario} ${until}` : `--planted ${planted}`;
  return `npm run chaos -- ${what} --seed ${seed} --jobs 1`;
}

/** The counts of all results, by scenario; planted faults stay out. */
export function sums(results: readonly Result[]): Map<string, Record<string, number>> {
  const all = new Map<string, Record<string, number>>();
  for (const { task, counts, seconds } of results) {
    if (task.planted !== undefined) continue;
    const sum = all.get(task.scenario) ?? {};
    for (const [name, count] of Object.entries({ ...counts, seconds }))
      sum[name] = name === 'kept' ? Math.max(sum[name] ?? 0, count) : (sum[name] ?? 0) + count;
    all.set(task.scenario, sum);
  }
  return all;
}
