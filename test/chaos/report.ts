// docs/reliability.md out of the results of runs: what was run, what was counted, how to repeat it, and
// what it does not prove.

import { type Result, type RunRecord, sums } from './results.ts';
import { SCENARIOS } from './scenarios.ts';

const COLUMNS = [
  ['scenario', ''],
  ['kills', 'kills'],
  ['stops', 'stops'],
  ['sent', 'sent'],
  ['accepted', 'accepted'],
  ['refused', 'refused'],
  ['delivered', 'delivered'],
  ['delivered again', 'repeated'],
  ['not promised, lost', 'excused'],
  ['violations', 'violations'],
] as const;

function grouped(count: number): string {
  return Math.round(count).toLocaleString('en-GB');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function table(results: readonly Result[]): string {
  const all = [...sums(results)];
  const total: Record<string, number> = {};
  for (const [, sum] of all)
    for (const [name, count] of Object.entries(sum)) total[name] = (total[name] ?? 0) + count;
  const lines = [...all, ['all', total] as const].map(([name, sum]) =>
    row([name, ...COLUMNS.slice(1).map(([, key]) => grouped(sum[key] ?? 0))]),
  );
  return [row(COLUMNS.map(([head]) => head)), row(COLUMNS.map(() => '---')), ...lines].join('\n');
}

function planted(results: readonly Result[]): string {
  const tried = results.filter(({ task }) => task.planted !== undefined);
  if (tried.length === 0) return 'Not part of this run: `npm run chaos -- --planted`.';
  return tried
    .map(({ task, passed, violations }) => {
      const kinds = [...new Set(violations.map(({ kind }) => kind))].join(', ');
      return `- ${task.planted}: ${passed ? 'found' : 'NOT found'} (${kinds || 'nothing'})`;
    })
    .join('\n');
}

function commandOf({ command, seed }: RunRecord): string {
  return command.includes('--seed') ? command : `${command} --seed ${seed}`;
}

function runLine(record: RunRecord): string {
  const { date, node, machine, seconds, results, endedEarly } = record;
  const failed = results.filter(({ passed }) => !passed).length;
  const early = endedEarly ? '; ended early: the table says how far it came' : '';
  const outcome = `${results.length - failed} passed, ${failed} failed${early}`;
  return `- \`${commandOf(record)}\`: ${date}, Node ${node}, ${machine}, ${Math.round(seconds / 60)} min; ${outcome}`;
}

export function report(records: readonly RunRecord[]): string {
  const results = records.flatMap((record) => record.results);
  const ran = new Set(results.map(({ task }) => task.scenario));
  const scenarios = SCENARIOS.filter(({ name }) => ran.has(name));
  return `# Reliability

Written by \`npm run chaos -- --report FILE …\` from the results of ${records.length === 1 ? 'one run' : `${records.length} runs`}; do not edit.

A real \`flexim-relay\` on a store of its own, real sockets, and clients that keep account of every message: what the
relay promised the sender, what the recipient got. Each row is one way of making trouble.

${records.map(runLine).join('\n')}

${table(results)}

**accepted**: event 20, or a barrier (an answered PING) that was a promise: with \`--durable\`, before a graceful stop, or while that
relay lived. **delivered again**: not acknowledged when a connection ended, so it came once more. **not promised, lost**: no
event 20 came, and the relay was killed or the connection cut.

A violation is: an accepted message that is missing · one that comes again after its acknowledgement was confirmed, or twice
on one connection · an order of one sender's messages that is not that of sending · other bytes than were sent, or
another recipient · delivery of a refused message · events that contradict each other · a relay that crashes or hangs.

## Scenarios

${scenarios.map(({ name, about }) => `- **${name}**: ${about}.`).join('\n')}

## Planted faults

Runs against relays that were broken on purpose shows that the account finds what it is for.

${planted(results)}

## What this does not prove

- \`SIGKILL\` ends a process, not the machine: what the process had written stays in the system's page cache. That the disk
  has it after a loss of power rests on LMDB's \`fsync\` before event 20, and on disks that keep what they confirmed.
- All runs are on one machine and one file system, over the loopback interface.
- The clients belong to the rig. What a real client keeps, and encryption, have tests of their own.
- Timing is the system's: a seed repeats the choices of a run, not the very moment of each kill.
`;
}
