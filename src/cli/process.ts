// Telling processes apart, for the owner of a store: a pid alone may have been given out again.

import { readFileSync } from 'node:fs';
import { systemCode } from '../lib/errors.ts';
import type { Owner } from '../store/owner.ts';

export function thisProcess(): Owner {
  return { pid: process.pid, started: startOf(process.pid) };
}

export function isAlive(owner: Owner): boolean {
  if (owner.pid === process.pid) return owner.started === startOf(process.pid);
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM'; // there, and somebody else's
  }
  return owner.started === '' || startOf(owner.pid) === owner.started;
}

/** When a process began, in a form that no other process with its pid has; '' where unknown. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return started ? `${boot} ${started}` : '';
  } catch {
    return '';
  }
}
