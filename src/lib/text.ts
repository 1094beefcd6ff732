// Text from other people, made fit for a terminal or a log line.

// Control characters (C0, DEL, C1), line and paragraph separators, lone surrogates, and everything
// that reorders or hides text: bidirectional marks, zero-width, filler and tag characters.
const UNSAFE =
  /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}|\u034f|[\u115f\u1160]|[\u17b4\u17b5]|[\u180b-\u180f]|\u3164|\uffa0/gu;

const REPLACED = '\ufffd';
const PLAIN = /^[\x20-\x7e]*$/;
const LONE = /[\x20-\x7e]|(?![\u115f\u1160\u3164\uffa0])\p{L}/u; // letters and ASCII need no second look, but for fillers
const MAX_SHOWN = 65_536;
const MAX_MARKS = 8; // on one character; scripts need four
const TOO_MANY_MARKS = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, 'gu');
const MAX_POINTS = 32; // in one grapheme, which may otherwise be as long as the text
const TAB = '    ';

const WINDOW = 128; // the segmenter's time grows with the square of what it is given
// Made when they are first needed: these take longer than many a program needs to start.
export const segmenter = once(() => new Intl.Segmenter('en', { granularity: 'grapheme' }));
// The flag v is younger than the language that is compiled for; Node has it since 20.
const RGI = '^\\p{RGI_Emoji}$';
const emoji = once(() => new RegExp(RGI, 'v'));
const PICTURE = '\\p{Extended_Pictographic}[\\ufe0f\\u{1f3fb}-\\u{1f3ff}]?';
const pictures = once(() => new RegExp(`${PICTURE}(?:\\u200d${PICTURE}){0,4}`, 'uy'));
// Where joiners change how letters look, so that words need them.
const SCRIPTS =
  'Arabic Syriac Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala';
const JOINING = `[${SCRIPTS.split(' ')
  .map((name) => `\\p{Script=${name}}`)
  .join('')}]`;
const joins = once(
  () =>
    new RegExp(`(?<=[\\p{L}\\p{M}])(?<=${JOINING})[\u200c\u200d](?=\\p{L})(?=${JOINING})`, 'gu'),
);
// Non-characters, which no text may have, keep the places of those joiners.
const HELD = { '\u200c': '\ufdd0', '\u200d': '\ufdd1' } as const;

/** One line that cannot move a cursor, reorder its neighbours or hide; at most `max` characters. */
export function printable(text: string, max = 200): string {
  const clean = text.replace(UNSAFE, '\ufffd');
  const characters = [...clean];
  return characters.length <= max ? clean : `${characters.slice(0, max - 1).join('')}…`;
}

/**
 * What people write to each other, for a terminal: as `printable`, but emoji stay whole, words keep the
 * joiners they need, marks on a character are few, and with `lines` the line feeds stay.
 * Applying it again changes nothing. At most `max` UTF-16 units are looked at.
 */
export function presentable(
  text: string,
  { max = MAX_SHOWN, lines = false }: { readonly max?: number; readonly lines?: boolean } = {},
): string {
  const short = text.length > max ? `${text.slice(0, Math.max(max - 1, 0))}…` : text;
  if (PLAIN.test(short)) return short;
  const broken = short
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', TAB)
    .replace(/\p{Zs}/gu, ' ');
  const flat = lines ? broken : broken.replaceAll('\n', ' ');
  let clean = '';
  for (const each of graphemesOf(holdJoiners(flat)))
    clean += presentGrapheme(each, clean === '' || clean.endsWith('\n'));
  return clean.replaceAll(HELD['\u200c'], '\u200c').replaceAll(HELD['\u200d'], '\u200d');
}

function holdJoiners(text: string): string {
  const few = text.replace(TOO_MANY_MARKS, '$1').replace(/[\ufdd0\ufdd1]/g, REPLACED);
  if (!/[\u200c\u200d]/.test(few)) return few;
  return few.replace(joins(), (joiner) => HELD[joiner as keyof typeof HELD]);
}

