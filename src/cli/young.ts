// How large the young part of the heap gets, where a scavenge finds what a Message leaves behind. In 1 MiB it comes so
// often that a busy relay spends a seventh of its time on it; 16 MiB, to which V8 goes by itself, do not stay in
// the processor's cache. From inside a process only its growth can be stopped.

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

export const YOUNG_BYTES = 4 * 1024 * 1024;
const LOOK_MS = 500; // in which it doubles once, if at all

/** It has two halves, of which one is in use; what both take. */
export function youngBytes(): number {
  return getHeapSpaceStatistics().find((each) => each.space_name === 'new_space')?.space_size ?? 0;
}

/** It may double, or it may not. */
export function bound(): void {
  setFlagsFromString(`--semi-space-growth-factor=${youngBytes() < 2 * YOUNG_BYTES ? 2 : 1}`);
}

/**
 * From now on, again and again: V8 makes it smaller by itself when there is little to do. So little survives a
 * scavenge that to wake helpers for it takes longer than the rest of it.
 */
export function boundYoung(): void {
  setFlagsFromString('--no-parallel-scavenge');
  bound();
  setInterval(bound, LOOK_MS).unref();
}
