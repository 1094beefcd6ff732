// A QR code for a terminal: two rows of modules in a line, as half blocks, with the light border that
// cameras need. In colours it is dark on light on every terminal; without, light is drawn, which suits
// terminals that write light on dark; most cameras read it the other way round, too.

import type { Matrix } from './matrix.ts';

const BORDER = 4; // the standard's
const LEAST_BORDER = 2; // what cameras get by with
const BLACK_ON_WHITE = '\x1b[30;107m';
const RESET = '\x1b[0m';
const SHAPES = [' ', '▄', '▀', '█']; // by upper * 2 + lower

export interface Place {
  readonly columns: number;
  readonly colours: boolean;
}

/** Columns that a code takes at least. */
export function leastWidth(matrix: Matrix): number {
  return matrix.length + 2 * LEAST_BORDER;
}

/** Lines of the code; none when it does not fit. */
export function qrLines(matrix: Matrix, { columns, colours }: Place): string[] {
  if (columns < leastWidth(matrix)) return [];
  const border = Math.min(BORDER, Math.floor((columns - matrix.length) / 2));
  const size = matrix.length + 2 * border;
  const isDrawn = (x: number, y: number) => (matrix[y - border]?.[x - border] ?? false) === colours;
  return Array.from({ length: Math.ceil(size / 2) }, (_, line) => {
    const y = 2 * line;
    const shapes = Array.from({ length: size }, (_, x) => {
      // Below an odd last row is nothing: drawn as border in colours, left empty without.
      const lower = y + 1 < size ? isDrawn(x, y + 1) : false;
      return SHAPES[2 * Number(isDrawn(x, y)) + Number(lower)];
    });
    return colours ? `${BLACK_ON_WHITE}${shapes.join('')}${RESET}` : shapes.join('');
  });
}
