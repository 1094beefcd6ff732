// The cells of the relay bench: how large the messages are, how many pairs of users talk, and whether
// each sender writes to one receiver (fan 1) or in turn to all (fan N).

export interface Cell {
  readonly bytes: number; // of the payload
  readonly pairs: number;
  readonly spread: boolean; // fan N
}

const SIZES = [32, 256, 1_024, 8_192] as const;
const PAIRS = [1, 16, 128] as const;
export const MOST_PAIRS = 128;

/** All; with one pair both fans are the same. */
export const MATRIX: readonly Cell[] = SIZES.flatMap((bytes) =>
  PAIRS.flatMap((pairs) =>
    [false, true]
      .filter((spread) => !spread || pairs > 1)
      .map((spread) => ({ bytes, pairs, spread })),
  ),
);

export const QUICK: readonly Cell[] = [
  { bytes: 256, pairs: 16, spread: false },
  { bytes: 256, pairs: 128, spread: true },
];

export const nameOf = ({ bytes, pairs, spread }: Cell): string =>
  `${bytes}x${pairs}x${spread ? 'N' : '1'}`;

/** "256x16x1,1024x128xN"; null when it is no list of cells. */
export function parseCells(text: string): readonly Cell[] | null {
  const cells = text.split(',').map((each): Cell | null => {
    const [, bytes, pairs, fan] = /^(\d{2,5})x(\d{1,3})x([1N])$/.exec(each) ?? [];
    const cell = { bytes: Number(bytes), pairs: Number(pairs), spread: fan === 'N' };
    const fits = cell.bytes >= 32 && cell.bytes <= 60_000 && cell.pairs >= 1;
    return fits && cell.pairs <= MOST_PAIRS ? cell : null;
  });
  return cells.every((each) => each !== null) ? cells : null;
}

const WINDOW_BYTES = 128 * 1024;
const MOST_IN_FLIGHT = 2_048;
const LEAST_IN_FLIGHT = 16;

/** Messages of each sender that may be under way; the same for all rivals. */
export function inFlight({ bytes }: Cell): number {
  return Math.max(LEAST_IN_FLIGHT, Math.min(MOST_IN_FLIGHT, Math.floor(WINDOW_BYTES / bytes)));
}
