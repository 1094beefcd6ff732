// What was sent before: up and down go through it, Ctrl-R searches it. In memory only.

const MAX_ENTRIES = 500;

export class History {
  readonly #entries: string[] = [];
  #at = 0; // as many as entries: the draft
  #draft = '';

  add(text: string): void {
    if (text.trim() !== '' && this.#entries.at(-1) !== text) this.#entries.push(text);
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
    this.rewind();
  }

  /** Forgets where one was. */
  rewind(): void {
    this.#at = this.#entries.length;
    this.#draft = '';
  }

  /** The entry before or after (by -1 or 1), or the draft after the last; null at the end. */
  step(by: -1 | 1, draft: string): string | null {
    const to = this.#at + by;
    if (to < 0 || to > this.#entries.length) return null;
    if (this.#at === this.#entries.length) this.#draft = draft;
    this.#at = to;
    return this.#entries[to] ?? this.#draft;
  }

  /** The next older entry that has the words; from the newest again with `again` false. */
  find(words: string, again: boolean): string | null {
    const from = again ? this.#at - 1 : this.#entries.length - 1;
    for (let i = from; i >= 0; i--) {
      if (!this.#entries[i]?.includes(words)) continue;
      this.#at = i;
      return this.#entries[i] ?? null;
    }
    return null;
  }
}
