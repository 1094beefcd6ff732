// Sizes and times as people write them in options: 64M, 256KiB, 10s, 30d. K, M and G are powers of 1024.

const SIZES = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 } as const;
// In microseconds, so that all are whole numbers.
const TIMES = { us: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9, d: 8.64e10 } as const;

/** Bytes, or null for what is no size. Without a unit it is bytes. */
export function parseSize(text: string): number | null {
  const [, digits, letter = 'B'] = /^(\d{1,15})(?:B|([KMG])(?:iB)?)?$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  return whole(Number(digits) * SIZES[letter.toUpperCase() as keyof typeof SIZES]);
}

/** Milliseconds, or null for what is no time. The unit may be missing from 0 only. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0;
  const [, digits, unit] = /^(\d{1,15})(us|ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const us = whole(Number(digits) * TIMES[unit as keyof typeof TIMES]);
  return us === null ? null : us / 1_000;
}

export function formatSize(bytes: number): string {
  return inUnits(bytes, SIZES).replace('B', '');
}

export function formatDuration(ms: number): string {
  return inUnits(Math.round(ms * 1_000), TIMES);
}

function whole(value: number): number | null {
  return Number.isSafeInteger(value) ? value : null;
}

/** In the largest unit that leaves no fraction. */
function inUnits(value: number, units: Readonly<Record<string, number>>): string {
  if (value === 0) return '0';
  const fitting = Object.entries(units).filter(([, size]) => value % size === 0);
  const [unit, size] = fitting.at(-1) as [string, number];
  return `${value / size}${unit}`;
}
