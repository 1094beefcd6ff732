// Runs tasks in processes of their own, so many at a time: a relay and its clients want a core each.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Outcome } from './world.ts';

export interface Task {
  readonly scenario: string;
  readonly seed: number;
  readonly seconds: number;
  readonly kills?: number;
  readonly lives?: number;
  /** The name of a planted fault, which must be found. */
  readonly planted?: string;
}

export type Note = { readonly outcome: Outcome } | { readonly progress: string };

interface Listener {
  readonly jobs: number;
  done(task: Task, outcome: Outcome): void;
  progress(line: string): void;
}

export async function runTasks(tasks: readonly Task[], listener: Listener): Promise<void> {
  const queue = [...tasks];
  const worker = async () => {
    for (let task = queue.shift(); task; task = queue.shift())
      listener.done(task, await runTask(task, listener.progress));
  };
  await Promise.all(Array.from({ length: listener.jobs }, worker));
}

const running = new Set<ChildProcess>();

/** What runs settles its accounts and ends, before it has done all that it was told. */
export function finishJobs(): void {
  for (const child of running) child.kill('SIGUSR2');
}

/** Ends what runs; each job kills its relay. */
export function stopJobs(): void {
  for (const child of running) child.kill('SIGTERM');
}

function runTask(task: Task, progress: Listener['progress']): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = fork(join(import.meta.dirname, 'job.ts'), [JSON.stringify(task)]);
    running.add(child);
    let outcome: Outcome | null = null;
    child.on('message', (note: Note) => {
      if ('outcome' in note) outcome = note.outcome;
      else progress(note.progress);
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(outcome ?? broken(task, `the job ended with ${code ?? signal}`));
    });
  });
}

function broken({ scenario, seed }: Task, what: string): Outcome {
  const violations = [{ kind: 'crash', what }] as const;
  return { scenario, seed, seconds: 0, counts: {}, times: {}, violations };
}
