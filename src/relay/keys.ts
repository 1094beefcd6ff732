// A map whose keys are looked up as they lie in a frame: 64 hex digits, lower case. No text is made of
// them and nothing is allocated. Open addressing with linear probing; its hash is seeded anew in each
// process, for users choose their keys. Slow twin: a Map, in test/relay/keys.test.ts.

const WORDS = 16; // of 4 bytes
export const KEY_TEXT = WORDS * 4;
const FIRST_ROOM = 16;

const seed = () => Math.floor(Math.random() * 2 ** 32) | 1;
const SEEDS = [seed(), seed(), seed(), seed()] as const;

export class KeyMap<T> {
  #room = FIRST_ROOM;
  #words = new Int32Array(FIRST_ROOM * WORDS);
  #values: (T | null)[] = new Array(FIRST_ROOM).fill(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** What is kept for the key at bytes[at..at + 64), of which `view` is a view. */
  at(view: DataView, at: number): T | null {
    const words = this.#words;
    const mask = this.#room - 1;
    for (let slot = hash(view, at) & mask; ; slot = (slot + 1) & mask) {
      const value = this.#values[slot] as T | null;
      if (value === null || same(words, slot * WORDS, view, at)) return value;
    }
  }

  set(key: string, value: T): void {
    if ((this.#size + 1) * 2 > this.#room) this.#grow();
    const view = viewOf(key);
    const slot = this.#slot(view);
    if (this.#values[slot] === null) this.#size++;
    this.#values[slot] = value;
    for (let i = 0; i < WORDS; i++) this.#words[slot * WORDS + i] = view.getInt32(i * 4, true);
  }

  delete(key: string): void {
    const mask = this.#room - 1;
    let hole = this.#slot(viewOf(key));
    if (this.#values[hole] === null) return;
    this.#size--;
    // What was put behind the hole because its place was taken moves up, so that it is found.
    for (let slot = (hole + 1) & mask; this.#values[slot] !== null; slot = (slot + 1) & mask) {
      const home = hashOf(this.#words, slot * WORDS) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.#move(slot, hole);
      hole = slot;
    }
    this.#values[hole] = null;
  }

  #move(from: number, to: number): void {
    this.#values[to] = this.#values[from] as T | null;
    this.#words.copyWithin(to * WORDS, from * WORDS, (from + 1) * WORDS);
  }

  /** Where the key is, or would be. */
  #slot(view: DataView): number {
    const mask = this.#room - 1;
    let slot = hash(view, 0) & mask;
    while (this.#values[slot] !== null && !same(this.#words, slot * WORDS, view, 0))
      slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [words, values, room] = [this.#words, this.#values, this.#room * 2];
    const mask = room - 1;
    this.#room = room;
    this.#words = new Int32Array(room * WORDS);
    this.#values = new Array(room).fill(null);
    for (const [from, value] of values.entries()) {
      if (value === null) continue;
      let slot = hashOf(words, from * WORDS) & mask;
      while (this.#values[slot] !== null) slot = (slot + 1) & mask;
      this.#values[slot] = value;
      this.#words.set(words.subarray(from * WORDS, (from + 1) * WORDS), slot * WORDS);
    }
  }
}

function viewOf(key: string): DataView {
  const bytes = Buffer.from(key, 'latin1');
  if (bytes.length !== KEY_TEXT) throw new RangeError('a key has 64 hex digits');
  return new DataView(bytes.buffer, bytes.byteOffset, KEY_TEXT);
}

/** The first 16 digits: 64 bits that a user would have to choose alike. */
function hash(view: DataView, at: number): number {
  return mix(
    view.getInt32(at, true),
    view.getInt32(at + 4, true),
    view.getInt32(at + 8, true),
    view.getInt32(at + 12, true),
  );
}

function hashOf(words: Int32Array, at: number): number {
  return mix(
    words[at] as number,
    words[at + 1] as number,
    words[at + 2] as number,
    words[at + 3] as number,
  );
}

function mix(a: number, b: number, c: number, d: number): number {
  let h = Math.imul(a ^ SEEDS[0], 0x9e3779b1) ^ SEEDS[1];
  h = Math.imul((h ^ (h >>> 15)) + b, 0x85ebca6b) ^ SEEDS[2];
  h = Math.imul((h ^ (h >>> 13)) + c, 0xc2b2ae35) ^ SEEDS[3];
  h = Math.imul((h ^ (h >>> 16)) + d, 0x27d4eb2f);
  return h ^ (h >>> 15);
}

function same(words: Int32Array, from: number, view: DataView, at: number): boolean {
  for (let i = 0; i < WORDS; i++)
    if (words[from + i] !== view.getInt32(at + i * 4, true)) return false;
  return true;
}
