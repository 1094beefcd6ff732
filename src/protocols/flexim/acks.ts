// What a client acknowledges: how many of the Messages it was sent, counted from the first, are safe.
// They may become safe in any order; ACK names the first gap. docs/protocols/flexim.md §7.3.

/** Between two acknowledgements, for each costs both sides a write, a read and a turn … */
export const ACK_PAUSE_MS = 2;
const MANY = 64;
const MUCH = 8 * 1024; // bytes

/** … but so much does not wait for it: what a relay keeps for longer is gone from its processor's cache. */
export const isMuch = (messages: number, bytes: number): boolean =>
  messages >= MANY || bytes >= MUCH;

export class Acks {
  #received = 0;
  #safe = 0; // the first so many
  readonly #early = new Set<number>(); // safe, behind a gap

  get safe(): number {
    return this.#safe;
  }

  /** The number of the next Message. */
  next(): number {
    return ++this.#received;
  }

  /** Message n is safe; true when more can be acknowledged than before. */
  done(n: number): boolean {
    if (n !== this.#safe + 1) {
      if (n > this.#safe && n <= this.#received) this.#early.add(n);
      return false;
    }
    this.#safe = n;
    while (this.#early.delete(this.#safe + 1)) this.#safe++;
    return true;
  }
}
