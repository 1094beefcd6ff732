// Cutting a byte stream into frames. A Delimiter finds the end of the first frame, FrameReader cuts
// there and knows nothing else. Slow twin: test/wire/slow-frames.ts.

import { giveBlock, takeBlock } from '../lib/blocks.ts';
import { FleximError } from '../lib/errors.ts';

export const NEED_MORE = 0x7fff_ffff; // behind the end of any chunk

/**
 * Where the frame that begins at `start` ends; an end behind `end`, as NEED_MORE always is, means
 * that bytes are missing. (One comparison for both keeps the hot path short; so does asking when
 * there is nothing left, `start === end`.) Throws a FleximError when the bytes can never be a frame.
 * With more bytes behind the same ones it must give the same answer, or an end.
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
  // Flexim's own format: half as fast again with its numbers written out.
  if (tag === 1 && size === 2 && order === 'big' && max >= 0xffff)
    return (bytes, start, end) => {
      if (end - start < 3) return NEED_MORE;
      return start + 3 + (((bytes[start + 1] as number) << 8) | (bytes[start + 2] as number));
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

/**
 * Takes as many whole frames from the head of `bytes[start..end)` as it likes, and says where it stopped.
 * The frame there, if it is whole, goes to the FrameHandler.
 */
export type RunHandler = (bytes: Buffer, start: number, end: number) => number;

const EMPTY = Buffer.alloc(0);
const FIRST_TAIL = 256;
const SHORT = 64; // bytes that a loop copies faster than Buffer.copy

export class FrameReader {
  #delimiter: Delimiter;
  readonly #onFrame: FrameHandler;
  readonly #onRun: RunHandler | null;
  #tail: Buffer = EMPTY; // the bytes kept from earlier chunks are #tail[#from..#to)
  #from = 0;
  #to = 0;
  #stopped = false;
  #disturbed = false; // the callback stopped the reader or replaced the delimiter

  constructor(delimiter: Delimiter, onFrame: FrameHandler, onRun: RunHandler | null = null) {
    this.#delimiter = delimiter;
    this.#onFrame = onFrame;
    this.#onRun = onRun;
  }

  /** Inside the callback: the next frame is cut by this one. */
  set delimiter(delimiter: Delimiter) {
    this.#delimiter = delimiter;
    this.#disturbed = true;
  }

  /** Bytes that wait for the rest of their frame, or for `resume`. */
  get pending(): number {
    return this.#to - this.#from;
  }

  /** Cuts all complete frames. What delimiter or callback throw passes through and ends the reader. */
  push(chunk: Buffer): void {
    let start = 0;
    if (!this.#stopped) {
      if (this.#to > 0) start = this.#finish(chunk);
      start = this.#cut(chunk, start, chunk.length);
    }
    if (start < chunk.length) this.#keep(chunk, start, chunk.length);
  }

  /** From inside the callback: no further frame until `resume`. */
  stop(): void {
    this.#stopped = true;
    this.#disturbed = true;
  }

  /** What was not cut, for another reader to begin with; this one is done. */
  take(): Buffer {
    const rest = Buffer.from(this.#tail.subarray(this.#from, this.#to));
    release(this.#tail);
    this.#empty();
    return rest;
  }

  resume(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    const bytes = this.#tail;
    const end = this.#to;
    const from = this.#from;
    this.#empty();
    const start = this.#cut(bytes, from, end);
    const rest = end - start;
    // Stopped at every frame, copying the rest would be quadratic; once it is cut, a short rest
    // must not hold on to a long tail.
    if (rest > 0 && (this.#stopped || rest * 2 >= bytes.length)) {
      this.#tail = bytes;
      this.#from = start;
      this.#to = end;
      return;
    }
    if (rest > 0) this.#keep(bytes, start, end);
    release(bytes);
  }

  /** Gives the frames of chunk[from..end) away; returns where the rest begins. */
  #cut(chunk: Buffer, from: number, end: number): number {
    const onFrame = this.#onFrame;
    if (this.#onRun) return this.#cutRuns(chunk, from, end);
    let start = from;
    while (!this.#stopped) {
      // The inner loop is the hot path: what a callback can change is looked at through one flag.
      const delimiter = this.#delimiter;
      this.#disturbed = false;
      while (!this.#disturbed) {
        const stop = delimiter(chunk, start, end);
        if (stop > end) return start;
        onFrame(chunk, start, stop);
        start = stop;
      }
    }
    return start;
  }

  /** The same, where a run is taken as one piece. It is a loop of its own: to ask at each frame costs a tenth. */
  #cutRuns(chunk: Buffer, from: number, end: number): number {
    const onFrame = this.#onFrame;
    const onRun = this.#onRun as RunHandler;
    let start = from;
    while (!this.#stopped) {
      this.#disturbed = false;
      start = onRun(chunk, start, end);
      if (this.#disturbed) continue;
      const stop = this.#delimiter(chunk, start, end);
      if (stop > end) return start;
      onFrame(chunk, start, stop);
      start = stop;
    }
    return start;
  }

  /** Completes the kept frame from the head of the chunk; returns how far the chunk was used. */
  #finish(chunk: Buffer): number {
    const before = this.#to - this.#from;
    let used = 0;
    while (used < chunk.length) {
      // The kept bytes at most double at a time: a long frame costs its length, and a short rest
      // does not make the whole chunk be copied.
      if (this.#to === this.#tail.length) this.#grow(1);
      const room = Math.min(this.#tail.length - this.#to, Math.max(SHORT, this.pending));
      const stepEnd = Math.min(chunk.length, used + room);
      this.#append(chunk, used, stepEnd);
      used = stepEnd;
      const from = this.#from;
      const stop = this.#delimiter(this.#tail, from, this.#to);
      if (stop > this.#to) continue;
      const frame = this.#tail;
      this.#empty();
      this.#onFrame(frame, from, stop);
      release(frame);
      return stop - from - before;
    }
    return used;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    if (this.#tail.length - this.#to < end - start) this.#grow(end - start);
    this.#append(chunk, start, end);
  }

  #append(chunk: Buffer, start: number, end: number): void {
    const tail = this.#tail;
    let to = this.#to;
    if (end - start > SHORT) chunk.copy(tail, to, start, end);
    else for (let at = start; at < end; at++) tail[to++] = chunk[at] as number;
    this.#to += end - start;
  }

  /** Makes room for `more` bytes and for as many as are kept, so that copying stays linear. */
  #grow(more: number): void {
    const old = this.#tail;
    const kept = this.#to - this.#from;
    let size = FIRST_TAIL;
    while (size < kept + Math.max(kept, more)) size *= 2;
    // Not from Node's pool, 8 KiB of which a few bytes would hold on to.
    const grown = takeBlock(size);
    if (kept > 0) old.copy(grown, 0, this.#from, this.#to);
    release(old);
    this.#tail = grown;
    this.#from = 0;
    this.#to = kept;
  }

  #empty(): void {
    this.#tail = EMPTY;
    this.#from = 0;
    this.#to = 0;
  }
}

/** Takes back a tail that nobody reads any more. */
function release(tail: Buffer): void {
  if (tail !== EMPTY) giveBlock(tail);
}

function tooLarge(length: number, max: number): FleximError {
  return new FleximError('frame-too-large', `a frame of ${length} bytes; the limit is ${max}`);
}
