// Text to lines of a width, and where the cursor is in them. Words stay whole where they fit; graphemes
// always do. Time grows with the length of the text only.

import { graphemesOf, presentable } from '../../lib/text.ts';
import { type Cell, cellsOf, previousBoundary, widthOf } from './graphemes.ts';

/** The lines of a presentable text; on the first, `used` columns are taken by something else. */
export function wrap(text: string, columns: number, used = 0): string[] {
  const lines: string[] = [];
  for (const line of text.split('\n'))
    wrapLine(line, Math.max(1, columns), lines.length === 0 ? used : 0, lines);
  return lines;
}

function wrapLine(line: string, columns: number, used: number, lines: string[]): void {
  if (line.length <= 2 * columns && widthOf(line) <= columns - used) {
    lines.push(line);
    return;
  }
  let held: Cell[] = []; // what is on the line so far
  let width = used;
  let breakAt = used > 0 ? 0 : -1; // how many of them stand before the last place for a break; -1: none
  for (const cell of cellsOf(line)) {
    const { text, width: wide } = cell.width > columns ? { text: REPLACED, width: 1 } : cell;
    // Wide characters (Han, kana, emoji) need no space to break at.
    if (wide > 1 && held.length > 0) breakAt = held.length;
    if (width + wide > columns && text !== ' ') {
      const cut = breakAt >= 0 ? breakAt : held.length;
      lines.push(textOf(held.slice(0, cut)).trimEnd());
      held = held.slice(cut);
      width = held.reduce((sum, each) => sum + each.width, 0);
      breakAt = -1;
    }
    held.push({ text, width: wide });
    width += wide;
    if (text === ' ' || wide > 1) breakAt = held.length;
  }
  lines.push(textOf(held).trimEnd());
}

const textOf = (cells: readonly Cell[]) => cells.map(({ text }) => text).join('');

const REPLACED = '\ufffd'; // for what is wider than the screen

export interface Input {
  readonly lines: readonly string[];
  readonly row: number;
  readonly column: number;
}

/** The input area: `rows` lines around the cursor of what is typed, made presentable. */
export function layInput(
  { text, cursor }: { readonly text: string; readonly cursor: number },
  columns: number,
  rows: number,
): Input {
  const { from, to } = nearCursor(text, cursor, columns * rows);
  const laid: { text: string; width: number }[] = [{ text: '', width: 0 }];
  let place = { row: 0, column: 0 };
  let at = from;
  for (const each of [...graphemesOf(text.slice(from, to)), '']) {
    const line = laid.at(-1) as { text: string; width: number };
    const shown = each === '\n' ? '' : presentable(each);
    const wide = widthOf(shown);
    const next = line.width + wide > columns || (line.width === columns && at === cursor);
    if (next) laid.push({ text: '', width: 0 });
    const last = laid.at(-1) as { text: string; width: number };
    if (at === cursor) place = { row: laid.length - 1, column: last.width };
    last.text += wide > columns ? '' : shown;
    last.width += wide > columns ? 0 : wide;
    if (each === '\n') laid.push({ text: '', width: 0 });
    at += each.length;
  }
  const lines = laid.map((line) => line.text);
  if (lines.length <= rows) return { lines, ...place };
  const top = Math.min(Math.max(0, place.row - rows + 1), lines.length - rows);
  return { lines: lines.slice(top, top + rows), row: place.row - top, column: place.column };
}

/** What of a long input can matter: whole lines, or a piece, so that a key costs the same in all. */
function nearCursor(text: string, cursor: number, area: number): { from: number; to: number } {
  const reach = 2 * area;
  if (text.length <= reach) return { from: 0, to: text.length };
  const early = Math.max(0, cursor - reach);
  const feed = early === 0 ? -1 : text.indexOf('\n', early);
  const from = early === 0 ? 0 : feed >= 0 && feed < cursor ? feed + 1 : early;
  return { from: previousBoundary(text, from + 1), to: Math.min(text.length, cursor + reach) };
}
