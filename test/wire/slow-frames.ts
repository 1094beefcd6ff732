// The slow, obvious twin of FrameReader: all unread bytes in one buffer, concatenated at each push.

import { type Delimiter, type FrameHandler, NEED_MORE } from '../../src/wire/frames.ts';

export class SlowReader {
  delimiter: Delimiter;
  readonly #onFrame: FrameHandler;
  #bytes = Buffer.alloc(0);
  #stopped = false;

  constructor(delimiter: Delimiter, onFrame: FrameHandler) {
    this.delimiter = delimiter;
    this.#onFrame = onFrame;
  }

  get pending(): number {
    return this.#bytes.length;
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#cut();
  }

  stop(): void {
    this.#stopped = true;
  }

  resume(): void {
    this.#stopped = false;
    this.#cut();
  }

  #cut(): void {
    while (!this.#stopped && this.#bytes.length > 0) {
      const stop = this.delimiter(this.#bytes, 0, this.#bytes.length);
      if (stop === NEED_MORE || stop > this.#bytes.length) return;
      const frame = this.#bytes.subarray(0, stop);
      this.#bytes = this.#bytes.subarray(stop);
      this.#onFrame(frame, 0, frame.length);
    }
  }
}
