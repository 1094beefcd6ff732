// A terminal that knows only the sequences that the chat may write, and says so when it meets another.

import { cellsOf } from '../../../src/cli/chat/graphemes.ts';

const ALLOWED =
  /\[(?:(?<row>\d+);(?<column>\d+)H|(?<to>\d+)G|(?<up>\d+)A|(?<down>\d+)B|(?<erase>[JK]|2J)|(?<style>[\d;]+)m|\?(?<mode>25|7|1049|2004|2026)(?<set>[hl]))/y;

export class TinyTerminal {
  readonly #rows: string[][];
  readonly modes = new Map<string, boolean>();
  readonly styles = new Set<string>();
  readonly strange: string[] = [];
  row = 0;
  column = 0;

  constructor(rows: number) {
    this.#rows = Array.from({ length: rows }, () => []);
  }

  write(bytes: string): void {
    for (let at = 0; at < bytes.length; ) at = this.#step(bytes, at);
  }

  /** What is to be seen, without spaces at the ends of lines. */
  get screen(): string[] {
    return this.#rows.map((row) =>
      Array.from(row, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    );
  }

  #step(bytes: string, at: number): number {
    if (bytes[at] === '\x1b') return this.#sequence(bytes, at);
    const next = bytes.slice(at).search(/\p{Cc}/u);
    if (next === 0) {
      if (bytes[at] === '\r') this.column = 0;
      if (bytes[at] === '\n') this.row++;
      if (!['\r', '\n', '\x07'].includes(bytes[at] as string))
        this.strange.push(JSON.stringify(bytes[at]));
      return at + 1;
    }
    const end = next < 0 ? bytes.length : at + next;
    const text = bytes.slice(at, end);
    for (const odd of text.match(
      /[\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u200b\ufeff]/gu,
    ) ?? [])
      this.strange.push(JSON.stringify(odd));
    this.#put(text);
    return end;
  }

  #here(): string[] {
    while (this.#rows.length <= this.row) this.#rows.push([]);
    return this.#rows[this.row] as string[];
  }

  #put(text: string): void {
    const row = this.#here();
    for (const cell of cellsOf(text)) {
      row[this.column] = cell.text;
      for (let i = 1; i < cell.width; i++) row[this.column + i] = '';
      this.column += cell.width;
    }
  }

  #sequence(bytes: string, at: number): number {
    ALLOWED.lastIndex = at + 1;
    const match = ALLOWED.exec(bytes);
    if (!match?.groups) {
      this.strange.push(JSON.stringify(bytes.slice(at, at + 12)));
      return at + 1;
    }
    const { row, column, to, up, down, erase, style, mode, set } = match.groups;
    if (row) [this.row, this.column] = [Number(row) - 1, Number(column) - 1];
    if (to) this.column = Number(to) - 1;
    if (up) this.row -= Number(up);
    if (down) this.row += Number(down);
    if (erase === 'K') this.#here().splice(this.column);
    if (erase === '2J') for (const each of this.#rows) each.length = 0;
    if (erase === 'J') {
      this.#here().length = 0;
      for (const each of this.#rows.slice(this.row + 1)) each.length = 0;
    }
    if (style) this.styles.add(style);
    if (mode) this.modes.set(mode, set === 'h');
    return at + 1 + match[0].length;
  }
}
