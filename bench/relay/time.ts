// Time and processor time, of this process and of others.

import { readdirSync, readFileSync } from 'node:fs';

export { setTimeout as sleep } from 'node:timers/promises';

/** Seconds of processor time that a process has used; null where the system does not tell. */
export function cpuOf(pid: number): number | null {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const each = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1'));
    return each.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e9, 0);
  } catch {
    return null;
  }
}

export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Of a process and its children. */
export function cpuOfAll(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean),
  );
  return children.reduce((sum, child) => sum + cpuOfAll(Number(child)), cpuOf(pid) ?? 0);
}
