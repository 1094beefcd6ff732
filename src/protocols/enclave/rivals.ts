// Several connections to one friend: docs/protocols/enclave.md §7. Both ends decide by what both know, so
// that they keep the same one; a connection whose key was proven never gives way to one that only claims it.

export interface Rival {
  readonly isDialled: boolean; // by us
  readonly isProven: boolean;
}

const MOST = 4;

/** Those of the connections, oldest first, that are to be ended. `ours` and `his` are the keys, or null. */
export function surplus<T extends Rival>(
  all: readonly T[],
  ours: string | null,
  his: string | null,
): T[] {
  if (ours === null || his === null) return all.slice(0, Math.max(0, all.length - MOST));
  const ended = new Set<T>();
  const keepsOurs = ours < his;
  for (const [at, one] of all.entries())
    for (const later of all.slice(at + 1)) {
      if (one.isDialled !== later.isDialled) {
        if (one.isProven === later.isProven) ended.add(one.isDialled === keepsOurs ? later : one);
      } else if (later.isProven) ended.add(one);
    }
  const kept = all.filter((each) => !ended.has(each));
  const excess = kept.filter(({ isProven }) => !isProven).slice(0, Math.max(0, kept.length - MOST));
  return [...ended, ...excess];
}
