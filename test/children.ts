// Processes of processes, as the system knows them.

import { readFileSync } from 'node:fs';
import { isAlive } from '../src/cli/process.ts';

/** The child processes of a process. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return []; // it is gone
  }
}

/** Those of them that run this program of ours. */
export function childrenNamed(name: string, pid: number): number[] {
  return childrenOf(pid).filter((child) => {
    try {
      return new RegExp(`/${name}\\.[jt]s\\0`).test(
        readFileSync(`/proc/${child}/cmdline`, 'latin1'),
      );
    } catch {
      return false; // it is gone
    }
  });
}

export const lives = (pid: number): boolean => isAlive({ pid, started: '' });
