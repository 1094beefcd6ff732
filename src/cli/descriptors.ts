// File descriptors and connections. When a process has none left, libuv accepts connections and closes
// them without a word to anybody, so the relay keeps below: what is refused then is refused by count.

import { readFileSync } from 'node:fs';

const RESERVE = 64; // for the store, the log, and what Node itself has open

/** The soft limit of open files (Node raises it to the hard one at its start); null where unknown. */
export function openFiles(): number | null {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}

/** So many connections fit below the limit of open files. */
export function connectionsWithin(files: number): number {
  return Math.max(1, files - Math.min(RESERVE, Math.ceil(files / 2)));
}
