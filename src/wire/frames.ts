// Cutting a byte stream into frames. A Delimiter finds the end of the first frame, FrameReader cuts
// there and knows nothing else. Slow twin: test/wire/slow-frames.ts.

import { FleximError } from '../lib/errors.ts';

export const NEED_MORE = -1;

/**
 * Where the frame that begins at `start` ends, or NEED_MORE. Throws a FleximError when the bytes can
 * never be a frame. With more bytes behind the same ones it must give the same answer, or an end.
 */
export type Delimiter = (bytes: Buffer, start: number, end: number) => number;

export interface LengthPrefix {
  readonly tag: number; // bytes before the length
  readonly size: 1 | 2 | 4; // bytes of the length
  readonly order: 'big' | 'little';
  readonly max: number; // largest body
}

/** `tag | length | body`: the length counts the body alone. */
export function lengthPrefixed({ tag, size, order, max }: LengthPrefix): Delimiter {
  const head = tag + size;
  if (size === 2 && order === 'big' && max >= 0xffff)
    return (bytes, start, end) => {
      if (end - start < head) return NEED_MORE;
      const at = start + tag;
      const stop = start + head + (((bytes[at] as number) << 8) | (bytes[at + 1] as number));
      return stop <= end ? stop : NEED_MORE;
    };
  const read = order === 'big' ? Buffer.prototype.readUIntBE : Buffer.prototype.readUIntLE;
  return (bytes, start, end) => {
    if (end - start < head) return NEED_MORE;
    const length = read.call(bytes, start + tag, size);
    if (length > max) throw tooLarge(length, max);
    const stop = start + head + length;
    return stop <= end ? stop : NEED_MORE;
  };
}

/** Everything up to and with `byte`; at most `max` bytes before it. */
export function terminated(byte: number, max: number): Delimiter {
  return (bytes, start, end) => {
    const limit = Math.min(end, start + max + 1);
    const found = bytes.subarray(start, limit).indexOf(byte);
    if (found >= 0) return start + found + 1;
    if (end - start > max) throw tooLarge(end - start, max);
    return NEED_MORE;
  };
}

/** Frames of n bytes each. */
export function exactly(n: number): Delimiter {
  if (n < 1) throw new RangeError('a frame has at least one byte');
  return (_, start, end) => (end - start >= n ? start + n : NEED_MORE);
}

/** Gets the frame `bytes[start..end)`; the memory is the reader's again when the call returns. */
export type FrameHandler = (bytes: Buffer, start: number, end: number) => void;

const EMPTY = Buffer.alloc(0);
const FIRST_TAIL = 256;

export class FrameReader {
  /** May be replaced inside the callback: the next frame is cut by the new one. */
  delimiter: Delimiter;
  readonly #onFrame: FrameHandler;
  #tail = EMPTY; // the bytes kept from earlier chunks are #tail[0..#kept)
  #kept = 0;
  #stopped = false;

  constructor(delimiter: Delimiter, onFrame: FrameHandler) {
    this.delimiter = delimiter;
    this.#onFrame = onFrame;
  }

  /** Bytes that wait for the rest of their frame, or for `resume`. */
  get pending(): number {
    return this.#kept;
  }

  /** Cuts all complete frames. What delimiter or callback throw passes through and ends the reader. */
  push(chunk: Buffer): void {
    if (this.#stopped) this.#keep(chunk, 0, chunk.length);
    else if (this.#kept === 0) this.#cut(chunk, 0, chunk.length);
    else this.#cut(chunk, this.#finish(chunk), chunk.length);
  }

  /** From inside the callback: no further frame until `resume`. */
  stop(): void {
    this.#stopped = true;
  }

  resume(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    const bytes = this.#tail;
    const end = this.#kept;
    this.#drop();
    if (end > 0) this.#cut(bytes, 0, end);
  }

  #cut(chunk: Buffer, from: number, end: number): void {
    const onFrame = this.#onFrame;
    let start = from;
    while (start < end && !this.#stopped) {
      const stop = this.delimiter(chunk, start, end);
      if (stop === NEED_MORE) break;
      onFrame(chunk, start, stop);
      start = stop;
    }
    if (start < end) this.#keep(chunk, start, end);
  }

  /** Completes the kept frame from the head of the chunk; returns how far the chunk was used. */
  #finish(chunk: Buffer): number {
    const before = this.#kept;
    let used = 0;
    while (used < chunk.length) {
      // The tail grows by doubling and takes only what it has room for: a long frame costs its
      // length, and a short rest does not make the whole chunk be copied.
      if (this.#kept === this.#tail.length) this.#grow(this.#kept + 1);
      const room = Math.min(chunk.length - used, this.#tail.length - this.#kept);
      chunk.copy(this.#tail, this.#kept, used, used + room);
      this.#kept += room;
      used += room;
      const stop = this.delimiter(this.#tail, 0, this.#kept);
      if (stop === NEED_MORE) continue;
      const frame = this.#tail;
      this.#drop();
      this.#onFrame(frame, 0, stop);
      return stop - before;
    }
    return used;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.#tail.length < this.#kept + length) this.#grow(this.#kept + length);
    chunk.copy(this.#tail, this.#kept, start, end);
    this.#kept += length;
  }

  #grow(atLeast: number): void {
    let size = Math.max(FIRST_TAIL, this.#tail.length * 2);
    while (size < atLeast) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size); // pooled memory would pin 8 KiB for a few bytes
    this.#tail.copy(grown, 0, 0, this.#kept);
    this.#tail = grown;
  }

  #drop(): void {
    this.#tail = EMPTY;
    this.#kept = 0;
  }
}

function tooLarge(length: number, max: number): FleximError {
  return new FleximError('frame-too-large', `a frame of ${length} bytes; the limit is ${max}`);
}
