// What was sent to one connection and may still be needed: Messages in the order sent, each at its place
// in the connection's output, and the output's blocks themselves, which are kept instead of copies. A
// ring of plain numbers, in which Messages that lie side by side, of one sender and one length, are one
// entry: nothing is allocated for a Message.

const FIRST_ROOM = 16;

export interface Sent {
  readonly number: number;
  readonly sender: string;
  readonly frame: Buffer;
}

interface Kept {
  readonly start: number; // place of its first byte in the output
  readonly block: Buffer;
  readonly length: number; // so much of it was handed on
}

/** Who takes back blocks that nobody needs any more. */
export interface Recycler {
  recycle(block: Buffer): void;
}

const NO_NUMBERS = new Float64Array(0);
const NO_LENGTHS = new Uint32Array(0);
const NO_SENDERS: (string | null)[] = [];
const NO_BLOCKS: Kept[] = [];

export class Window {
  // An idle connection owns none of these.
  #room = 0;
  #numbers = NO_NUMBERS; // of the first Message of an entry
  #starts = NO_NUMBERS;
  #lengths = NO_LENGTHS; // of each of them
  #counts = NO_LENGTHS;
  #senders: (string | null)[] = NO_SENDERS;
  #head = 0;
  #entries = 0;
  #isOpen = false; // the last entry may grow: it is not handed on yet, so it will lie in one block
  #lastNeeded = -1; // where the last begins that is nowhere else
  #blocks: Kept[] = NO_BLOCKS;
  count = 0;
  /** Bytes of the Messages in it. */
  bytes = 0;
  /** Bytes of the blocks that are kept for them. */
  held = 0;

  /** `number` is 0 for /live; `sender` null when it is on the disk already, or /live. */
  push(number: number, sender: string | null, start: number, length: number): void {
    this.#push(number, sender, start, length, 1);
  }

  /** Messages of one sender, side by side in the output, with numbers in a row. */
  pushRun(number: number, sender: string, start: number, lengths: Lengths): void {
    const { count, each } = lengths;
    let at = start;
    for (let i = 0; i < count; ) {
      const length = each[i] as number;
      let next = i + 1;
      while (next < count && each[next] === length) next++;
      this.#push(number + i, sender, at, length, next - i);
      at += length * (next - i);
      i = next;
    }
  }

