// Bytes of a terminal in raw mode to keys. Not readline's keypress events: what readline does not know
// (answers of the terminal, mouse reports, long sequences) it passes on as if it had been typed.
// Here an unknown sequence is recognised to its end and ignored. What is cut anywhere waits for its rest.

/** `name` as in KEYS below, or ctrl-a … ctrl-z, alt-a … alt-z, alt-0 … alt-9. */
export type Key =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'paste'; readonly text: string }
  | { readonly kind: 'key'; readonly name: string };

export const MAX_PASTE = 1_048_576;
const MAX_SEQUENCE = 4_096;
const ESCAPE_MS = 50; // a lone Escape is one after this; sequences come in one piece or nearly so
const PASTE_MS = 2_000;
const PASTE_END = '\x1b[201~';

const FINALS: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
};
const NUMBERS: Readonly<Record<string, string>> = {
  1: 'home',
  3: 'delete',
  4: 'end',
  5: 'page-up',
  6: 'page-down',
  7: 'home',
  8: 'end',
};
// The second parameter, less one: 1 Shift, 2 Alt, 4 Ctrl.
const MODIFIERS: Readonly<Record<string, string>> = { 2: 'shift-', 3: 'alt-', 5: 'ctrl-' };
const C1: Readonly<Record<string, string>> = {
  '\x8f': '\x1bO',
  '\x90': '\x1bP',
  '\x98': '\x1bX',
  '\x9b': '\x1b[',
  '\x9d': '\x1b]',
  '\x9e': '\x1b^',
  '\x9f': '\x1b_',
};

const NEED_MORE = null;
/** Where the sequence ends, and what it means; null for nothing. */
type Cut = { readonly end: number; readonly key: Key | null } | typeof NEED_MORE;

export class KeyReader {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #rest = '';
  #paste: string[] | null = null;
  #pasted = 0;
  #late = false; // the end of a paste did not come in time

