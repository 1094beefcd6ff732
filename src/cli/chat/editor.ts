// The input: lines of text and a cursor that stands between graphemes, with the keys of emacs. It knows
// no terminal; `complete` is handed in. What it holds is raw; whoever shows it makes it presentable.

import { nextBoundary, previousBoundary, wordEnd, wordStart } from './graphemes.ts';
import { History } from './history.ts';
import type { Key } from './keys.ts';
import { Kills } from './kills.ts';

export const MAX_INPUT = 100_000; // UTF-16 units; how long a message may be is for the messenger to say

/** What could stand in place of `text.slice(from, cursor)`. */
export interface Completion {
  readonly from: number;
  readonly words: readonly string[];
}
export type Complete = (text: string, cursor: number) => Completion;

/** done: a key of the editor; full: something did not fit; other: not its key. */
export type Pressed = 'done' | 'full' | 'other';
type Last = 'kill' | 'yank' | 'find' | null;

export class Editor {
  readonly #complete: Complete;
  readonly #kills = new Kills();
  readonly #history = new History();
  #text = '';
  #cursor = 0;
  #last: Last = null;
  #yanked = 0;
  #sought = '';
  #choices: readonly string[] = [];

  constructor(complete: Complete = () => ({ from: 0, words: [] })) {
    this.#complete = complete;
  }

  get text(): string {
    return this.#text;
  }
  get cursor(): number {
    return this.#cursor;
  }
  /** What Tab found when it could not decide. */
  get choices(): readonly string[] {
    return this.#choices;
  }

  /** Empties the input and gives what was in it, which the history keeps. */
  take(): string {
    const text = this.#text;
    this.#history.add(text);
    this.clear();
    return text;
  }

  clear(): void {
    this.#set('', 0);
    this.#history.rewind();
    this.#last = null;
  }

  set(text: string): void {
    this.#set(text.slice(0, MAX_INPUT), Math.min(text.length, MAX_INPUT));
  }

  press(key: Key): Pressed {
    const before = this.#last;
    this.#last = null;
    this.#choices = [];
    if (key.kind !== 'key') return this.#insert(key.text);
    const act = ACTIONS[key.name];
    if (!act) {
      this.#last = before;
      return 'other';
    }
    return act(this.#hands, before) ?? 'done';
  }

  // What the table of keys may do; the editor's own hands, so that the table can stand below.
  readonly #hands = {
    insert: (text: string) => this.#insert(text),
    move: (to: (text: string, at: number) => number) => {
      this.#cursor = to(this.#text, this.#cursor);
    },
    erase: (to: (text: string, at: number) => number) => this.#cut(to),
    kill: (to: (text: string, at: number) => number, before: Last) => {
      const from = this.#cursor;
      const text = this.#cut(to);
      this.#kills.push(text, { joined: before === 'kill', before: this.#cursor < from });
      this.#last = 'kill';
    },
    yank: () => this.#yank(this.#kills.newest()),
    yankOlder: (before: Last) => {
      if (before !== 'yank') return;
      const from = this.#cursor - this.#yanked;
      this.#set(this.#text.slice(0, from) + this.#text.slice(this.#cursor), from);
      this.#yank(this.#kills.older());
    },
    transpose: () => this.#transpose(),
    line: (by: -1 | 1) => this.#line(by),
    recall: (by: -1 | 1) => this.#recall(by),
    find: (before: Last) => this.#find(before === 'find'),
    complete: () => this.#tab(),
  };

