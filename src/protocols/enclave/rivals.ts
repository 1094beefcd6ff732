// Several connections to one friend: docs/protocols/enclave.md §7. A key in a handshake is a claim that anybody
// can make, so nothing gives way before something opened under the key on what it gives way to. Both ends
// follow the same rule, so that of two that they dialled at once they keep the same one.

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
      if (!later.isProven) continue;
      if (one.isDialled === later.isDialled) ended.add(one);
      else if (one.isProven) ended.add(one.isDialled === keepsOurs ? later : one);
    }
  const kept = all.filter((each) => !ended.has(each));
  const excess = kept.filter(({ isProven }) => !isProven).slice(0, Math.max(0, kept.length - MOST));
  return [...ended, ...excess];
}
