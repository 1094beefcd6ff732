// How long to wait before a friend is dialled again: from 1 s to 5 min, doubled each time, half of it by
// chance, so that two who lost each other do not meet at the same moment for ever.

export interface Pauses {
  readonly minMs: number;
  readonly maxMs: number;
}

export const PAUSES: Pauses = { minMs: 1_000, maxMs: 300_000 };

export function pauseAfter(
  attempt: number,
  { minMs, maxMs }: Pauses,
  chance: () => number = Math.random,
): number {
  const most = Math.min(maxMs, minMs * 2 ** Math.min(attempt + 1, 30));
  const least = Math.min(maxMs, Math.max(minMs, most / 2));
  return Math.round(least + (most - least) * chance());
}
