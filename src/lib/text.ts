// Text from other people, made fit for a terminal or a log line.

// Control characters (C0, DEL, C1), line and paragraph separators, lone surrogates, and everything
// that reorders or hides text: bidirectional marks, zero-width, filler and tag characters.
const UNSAFE =
  /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}|\u034f|[\u115f\u1160]|[\u17b4\u17b5]|[\u180b-\u180f]|\u3164|\uffa0/gu;

/** One line that cannot move a cursor, reorder its neighbours or hide; at most `max` characters. */
export function printable(text: string, max = 200): string {
  const clean = text.replace(UNSAFE, '\ufffd');
  const characters = [...clean];
  return characters.length <= max ? clean : `${characters.slice(0, max - 1).join('')}…`;
}

/** The text with lone surrogates replaced, as every encoder wants it. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, '\ufffd');
}
