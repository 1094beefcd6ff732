// The window as it would be written without a thought for speed: one array, one object a Message.

import type { Sent } from '../../src/relay/window.ts';

interface Entry {
  readonly number: number;
  sender: string | null;
  readonly start: number;
  readonly length: number;
}

export class SlowWindow {
  #entries: Entry[] = [];
  #blocks: { start: number; bytes: Buffer }[] = [];
  #lastNeeded = -1;

  push(number: number, sender: string | null, start: number, length: number): void {
    this.#entries.push({ number, sender, start, length });
    if (sender !== null) this.#lastNeeded = start;
  }

  get count(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#entries.reduce((sum, { length }) => sum + length, 0);
  }

  get held(): number {
    return this.#blocks.reduce((sum, { bytes }) => sum + bytes.buffer.byteLength, 0);
  }

  get firstEnd(): number {
    const first = this.#entries[0];
    return first ? first.start + first.length : Number.POSITIVE_INFINITY;
  }

  shift(): number {
    const first = this.#entries.shift();
    return first && first.sender === null ? first.number : 0;
  }

  keep(start: number, bytes: Buffer): void {
    // Somebody needs what begins in it, or will be needed behind it.
    if (this.#lastNeeded >= start) this.#blocks.push({ start, bytes });
  }

  release(): void {
    const from = this.#entries[0]?.start ?? Number.POSITIVE_INFINITY;
    while (this.#blocks[0] && this.#blocks[0].start + this.#blocks[0].bytes.length <= from)
      this.#blocks.shift();
  }

  takeNeeded(): Sent[] {
    const taken: Sent[] = [];
    for (const entry of this.#entries) {
      if (entry.sender === null) continue;
      const { number, sender, start, length } = entry;
      const block = this.#blocks.find(
        (each) => each.start <= start && start < each.start + each.bytes.length,
      );
      if (!block) break;
      const at = start - block.start;
      taken.push({ number, sender, frame: block.bytes.subarray(at, at + length) });
      entry.sender = null;
    }
    this.#blocks = [];
    return taken;
  }
}
