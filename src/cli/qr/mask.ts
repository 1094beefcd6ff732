// The eight masks of QR codes, and which one is easiest to read by the four rules of the standard.

import type { Matrix } from './matrix.ts';

const MASKS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];
const LOOKALIKES = ['10111010000', '00001011101']; // of a finder with light beside it

export function masked(dark: Matrix, fixed: Matrix, mask: number): Matrix {
  const flips = MASKS[mask] as (x: number, y: number) => boolean;
  return dark.map((row, y) =>
    row.map((module, x) => (!fixed[y]?.[x] && flips(x, y) ? !module : module)),
  );
}

export function bestMask(finished: (mask: number) => Matrix): number {
  const penalties = MASKS.map((_, mask) => penalty(finished(mask)));
  return penalties.indexOf(Math.min(...penalties));
}

function penalty(matrix: Matrix): number {
  const across = matrix.map((row) => row.map((dark) => (dark ? '1' : '0')).join(''));
  const down = matrix.map((_, x) => across.map((row) => row[x]).join(''));
  const lines = [...across, ...down].reduce((sum, line) => sum + runs(line) + finders(line), 0);
  return lines + blocks(across) + balance(across.join(''));
}

/** Five of a kind in a row cost 3, each more of them 1. */
function runs(line: string): number {
  const found = line.match(/0{5,}|1{5,}/g) ?? [];
  return found.reduce((sum, run) => sum + run.length - 2, 0);
}

function finders(line: string): number {
  let sum = 0;
  for (const shape of LOOKALIKES)
    for (let at = line.indexOf(shape); at >= 0; at = line.indexOf(shape, at + 1)) sum += 40;
  return sum;
}

/** Two by two of a kind. */
function blocks(rows: readonly string[]): number {
  let sum = 0;
  for (let y = 1; y < rows.length; y++)
    for (let x = 1; x < rows.length; x++) {
      const four = `${rows[y - 1]?.slice(x - 1, x + 1)}${rows[y]?.slice(x - 1, x + 1)}`;
      if (four === '0000' || four === '1111') sum += 3;
    }
  return sum;
}

/** 10 for every 5 in a hundred that dark is away from half. */
function balance(all: string): number {
  const dark = all.replaceAll('0', '').length;
  return 10 * Math.floor(Math.abs((dark * 20) / all.length - 10));
}
