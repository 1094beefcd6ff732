// The kill ring: what Ctrl-K, Ctrl-U, Ctrl-W and Alt-D cut, Ctrl-Y brings back, Alt-Y exchanges.

const MAX_KILLS = 30;

export class Kills {
  readonly #ring: string[] = [];
  #at = 0;

  /** Adds to the newest when it follows another kill directly: before it, or behind it. */
  push(text: string, { joined, before }: { joined: boolean; before: boolean }): void {
    if (text === '') return;
    const last = joined ? this.#ring.pop() : undefined;
    this.#ring.push(before ? text + (last ?? '') : (last ?? '') + text);
    if (this.#ring.length > MAX_KILLS) this.#ring.shift();
    this.#at = this.#ring.length - 1;
  }

  newest(): string {
    this.#at = this.#ring.length - 1;
    return this.#ring[this.#at] ?? '';
  }

  older(): string {
    if (this.#ring.length === 0) return '';
    this.#at = (this.#at - 1 + this.#ring.length) % this.#ring.length;
    return this.#ring[this.#at] ?? '';
  }
}