  /** The keys in what was read, in order. */
  feed(bytes: Uint8Array): Key[] {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#rest += text.replace(/[\x80-\x9f]/g, (control) => C1[control] ?? '');
    const keys: Key[] = [];
    while (this.#rest !== '' && this.#step(keys));
    return keys;
  }

  /** How long to wait for the rest before `flush`; null: nothing is begun. */
  get wait(): number | null {
    if (this.#paste) return PASTE_MS;
    return this.#rest === '' ? null : ESCAPE_MS;
  }

  /** Nothing came for so long: what is begun is all there is. */
  flush(): Key[] {
    if (this.#paste) return this.#flushPaste();
    const rest = this.#rest;
    this.#rest = '';
    if (rest === '\x1b') return [{ kind: 'key', name: 'escape' }];
    return []; // Alt with a bracket, or a sequence without its end
  }

  #step(keys: Key[]): boolean {
    if (this.#paste) return this.#pasteStep(keys);
    const cut = cutKey(this.#rest);
    if (cut === NEED_MORE) {
      if (this.#rest.length > MAX_SEQUENCE) this.#rest = this.#rest.slice(0, 2);
      return false;
    }
    this.#rest = this.#rest.slice(cut.end);
    const { key } = cut;
    if (key?.kind === 'key' && key.name === 'paste') this.#beginPaste();
    else if (key) join(keys, key);
    return true;
  }

  #beginPaste(): void {
    this.#paste = [];
    this.#pasted = 0;
    this.#late = false;
  }

  #pasteStep(keys: Key[]): boolean {
    // Whoever is caught in a paste that never ends presses Ctrl-C.
    if (this.#late && this.#rest === '\x03') {
      this.#paste = null;
      this.#rest = '';
      return false;
    }
    this.#late = false;
    const at = this.#rest.indexOf(PASTE_END);
    if (at < 0) {
      const held = endOverlap(this.#rest, PASTE_END);
      this.#keep(this.#rest.slice(0, this.#rest.length - held));
      this.#rest = this.#rest.slice(this.#rest.length - held);
      return false;
    }
    this.#keep(this.#rest.slice(0, at));
    this.#rest = this.#rest.slice(at + PASTE_END.length);
    keys.push(pasteOf(this.#paste ?? []));
    this.#paste = null;
    return true;
  }

  #keep(text: string): void {
    const room = Math.max(0, MAX_PASTE - this.#pasted);
    const kept = text.slice(0, room);
    this.#pasted += kept.length;
    if (kept !== '') this.#paste?.push(kept);
  }

  #flushPaste(): Key[] {
    const keys = this.#paste && this.#paste.length > 0 ? [pasteOf(this.#paste)] : [];
    this.#beginPaste();
    this.#late = true;
    return keys;
  }
}

function pasteOf(parts: readonly string[]): Key {
  return { kind: 'paste', text: parts.join('').replace(/\r\n?/g, '\n') };
}

/** How much of the end of `text` could be the beginning of `mark`. */
function endOverlap(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length--)
    if (mark.startsWith(text.slice(text.length - length))) return length;
  return 0;
}

/** Typed characters in one chunk are one text, however they were cut. */
function join(keys: Key[], key: Key): void {
  const last = keys.at(-1);
  if (key.kind === 'text' && last?.kind === 'text')
    keys[keys.length - 1] = { kind: 'text', text: last.text + key.text };
  else keys.push(key);
}

function cutKey(text: string): Cut {
  const first = text[0] as string;
  if (first === '\x1b') return cutEscape(text);
  if (first < ' ' || first === '\x7f') return { end: 1, key: named(controlName(first)) };
  const run = /^\P{Cc}+/u.exec(text)?.[0] ?? first;
  const typed = run.replaceAll('\ufffd', ''); // bytes that were no UTF-8
  return { end: run.length, key: typed === '' ? null : { kind: 'text', text: typed } };
}

function controlName(character: string): string | null {
  const code = character.charCodeAt(0);
  if (code === 0x0d) return 'enter';
  if (code === 0x0a) return 'newline'; // Ctrl-J
  if (code === 0x09) return 'tab';
  if (code === 0x08 || code === 0x7f) return 'backspace';
  return code >= 1 && code <= 26 ? `ctrl-${String.fromCharCode(code + 0x60)}` : null;
}

function cutEscape(text: string): Cut {
  const second = text[1];
  switch (second) {
    case undefined:
      return NEED_MORE;
    case '\x1b':
      return { end: 1, key: named('escape') };
    case '[':
      return cutControlSequence(text);
    case 'O':
      if (text.length < 3) return NEED_MORE;
      return { end: 3, key: named(text[2] === 'M' ? 'enter' : (FINALS[text[2] ?? ''] ?? null)) };
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
      return cutString(text);
    case '\r':
    case '\n':
      return { end: 2, key: named('newline') };
    case '\x7f':
    case '\b':
      return { end: 2, key: named('alt-backspace') };
  }
  const character = String.fromCodePoint(text.codePointAt(1) as number);
  const known = /^[a-z0-9]$/i.test(character);
  return {
    end: 1 + character.length,
    key: known ? named(`alt-${character.toLowerCase()}`) : null,
  };
}

/** ESC ], P, X, ^ or _ up to BEL or ESC \. What begins anew in it ends it. */
function cutString(text: string): Cut {
  for (let at = 2; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '\x07') return { end: at + 1, key: null };
    if (character === '\x1b') {
      if (at + 1 === text.length) return NEED_MORE;
      return { end: text[at + 1] === '\\' ? at + 2 : at, key: null };
    }
    if (character === '\x03' || character === '\r') return { end: at, key: null };
  }
  return NEED_MORE;
}

/** ESC [ with parameters (0 to ?), intermediates (space to /) and a final character (@ to ~). */
function cutControlSequence(text: string): Cut {
  if (text[2] === '[') return text.length < 4 ? NEED_MORE : { end: 4, key: null }; // Linux: F1 to F5
  let at = 2;
  while (at < text.length && (text[at] as string) >= ' ' && (text[at] as string) <= '?') at++;
  if (at === text.length) return NEED_MORE;
  const final = text[at] as string;
  if (final < '@' || final > '~') return { end: at, key: null };
  return { end: at + 1, key: named(sequenceName(text.slice(2, at), final)) };
}

function sequenceName(parameters: string, final: string): string | null {
  if (!/^[0-9;]*$/.test(parameters)) return null;
  const [first = '', second = '', third = ''] = parameters.split(';');
  if (final === 'Z') return 'shift-tab';
  if (final === '~' && first === '200') return 'paste';
  // Two ways in which terminals report Enter with a modifier: modifyOtherKeys and CSI u.
  if (final === '~' && first === '27') return third === '13' ? 'newline' : null;
  if (final === 'u') return first === '13' ? (second === '' ? 'enter' : 'newline') : null;
  const name = final === '~' ? NUMBERS[first] : FINALS[final];
  if (!name) return null;
  if (second === '' || second === '1') return name;
  const modifier = MODIFIERS[second];
  return modifier ? `${modifier}${name}` : null;
}

function named(name: string | null): Key | null {
  return name === null ? null : { kind: 'key', name };
}
