// Has a store looked over by a child process (walk.ts) and judges its report, its silence and its death.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FleximError } from '../lib/errors.ts';
import { damaged, unusable } from './failures.ts';
import { announce } from './guest.ts';
import type { Progress, Sound } from './inspect.ts';
import type { Owner } from './owner.ts';

/** What the child sends: how far it is, and then one of the rest. */
export type Report =
  | { readonly progress: Progress }
  | { readonly sound: Sound }
  | { readonly damage: string }
  | { readonly failure: string; readonly code: string | null };

export interface Checking extends Heeding {
  /** Whoever has it checked. */
  readonly owner: Owner;
}

export interface Heeding {
  /** The command that saves what can be read; it stands in the error. */
  readonly remedy?: string | undefined;
  readonly watch?: Watch | undefined;
}

/** Is told how a check goes; `progress` several times a second. */
export interface Watch {
  begun(path: string): void;
  progress(progress: Progress): void;
  sound(sound: Sound): void;
}

// However slow the disk is, a check that goes on is left alone.
const SILENCE_MS = 60_000;
const DEATHS = ['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP'];
const WINDOWS_DEATH = 0xc000_0000; // exit codes from here on are exceptions of the processor
const EXTENSION = /\.[jt]s$/.exec(import.meta.url)?.[0] ?? '.js';
const PROGRAM = fileURLToPath(new URL(`./walk${EXTENSION}`, import.meta.url));

/** Throws `store-damaged`, or `store-unusable` when the check itself was hindered. */
export async function checkStore(path: string, checking: Checking): Promise<Sound> {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return { tables: {}, owner: null }; // never begun
  checking.watch?.begun(path);
  const { fork } = await import('node:child_process'); // hardly ever needed, and slow to load
  // Another may begin to use it meanwhile: the child must not touch LMDB's lock file.
  const guest = announce(path, checking.owner);
  const child = fork(PROGRAM, [guest.path], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  try {
    const sound = await verdict(path, child, checking);
    checking.watch?.sound(sound);
    return sound;
  } finally {
    child.kill('SIGKILL');
    guest.leave();
  }
}

/** What a child that reads a store found, or what its end means. */
export async function verdict(
  path: string,
  child: ChildProcess,
  checking: Heeding,
  silenceMs = SILENCE_MS,
): Promise<Sound> {
  return judge(path, await follow(child, checking, silenceMs), checking.remedy ?? '');
}

type End = Report | { readonly death: string; readonly isDamage: boolean };

async function follow(child: ChildProcess, { watch }: Heeding, silenceMs: number): Promise<End> {
  let last: Report | null = null;
  let isSilent = false;
  const silence = setTimeout(() => {
    isSilent = true;
    child.kill('SIGKILL');
  }, silenceMs);
  child.on('message', (report: Report) => {
    silence.refresh();
    if ('progress' in report) watch?.progress(report.progress);
    else last = report;
  });
  try {
    const [code, signal] = await once(child, 'exit');
    if (last) return last;
    if (isSilent)
      return { death: `reading it came no further in ${silenceMs / 1000} s`, isDamage: true };
    return {
      death: signal ? `the process that read it died of ${signal}` : `the check ended with ${code}`,
      isDamage: DEATHS.includes(signal) || code >= WINDOWS_DEATH,
    };
  } finally {
    clearTimeout(silence);
  }
}

function judge(path: string, end: End, remedy: string): Sound {
  if ('sound' in end) return end.sound;
  if ('damage' in end) throw damaged(path, end.damage, remedy);
  if ('failure' in end)
    throw unusable(path, Object.assign(new Error(end.failure), end.code ? { code: end.code } : {}));
  if ('death' in end && end.isDamage) throw damaged(path, end.death, remedy);
  const why = 'death' in end ? end.death : 'the check gave no answer';
  throw new FleximError(
    'store-unusable',
    `the store ${path} was not closed in good order and could not be checked: ${why}; try again`,
  );
}
