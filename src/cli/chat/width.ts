// How many columns a terminal gives a character: as the package string-width, to which a test holds it, but
// without its table of all emoji, which takes a fifth of the chat's start to make. The expressions stand
// inside the functions for the same reason: they are made when they are first needed.

import { eastAsianWidth } from 'get-east-asian-width';
import { isEmoji } from '../../lib/text.ts';

const MAX_PICTURE = 50; // UTF-16 units of what may be one picture; real ones have 30 at most

/** Columns of one grapheme. */
export function graphemeWidth(grapheme: string): number {
  if (grapheme.length === 1 && isNarrow(grapheme.charCodeAt(0))) return 1;
  const at = grapheme.search(
    /[^\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Mn}\p{Me}\p{Cs}]/u, // what can be seen
  );
  if (at < 0) return 0;
  if (isPicture(grapheme)) return 2;
  const points = Array.from(grapheme.slice(at));
  return isJamo(points[0] as string) ? syllableWidth(points.filter(isSeen)) : widthOfAll(points);
}

/** Letters, punctuation, arrows, lines of boxes and our ticks, when alone. */
function isNarrow(code: number): boolean {
  return (
    (code >= 0x20 && code < 0x7f) ||
    (code >= 0xa0 && code < 0x300 && code !== 0xad) ||
    (code >= 0x2010 && code <= 0x2027) ||
    (code >= 0x2190 && code <= 0x21ff) ||
    (code >= 0x2500 && code <= 0x257f) ||
    code === 0x2713
  );
}

function isSeen(point: string): boolean {
  return !/[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Mn}\p{Me}\p{Cs}]/u.test(point);
}

/** Shown as an emoji although its first character alone would not be. */
function isPicture(grapheme: string): boolean {
  if (grapheme.length === 1 || grapheme.length > MAX_PICTURE) return false;
  if (grapheme.includes('\u200d'))
    return (grapheme.match(/\p{Extended_Pictographic}/gu)?.length ?? 0) > 1;
  if (/^\p{Regional_Indicator}{2}$/u.test(grapheme)) return isEmoji(grapheme); // a flag that there is
  return /^(?:[\d#*]\ufe0f?\u20e3|(?=\p{Emoji})\p{Extended_Pictographic}\ufe0f|\p{Emoji_Modifier_Base}\p{Emoji_Modifier})$/u.test(
    grapheme,
  );
}

/** By the first one; some of those behind it take room of their own. */
function widthOfAll([first = '', ...others]: readonly string[]): number {
  const wide = others.filter((point) => /[\p{Mc}\uff00-\uffef]/u.test(point));
  return [first, ...wide].reduce((sum, point) => sum + columnsOf(point), 0);
}

/** Of Hangul in letters: those that make a syllable together have its two columns. */
function syllableWidth(points: readonly string[]): number {
  let width = 0;
  for (let i = 0; i < points.length; i++) {
    const isSyllable = isLeading(points[i]) && isVowel(points[i + 1]);
    width += isSyllable ? 2 : columnsOf(points[i] as string);
    if (isSyllable) i += isTrailing(points[i + 2]) ? 2 : 1;
  }
  return width;
}

const columnsOf = (point: string): number => eastAsianWidth(point.codePointAt(0) as number);
const isJamo = (point: string) => isLeading(point) || isVowel(point) || isTrailing(point);
const isLeading = (point = '') => /^[\u1100-\u115f\ua960-\ua97c]/.test(point);
const isVowel = (point = '') => /^[\u1160-\u11a7\ud7b0-\ud7c6]/.test(point);
const isTrailing = (point = '') => /^[\u11a8-\u11ff\ud7cb-\ud7fb]/.test(point);