  #set(text: string, cursor: number): void {
    this.#text = text;
    this.#cursor = cursor;
  }

  #insert(text: string): Pressed {
    if (this.#text.length + text.length > MAX_INPUT) return 'full';
    const { before, after } = this.#around();
    // The grapheme may have grown into what follows it, and the cursor stands behind the whole.
    const joined = before + text + after;
    const at = before.length + text.length;
    const start = previousBoundary(joined, at);
    const end = nextBoundary(joined, start);
    this.#set(joined, end > at && at > 0 ? end : at);
    return 'done';
  }

  #around(): { before: string; after: string } {
    return { before: this.#text.slice(0, this.#cursor), after: this.#text.slice(this.#cursor) };
  }

  #cut(to: (text: string, at: number) => number): string {
    const [from, end] = [this.#cursor, to(this.#text, this.#cursor)].sort((a, b) => a - b) as [
      number,
      number,
    ];
    const cut = this.#text.slice(from, end);
    this.#set(this.#text.slice(0, from) + this.#text.slice(end), from);
    this.#settle();
    return cut;
  }

  /** What came together may be one grapheme now. */
  #settle(): void {
    const start = previousBoundary(this.#text, this.#cursor);
    if (this.#cursor > 0) this.#cursor = Math.max(this.#cursor, nextBoundary(this.#text, start));
  }

  #yank(text: string): Pressed {
    const length = this.#text.length;
    const cursor = this.#cursor;
    const pressed = this.#insert(text);
    this.#yanked = this.#text.length > length ? this.#cursor - cursor : 0;
    this.#last = 'yank';
    return pressed;
  }

  #transpose(): void {
    const text = this.#text;
    const end = this.#cursor === lineEnd(text, this.#cursor);
    const middle = end ? previousBoundary(text, this.#cursor) : this.#cursor;
    const from = previousBoundary(text, middle);
    const to = nextBoundary(text, middle);
    if (middle <= lineStart(text, this.#cursor) || to === middle) return;
    const swapped = text.slice(middle, to) + text.slice(from, middle);
    this.#set(text.slice(0, from) + swapped + text.slice(to), to);
    this.#settle();
  }

  #line(by: -1 | 1): void {
    const start = lineStart(this.#text, this.#cursor);
    const end = lineEnd(this.#text, this.#cursor);
    const isEdge = by < 0 ? start === 0 : end === this.#text.length;
    if (isEdge) return this.#recall(by);
    const target = by < 0 ? lineStart(this.#text, start - 1) : end + 1;
    let column = 0;
    for (let at = start; at < this.#cursor; column++) at = nextBoundary(this.#text, at);
    let at = target;
    const stop = lineEnd(this.#text, target);
    for (; column > 0 && at < stop; column--) at = nextBoundary(this.#text, at);
    this.#cursor = at;
  }

  #recall(by: -1 | 1): void {
    const text = this.#history.step(by, this.#text);
    if (text !== null) this.set(text);
  }

  #find(again: boolean): void {
    if (!again) this.#sought = this.#text;
    const text = this.#history.find(this.#sought, again);
    if (text !== null) this.set(text);
    this.#last = 'find';
  }

  #tab(): void {
    const { from, words } = this.#complete(this.#text, this.#cursor);
    const [only] = words;
    if (only === undefined) return;
    const common = words.length === 1 ? `${only} ` : commonStart(words);
    const { after } = this.#around();
    if (common.length + from >= this.#cursor)
      this.#set(this.#text.slice(0, from) + common + after, from + common.length);
    if (words.length > 1) this.#choices = words;
  }
}

type Hands = {
  readonly insert: (text: string) => Pressed;
  readonly move: (to: (text: string, at: number) => number) => void;
  readonly erase: (to: (text: string, at: number) => number) => string;
  readonly kill: (to: (text: string, at: number) => number, before: Last) => void;
  readonly yank: () => Pressed;
  readonly yankOlder: (before: Last) => void;
  readonly transpose: () => void;
  readonly line: (by: -1 | 1) => void;
  readonly recall: (by: -1 | 1) => void;
  readonly find: (before: Last) => void;
  readonly complete: () => void;
};

const lineStart = (text: string, at: number) => (at > 0 ? text.lastIndexOf('\n', at - 1) + 1 : 0);
const lineEnd = (text: string, at: number) => {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
};
/** Ctrl-K at the end of a line takes the line feed, and Ctrl-U at its beginning the one before. */
const killEnd = (text: string, at: number) =>
  lineEnd(text, at) === at ? nextBoundary(text, at) : lineEnd(text, at);
const killStart = (text: string, at: number) =>
  lineStart(text, at) === at ? previousBoundary(text, at) : lineStart(text, at);
/** Ctrl-W: back to a space, as in a shell. */
const spaceStart = (text: string, at: number) => {
  const before = text.slice(0, at).trimEnd();
  return /\s\S*$/.test(before) ? before.search(/\S+$/) : 0;
};

type Action = (hands: Hands, before: Last) => Pressed | undefined;
const quietly =
  (act: (hands: Hands, before: Last) => unknown): Action =>
  (hands, before) => {
    act(hands, before);
    return undefined;
  };

const left = quietly((hands) => hands.move(previousBoundary));
const right = quietly((hands) => hands.move(nextBoundary));
const home = quietly((hands) => hands.move(lineStart));
const end = quietly((hands) => hands.move(lineEnd));
const wordLeft = quietly((hands) => hands.move(wordStart));
const wordRight = quietly((hands) => hands.move(wordEnd));
const erase = quietly((hands) => hands.erase(previousBoundary));
const eraseNext = quietly((hands) => hands.erase(nextBoundary));
const killWordBack = quietly((hands, before) => hands.kill(wordStart, before));

const ACTIONS: Readonly<Record<string, Action>> = {
  newline: (hands) => hands.insert('\n'),
  left,
  'ctrl-b': left,
  right,
  'ctrl-f': right,
  home,
  'ctrl-a': home,
  end,
  'ctrl-e': end,
  'alt-b': wordLeft,
  'ctrl-left': wordLeft,
  'alt-left': wordLeft,
  'alt-f': wordRight,
  'ctrl-right': wordRight,
  'alt-right': wordRight,
  backspace: erase,
  delete: eraseNext,
  'ctrl-d': eraseNext,
  'ctrl-k': quietly((hands, before) => hands.kill(killEnd, before)),
  'ctrl-u': quietly((hands, before) => hands.kill(killStart, before)),
  'ctrl-w': quietly((hands, before) => hands.kill(spaceStart, before)),
  'alt-d': quietly((hands, before) => hands.kill(wordEnd, before)),
  'alt-backspace': killWordBack,
  'ctrl-y': (hands) => hands.yank(),
  'alt-y': quietly((hands, before) => hands.yankOlder(before)),
  'ctrl-t': quietly((hands) => hands.transpose()),
  up: quietly((hands) => hands.line(-1)),
  down: quietly((hands) => hands.line(1)),
  'ctrl-p': quietly((hands) => hands.recall(-1)),
  'ctrl-n': quietly((hands) => hands.recall(1)),
  'ctrl-r': quietly((hands, before) => hands.find(before)),
  tab: quietly((hands) => hands.complete()),
};

function commonStart(words: readonly string[]): string {
  const [first, ...others] = words.map((word) => [...word]);
  let common = first ?? [];
  for (const other of others) {
    const differs = common.findIndex((character, i) => character !== other[i]);
    if (differs >= 0) common = common.slice(0, differs);
  }
  return common.join('');
}