function presentGrapheme(segment: string, isFirst: boolean): string {
  if (segment === '\n' || (segment.length === 1 && LONE.test(segment))) return segment;
  // A mark at the beginning would land on what we wrote before it.
  const isMark = /^\p{M}/u.test(segment) && (isFirst || !standsAlone(segment));
  // Whether it is an emoji makes no difference then, and the table of emoji is slow to make.
  if (!isMark && segment.length <= MAX_MARKS && segment.search(UNSAFE) < 0) return segment;
  if (isJoined(segment) || isEmoji(segment)) return segment;
  const based = isMark ? `\u25cc${segment}` : segment;
  return boundMarks(based.replace(UNSAFE, REPLACED));
}

/** Some marks, such as Shan tones, are characters of their own: their place is behind others, joined to none. */
function standsAlone(mark: string): boolean {
  return graphemesOf(`\u25cc${mark}`).length > 1;
}

export function isEmoji(segment: string): boolean {
  return emoji().test(segment);
}

/** Pictures joined by U+200D, also those that this Node does not know yet. */
function isJoined(segment: string): boolean {
  return segment.includes('\u200d') && pictureFrom(segment, 0) === segment.length;
}

function boundMarks(segment: string): string {
  const points = [...segment];
  if (points.length <= MAX_MARKS) return segment;
  let marks = 0;
  const kept = points.filter((point) => !/\p{M}/u.test(point) || ++marks <= MAX_MARKS);
  return kept.slice(0, MAX_POINTS).join('');
}

/** The characters as people see them; one of more than 128 UTF-16 units is several. */
export function graphemesOf(text: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < text.length; ) {
    const length = simpleAt(text, at);
    if (length > 0) {
      found.push(text.slice(at, at + length));
      at += length;
      continue;
    }
    const window = text.slice(at, at + WINDOW);
    const inside = Array.from(segmenter().segment(window), ({ segment }) => segment);
    if (at + WINDOW < text.length && inside.length > 1) inside.pop(); // it may go on
    for (const each of inside) {
      found.push(each);
      at += each.length;
    }
  }
  return found;
}

/** Length of a simple character or picture with nothing behind it that could belong to it; else 0. */
function simpleAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === 0x0d) return 0;
  const length = isSimple(code) ? 1 : pictureAt(text, at);
  if (length === 0 || at + length === text.length) return length;
  const next = text.charCodeAt(at + length);
  return next < 0x300 || isSimple(next) || pictureAt(text, at + length) > 0 ? length : 0;
}

/** Length of the emoji beyond U+FFFF that begins here, with what is joined to it; 0 for anything else. */
function pictureAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xd83c && code <= 0xd83e ? pictureFrom(text, at) : 0;
}

function pictureFrom(text: string, at: number): number {
  const picture = pictures();
  picture.lastIndex = at;
  return picture.test(text) ? picture.lastIndex - at : 0;
}

/** ASCII, Latin, punctuation, arrows, lines of boxes, ticks, kana and Han: by themselves never part of more. */
function isSimple(code: number): boolean {
  return (
    code < 0x7f ||
    (code >= 0xa0 && code < 0x300 && code !== 0xad) ||
    (code >= 0x2010 && code <= 0x2027) ||
    (code >= 0x2190 && code <= 0x21ff) ||
    (code >= 0x2500 && code < 0x2580) ||
    code === 0x2713 ||
    (code >= 0x3041 && code <= 0x3096) ||
    (code >= 0x30a1 && code <= 0x30fa) ||
    (code >= 0x4e00 && code <= 0x9fff)
  );
}

/** One line of JSON in which all that a terminal obeys or hides is written as \u…: the same value. */
export function printableJson(value: unknown): string {
  const coded = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(UNSAFE, (unsafe) => unsafe.split('').map(coded).join(''));
}

/** The text with lone surrogates replaced, as every encoder wants it. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, '\ufffd');
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
