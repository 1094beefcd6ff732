// npm run chaos -- [scenario …] [--kills N] [--seconds N] [--seed N] [--jobs N] [--json FILE]
// npm run chaos -- --planted [fault …] | --list | --report FILE [FILE …]
// Alone: every scenario for some seconds, and the planted faults. --kills is shared among kill and
// durable, as far as they are chosen; --json keeps the result, --report makes docs/reliability.md of one or more. Ends with
// `N passed, N failed`. Ctrl-C ends what runs early, and counts what it did; twice ends at once.

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { finishJobs, runTasks, stopJobs, type Task } from './jobs.ts';
import { FAULTS, type Fault } from './planted.ts';
import { report } from './report.ts';
import { judge, line, type Result, type RunRecord } from './results.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

const SECONDS = 4; // of a scenario, unless told
const PLANTED = { seconds: 60, lives: 80 }; // at most: a run ends at the first violation
const REPORT = join(import.meta.dirname, '..', '..', 'docs', 'reliability.md');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'string' },
    report: { type: 'string' },
    planted: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

function usage(what: string): never {
  console.error(what);
  process.exit(64);
}

function whole(name: 'kills' | 'seconds' | 'seed' | 'jobs'): number | undefined {
  const given = values[name];
  if (given === undefined) return undefined;
  if (!/^[1-9]\d{0,9}$/.test(given)) usage(`--${name} takes a whole number from 1`);
  return Number(given);
}

function chosen(): readonly Scenario[] {
  if (values.planted) return [];
  if (positionals.length === 0) return SCENARIOS;
  return positionals.map(
    (name) =>
      SCENARIOS.find((each) => each.name === name) ??
      usage(`there is no scenario '${name}'; --list shows them`),
  );
}

function plants(): readonly Fault[] {
  if (positionals.length === 0) return FAULTS;
  if (!values.planted) return [];
  return positionals.map(
    (name) =>
      FAULTS.find((each) => each.name === name) ??
      usage(`there is no planted fault '${name}'; --list shows them`),
  );
}

/** The seed of each task follows from the run's. */
function plan(scenarios: readonly Scenario[], seed: number): Task[] {
  const kills = whole('kills');
  const jobs = whole('jobs') as number;
  const seconds = whole('seconds') ?? SECONDS;
  const killers = scenarios.filter(({ killStartOneIn = 0 }) => killStartOneIn > 0);
  if (kills !== undefined && killers.length === 0) usage('none of these scenarios takes --kills');
  // All kills of one task meet the same store; so there are as few tasks as keep the jobs busy.
  const parts = Math.max(1, Math.ceil(jobs / Math.max(1, killers.length)));
  const tasks = scenarios.flatMap(({ name }): Omit<Task, 'seed'>[] => {
    if (kills === undefined || !killers.some((each) => each.name === name))
      return [{ scenario: name, seconds }];
    const share = Math.ceil(kills / killers.length / parts);
    return Array.from({ length: parts }, () => ({ scenario: name, seconds, kills: share }));
  });
  for (const { name, scenario } of plants()) tasks.push({ scenario, ...PLANTED, planted: name });
  // The long ones first, so that no job is idle at the end.
  const size = (task: Omit<Task, 'seed'>) => task.kills ?? 0;
  return tasks.sort((a, b) => size(b) - size(a)).map((task, i) => ({ ...task, seed: seed + i }));
}

function list(): void {
  for (const { name, about } of SCENARIOS) console.log(`${name.padEnd(8)} ${about}`);
  for (const { name, about } of FAULTS) console.log(`planted  ${name}: ${about}`);
}

async function run(): Promise<void> {
  const seed = whole('seed') ?? 1 + (Date.now() % 2 ** 30);
  const tasks = plan(chosen(), seed);
  console.log(`${tasks.length} tasks, --seed ${seed}`);
  const began = performance.now();
  const results: Result[] = [];
  await runTasks(tasks, {
    jobs: whole('jobs') as number,
    progress: (text) => console.log(text),
    done: (task, outcome) => {
      const result = judge(task, outcome);
      results.push(result);
      console.log(line(result));
    },
  });
  const record: RunRecord = {
    command: ['npm run chaos --', ...process.argv.slice(2).filter((arg) => !isFile(arg))].join(' '),
    seed,
    endedEarly: isFinishing,
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    machine: `${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, ${process.platform}`,
    seconds: (performance.now() - began) / 1_000,
    results,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(record, null, 1)}\n`);
  const failed = results.filter(({ passed }) => !passed).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Where the result went is of no use to whoever repeats the run. */
function isFile(arg: string): boolean {
  return arg === '--json' || arg === values.json || arg === `--json=${values.json}`;
}

function recordOf(path: string): RunRecord {
  return JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
}

let isFinishing = false;
process.on('SIGINT', () => {
  if (isFinishing) process.exit(130);
  isFinishing = true;
  console.log('what runs settles its accounts and ends; once more to end at once');
  finishJobs();
});
process.on('SIGTERM', () => process.exit(143));
process.on('exit', stopJobs);
if (values.list) list();
else if (values.report !== undefined)
  writeFileSync(REPORT, report([values.report, ...positionals].map(recordOf)));
else await run();
