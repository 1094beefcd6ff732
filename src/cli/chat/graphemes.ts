// Characters as people see them, and how many columns a terminal gives each.

import { graphemesOf, segmenter } from '../../lib/text.ts';
import { graphemeWidth } from './width.ts';

export interface Cell {
  readonly text: string;
  readonly width: number;
}

const NEAR = 128; // how far around the cursor is looked; graphemes are shorter
const PLAIN = /^[\x20-\x7e]*$/;
const LETTER = /[\p{L}\p{M}\p{N}_]/u;

// What people write has few different characters, and measuring one takes microseconds.
const widths = new Map<string, number>();
const MAX_WIDTHS = 8_192;
const MAX_KNOWN = 16; // UTF-16 units

/** Columns of a text without control characters. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  if (text.length > MAX_KNOWN) return graphemesOf(text).reduce(addWidth, 0);
  const known = widths.get(text);
  if (known !== undefined) return known;
  const width = graphemesOf(text).reduce((sum, each) => sum + graphemeWidth(each), 0);
  if (widths.size >= MAX_WIDTHS) widths.clear();
  widths.set(text, width);
  return width;
}

function addWidth(sum: number, grapheme: string): number {
  return sum + (grapheme.length > MAX_KNOWN ? graphemeWidth(grapheme) : widthOf(grapheme));
}

/** The graphemes of one line, with their widths. */
export function cellsOf(text: string): Cell[] {
  if (PLAIN.test(text)) return Array.from(text, (character) => ({ text: character, width: 1 }));
  return graphemesOf(text).map((each) => ({ text: each, width: addWidth(0, each) }));
}

/** The end of the grapheme that begins at `at`. */
export function nextBoundary(text: string, at: number): number {
  const near = text.slice(at, at + NEAR);
  return Math.min(text.length, at + (segmenter().segment(near).containing(0)?.segment.length ?? 0));
}

/** The beginning of the grapheme before `at`. */
export function previousBoundary(text: string, at: number): number {
  const from = Math.max(0, at - NEAR);
  const near = text.slice(from, at + NEAR);
  return at <= 0
    ? 0
    : from +
        (segmenter()
          .segment(near)
          .containing(at - from - 1)?.index ?? 0);
}

/** Where a word ends, after `at`, as in emacs: separators first, then letters. */
export function wordEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && !isWord(text, end)) end = nextBoundary(text, end);
  while (end < text.length && isWord(text, end)) end = nextBoundary(text, end);
  return end;
}

/** Where a word begins, before `at`. */
export function wordStart(text: string, at: number): number {
  let start = at;
  const before = () => previousBoundary(text, start);
  while (start > 0 && !isWord(text, before())) start = before();
  while (start > 0 && isWord(text, before())) start = before();
  return start;
}

function isWord(text: string, at: number): boolean {
  return LETTER.test(String.fromCodePoint(text.codePointAt(at) ?? 0));
}
