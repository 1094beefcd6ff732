// What was sent to one connection and may still be needed: Messages in the order sent, each at its place
// in the connection's output, and the output's blocks themselves, which are kept instead of copies. A
// ring of plain numbers: nothing is allocated for a Message.

const FIRST_ROOM = 16;

export interface Sent {
  readonly number: number;
  readonly sender: string;
  readonly frame: Buffer;
}

interface Block {
  readonly start: number; // place of its first byte in the output
  readonly bytes: Buffer;
}

const NO_NUMBERS = new Float64Array(0);
const NO_LENGTHS = new Uint32Array(0);
const NO_SENDERS: (string | null)[] = [];
const NO_BLOCKS: Block[] = [];

export class Window {
  // An idle connection owns none of these.
  #room = 0;
  #numbers = NO_NUMBERS;
  #starts = NO_NUMBERS;
  #lengths = NO_LENGTHS;
  #senders: (string | null)[] = NO_SENDERS;
  #head = 0;
  #lastNeeded = -1; // where the last begins that is nowhere else
  #blocks: Block[] = NO_BLOCKS;
  count = 0;
  /** Bytes of the Messages in it. */
  bytes = 0;
  /** Bytes of the blocks that are kept for them. */
  held = 0;

  /** `number` is 0 for /live; `sender` null when it is on the disk already, or /live. */
  push(number: number, sender: string | null, start: number, length: number): void {
    if (this.count === this.#room) this.#grow();
    if (sender !== null) this.#lastNeeded = start;
    const at = (this.#head + this.count) & (this.#room - 1);
    this.#numbers[at] = number;
    this.#starts[at] = start;
    this.#lengths[at] = length;
    this.#senders[at] = sender;
    this.count++;
    this.bytes += length;
  }

  /** Where the oldest ends in the output; Infinity when there is none. */
  get firstEnd(): number {
    if (this.count === 0) return Number.POSITIVE_INFINITY;
    return (this.#starts[this.#head] as number) + (this.#lengths[this.#head] as number);
  }

  /** Forgets the oldest; gives its number when it is on the disk, else 0. */
  shift(): number {
    const at = this.#head;
    const stored = this.#senders[at] === null ? (this.#numbers[at] as number) : 0;
    this.#senders[at] = null;
    this.bytes -= this.#lengths[at] as number;
    this.#head = (at + 1) & (this.#room - 1);
    this.count--;
    return stored;
  }

  /** A piece of output was handed on; it is kept when something in it may be needed. */
  keep(start: number, bytes: Buffer): void {
    if (this.#lastNeeded < start) return;
    if (this.#blocks === NO_BLOCKS) this.#blocks = [];
    this.#blocks.push({ start, bytes });
    this.held += bytes.buffer.byteLength;
  }

  /** Lets blocks go that hold nothing of what is still here. */
  release(): void {
    const from = this.count === 0 ? Number.POSITIVE_INFINITY : (this.#starts[this.#head] as number);
    let gone = 0;
    for (const { start, bytes } of this.#blocks) {
      if (start + bytes.length > from) break;
      this.held -= bytes.buffer.byteLength;
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
    for (let i = 0; i < this.count; i++) {
      const at = (this.#head + i) & (this.#room - 1);
      const sender = this.#senders[at] ?? null;
      if (sender === null) continue;
      const place = this.#starts[at] as number;
      let block = this.#blocks[nth];
      while (block && place >= block.start + block.bytes.length) block = this.#blocks[++nth];
      if (!block) break;
      const start = place - block.start;
      const frame = block.bytes.subarray(start, start + (this.#lengths[at] as number));
      this.#senders[at] = null;
      yield { number: this.#numbers[at] as number, sender, frame };
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
    const senders = order.map((at) => this.#senders[at] as string | null);
    this.#senders = senders.concat(new Array(room - old).fill(null));
    this.#head = 0;
    this.#room = room;
  }
}
