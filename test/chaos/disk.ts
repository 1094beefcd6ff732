// A disk that is full from time to time, under the one relay of a chaos task: made by test/faults/.

import { Faults } from '../faults/faults.ts';
import { nap } from './client.ts';
import type { Tools } from './scenarios.ts';

const UNSURE_MS = 3_000; // a relay that found the disk full looks again after a while

let faults: Faults | null = null;
let sureFrom = 0;

process.on('exit', () => faults?.remove());

export function diskEnv(file: (name: string) => string): Readonly<Record<string, string>> {
  faults ??= new Faults();
  return faults.env(file('.'));
}

/** Whether the disk takes acknowledgements: a barrier waits for them only then (§3.4). */
export function diskIsSure(): boolean {
  return performance.now() >= sureFrom;
}

/** It fills up, foreseen or not, and has room again; also when all this is over. */
export async function fillDisk({ chance, over, count }: Tools): Promise<void> {
  while (!over.aborted) {
    await nap(chance.below(300), over);
    if (over.aborted || !faults) return;
    const fault = chance.oneIn(6) ? 'full-pages' : 'full';
    sureFrom = Number.POSITIVE_INFINITY;
    faults.on(fault);
    count();
    await nap(50 + chance.below(600), over);
    faults.off(fault);
    sureFrom = performance.now() + UNSURE_MS;
  }
}
