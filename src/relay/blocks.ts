// Memory for Messages on their way to the disk: a few large blocks that are filled, and used again once
// their batch is over. To allocate for each Message, or each mailbox, costs more than all the rest.

export interface Place {
  readonly block: Buffer;
  readonly start: number;
}

const BLOCK = 256 * 1024;
const MAX_SPARES = 16;

export class Blocks {
  #spares: Buffer[] = [];
  #filled: Buffer[] = []; // since the last `take`; the last one is being filled
  #at = BLOCK;

  /** Copies bytes[start..end) to where it stays until its blocks are given back. */
  put(bytes: Buffer, start: number, end: number): Place {
    const length = end - start;
    let block = this.#filled.at(-1);
    if (!block || block.length - this.#at < length) {
      block =
        (length <= BLOCK && this.#spares.pop()) || Buffer.allocUnsafe(Math.max(BLOCK, length));
      this.#filled.push(block);
      this.#at = 0;
    }
    const at = this.#at;
    bytes.copy(block, at, start, end);
    this.#at += length;
    return { block, start: at };
  }

  /** The blocks filled so far: what comes goes into others. */
  take(): Buffer[] {
    const filled = this.#filled;
    this.#filled = [];
    return filled;
  }

  /** Nobody reads these any more. */
  giveBack(blocks: readonly Buffer[]): void {
    for (const block of blocks)
      if (block.length === BLOCK && this.#spares.length < MAX_SPARES) this.#spares.push(block);
  }
}