  #push(number: number, sender: string | null, start: number, length: number, count: number): void {
    if (sender !== null) this.#lastNeeded = start + length * (count - 1);
    this.count += count;
    this.bytes += length * count;
    if (this.#isOpen && this.#extend(number, sender, start, length, count)) return;
    if (this.#entries === this.#room) this.#grow();
    const at = (this.#head + this.#entries) & (this.#room - 1);
    this.#numbers[at] = number;
    this.#starts[at] = start;
    this.#lengths[at] = length;
    this.#counts[at] = count;
    this.#senders[at] = sender;
    this.#entries++;
    this.#isOpen = true;
  }

  /** Into the last entry, if they lie behind it and are like it. */
  #extend(
    number: number,
    sender: string | null,
    start: number,
    length: number,
    count: number,
  ): boolean {
    if (this.#entries === 0) return false;
    const at = (this.#head + this.#entries - 1) & (this.#room - 1);
    const before = this.#counts[at] as number;
    const first = this.#numbers[at] as number;
    if (this.#senders[at] !== sender || this.#lengths[at] !== length) return false;
    if ((this.#starts[at] as number) + before * length !== start) return false;
    if (number === 0 ? first !== 0 : first === 0 || first + before !== number) return false;
    this.#counts[at] = before + count;
    return true;
  }

  /** Where the oldest ends in the output; Infinity when there is none. */
  get firstEnd(): number {
    if (this.count === 0) return Number.POSITIVE_INFINITY;
    return (this.#starts[this.#head] as number) + (this.#lengths[this.#head] as number);
  }

  /** Forgets the oldest; gives its number when it is on the disk, else 0. */
  shift(): number {
    return this.forget(1);
  }

  /** Forgets the n oldest; gives the last number of those that are on the disk, or 0. */
  forget(n: number): number {
    let last = 0;
    for (let left = Math.min(n, this.count); left > 0; ) {
      const some = Math.min(left, this.#counts[this.#head] as number);
      last = this.#drop(some) || last;
      left -= some;
    }
    return last;
  }

  /** Forgets what ends up to this place, n at most; as `forget`. */
  forgetTo(position: number, n: number): number {
    let last = 0;
    for (let left = n; left > 0 && this.firstEnd <= position; ) {
      const length = this.#lengths[this.#head] as number;
      const room = Math.floor((position - (this.#starts[this.#head] as number)) / length);
      const some = Math.min(left, room, this.#counts[this.#head] as number);
      last = this.#drop(some) || last;
      left -= some;
    }
    return last;
  }

  /** Takes so many off the oldest entry; the last number when it is on the disk, else 0. */
  #drop(some: number): number {
    const at = this.#head;
    const [number, length] = [this.#numbers[at] as number, this.#lengths[at] as number];
    const isStored = this.#senders[at] === null && number > 0;
    this.count -= some;
    this.bytes -= length * some;
    if (some < (this.#counts[at] as number)) {
      this.#counts[at] = (this.#counts[at] as number) - some;
      this.#starts[at] = (this.#starts[at] as number) + length * some;
      if (number > 0) this.#numbers[at] = number + some;
    } else {
      this.#senders[at] = null;
      this.#head = (at + 1) & (this.#room - 1);
      this.#entries--;
    }
    return isStored ? number + some - 1 : 0;
  }

  /** block[0..length) was handed on; it is kept, and true, when something in it may be needed. */
  keep(start: number, block: Buffer, length: number): boolean {
    this.#isOpen = false;
    if (this.#lastNeeded < start) return false;
    if (this.#blocks === NO_BLOCKS) this.#blocks = [{ start, block, length }];
    else this.#blocks.push({ start, block, length });
    this.held += block.length;
    return true;
  }

  /** Lets blocks go that hold nothing of what is still here. */
  release(to?: Recycler): void {
    const from = this.count === 0 ? Number.POSITIVE_INFINITY : (this.#starts[this.#head] as number);
    let gone = 0;
    for (const { start, block, length } of this.#blocks) {
      if (start + length > from) break;
      this.held -= block.length;
      to?.recycle(block);
      gone++;
    }
    if (gone === 0) return;
    this.#blocks = gone === this.#blocks.length ? NO_BLOCKS : this.#blocks.slice(gone);
  }

  /**
   * Takes out what would be lost with the connection, as far as its output was handed on, the oldest
   * first: it is not needed any more, and no block either. Frames are views of the blocks.
   */
  *takeNeeded(): Iterable<Sent> {
    let nth = 0;
    this.#isOpen = false;
    for (let i = 0; i < this.#entries; i++) {
      const at = (this.#head + i) & (this.#room - 1);
      const sender = this.#senders[at] ?? null;
      if (sender === null) continue;
      const place = this.#starts[at] as number;
      let kept = this.#blocks[nth];
      while (kept && place >= kept.start + kept.length) kept = this.#blocks[++nth];
      if (!kept) break;
      this.#senders[at] = null;
      const length = this.#lengths[at] as number;
      for (let k = 0; k < (this.#counts[at] as number); k++) {
        const start = place - kept.start + k * length;
        // What #extend puts together was not handed on in between.
        if (start + length > kept.length) throw new Error('a Message lies in two blocks');
        const frame = kept.block.subarray(start, start + length);
        yield { number: (this.#numbers[at] as number) + k, sender, frame };
      }
    }
    this.#blocks = NO_BLOCKS;
    this.held = 0;
  }

  #grow(): void {
    const old = this.#room;
    const order = Array.from({ length: old }, (_, i) => (this.#head + i) & (old - 1));
    const room = Math.max(FIRST_ROOM, old * 2);
    const copy = <T extends Float64Array | Uint32Array>(into: T, from: T): T => {
      for (let i = 0; i < old; i++) into[i] = from[order[i] as number] as number;
      return into;
    };
    this.#numbers = copy(new Float64Array(room), this.#numbers);
    this.#starts = copy(new Float64Array(room), this.#starts);
    this.#lengths = copy(new Uint32Array(room), this.#lengths);
    this.#counts = copy(new Uint32Array(room), this.#counts);
    const senders = order.map((at) => this.#senders[at] as string | null);
    this.#senders = senders.concat(new Array(room - old).fill(null));
    this.#head = 0;
    this.#room = room;
  }
}

/** each[0..count) */
export interface Lengths {
  readonly count: number;
  readonly each: Uint32Array;
}
