// The porter takes rests. On a machine with few cores the relay often waits for the one that the porter has,
// and a scheduler that lets everybody finish a slice of some milliseconds makes it wait that long, whatever
// the porter's priority. Who sleeps a moment now and then lets others go first.

import type { Clock } from '../../lib/time.ts';

const WORK_MS = 0.1;
const REST_MS = 0.05;

/** To be called between pieces of work: sleeps a moment when there was enough of it. */
export function rests(clock: Pick<Clock, 'now'>, sleep: (ms: number) => void = doze): () => void {
  let since = clock.now();
  return () => {
    if (clock.now() - since < WORK_MS) return;
    sleep(REST_MS);
    since = clock.now();
  };
}

const nothing = new Int32Array(new SharedArrayBuffer(4));

/** The whole thread sleeps: nobody wakes it before. */
function doze(ms: number): void {
  Atomics.wait(nothing, 0, 0, ms);
}
