// Styled pieces of text to lines: every escape sequence within a line is made here. 16 colours, or none
// (NO_COLOR): then bold, dim, reverse and words have to do.

import { cellsOf, widthOf } from './graphemes.ts';

export type Style =
  | 'bar'
  | 'bold'
  | 'dim'
  | 'me'
  | 'peer'
  | 'good'
  | 'warn'
  | 'urgent'
  | 'hit'
  | 'selected';

/** Text that is presentable, on one line. */
export interface Span {
  readonly text: string;
  readonly style?: Style;
}

const COLOURS: Readonly<Record<Style, string>> = {
  bar: '7',
  bold: '1',
  dim: '2',
  me: '36',
  peer: '1;34',
  good: '32',
  warn: '1;33',
  urgent: '1;7;31',
  hit: '7;33',
  selected: '7',
};
const PLAIN: Readonly<Record<Style, string>> = {
  bar: '7',
  bold: '1',
  dim: '2',
  me: '0',
  peer: '1',
  good: '0',
  warn: '1',
  urgent: '1;7',
  hit: '7',
  selected: '7',
};

export type Paint = (spans: readonly Span[]) => string;

export function painter(colours: boolean): Paint {
  const codes = colours ? COLOURS : PLAIN;
  return (spans) =>
    spans
      .map(({ text, style }) =>
        style === undefined || text === '' ? text : `\x1b[${codes[style]}m${text}\x1b[0m`,
      )
      .join('');
}

export const spansWidth = (spans: readonly Span[]) =>
  spans.reduce((sum, { text }) => sum + widthOf(text), 0);

/** The text in at most so many columns; what was cut ends with …. */
export function fit(text: string, columns: number): string {
  if (columns <= 0) return '';
  if (text.length <= columns && widthOf(text) <= columns) return text;
  let kept = '';
  let width = 0;
  let fitting = '';
  for (const cell of cellsOf(text)) {
    if (width + cell.width > columns) return `${fitting}…`;
    kept += cell.text;
    width += cell.width;
    if (width < columns) fitting = kept;
  }
  return kept;
}

/** Spans in exactly so many columns; what is cut from the end ends with …. */
export function fill(spans: readonly Span[], columns: number, padding?: Style): Span[] {
  const kept: Span[] = [];
  let room = columns;
  for (const span of spans) {
    const text = fit(span.text, room);
    kept.push({ ...span, text });
    room -= widthOf(text);
    if (text !== span.text) break;
  }
  if (room > 0)
    kept.push({ text: ' '.repeat(room), ...(padding === undefined ? {} : { style: padding }) });
  return kept;
}
