// One task of a chaos run, in a process of its own: see jobs.ts. Its argument is the task.

import type { Note, Task } from './jobs.ts';
import { FAULTS, plant } from './planted.ts';
import { SCENARIOS } from './scenarios.ts';
import { World } from './world.ts';

const PROGRESS_MS = 60_000;

function tell(note: Note): Promise<void> {
  return new Promise((resolve) => process.send?.(note, () => resolve()));
}

async function run({ scenario, seed, planted, ...until }: Task): Promise<void> {
  const fault = FAULTS.find(({ name }) => name === planted);
  const plan = SCENARIOS.find(({ name }) => name === scenario);
  if (!plan || (planted !== undefined && !fault)) throw new Error(`no ${scenario} ${planted}`);
  const copy = fault ? plant(fault) : null;
  if (copy) process.on('exit', copy.remove);
  const world = new World(plan, { seed, ...until, root: copy?.root });
  process.on('SIGUSR2', () => world.finish());
  const timer = setInterval(() => tell({ progress: `     ${world}` }), PROGRESS_MS);
  try {
    await tell({ outcome: await world.run() });
  } finally {
    clearInterval(timer);
  }
}

// Whoever started it is gone, or wants it to end: relay.ts kills the relay on the way out.
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => process.exit(1));
process.on('SIGINT', () => {}); // Ctrl-C is for run.ts, which tells
await run(JSON.parse(process.argv[2] as string));
process.exit(0); // whatever a failed run left open
