// What happens often in a process beside the relay, told to it now and then.

const TELL_MS = 200;

/** Counts by reason, and says the sums after a while. */
export function tally<Reason extends string>(
  tell: (sums: Partial<Record<Reason, number>>) => void,
) {
  let sums: Partial<Record<Reason, number>> = {};
  let telling: NodeJS.Timeout | null = null;
  const flush = () => {
    if (!telling) return;
    clearTimeout(telling);
    telling = null;
    tell(sums);
    sums = {};
  };
  return {
    count: (reason: Reason, times = 1) => {
      sums[reason] = (sums[reason] ?? 0) + times;
      telling ??= setTimeout(flush, TELL_MS);
    },
    flush,
  };
}
