// Cutting Flexim's frames: FrameReader beside readers written for this one format, and beside the
// one that concatenates what is left over. 64-byte bodies are 67 bytes on the wire.

import { type FrameHandler, FrameReader, lengthPrefixed } from '../src/wire/frames.ts';
import type { Contest, Contestant } from './measure.ts';

const FRAMES = 20_000;
const WIRE = 67;
const TYPE = 3;
const HEAD = 3;

interface Reader {
  push(chunk: Buffer): void;
}

/** By hand: knows the format, copies only a frame that two chunks share, keeps no buffer when idle. */
class HandReader implements Reader {
  readonly #onFrame: FrameHandler;
  #frame: Buffer | null = null; // as long as the frame, once its header is there
  readonly #head = [0, 0, 0];
  #kept = 0;

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const end = chunk.length;
    const onFrame = this.#onFrame;
    let start = this.#kept > 0 ? this.#finish(chunk) : 0;
    while (end - start >= HEAD) {
      const high = chunk[start + 1] as number;
      const stop = start + HEAD + ((high << 8) | (chunk[start + 2] as number));
      if (stop > end) break;
      onFrame(chunk, start, stop);
      start = stop;
    }
    if (start < end) this.#take(chunk, start, end);
  }

  #finish(chunk: Buffer): number {
    const used = this.#take(chunk, 0, chunk.length);
    const frame = this.#frame;
    if (!frame || this.#kept < frame.length) return used;
    this.#frame = null;
    this.#kept = 0;
    this.#onFrame(frame, 0, frame.length);
    return used;
  }

  /** Takes what belongs to the frame; returns where that ends. */
  #take(chunk: Buffer, start: number, end: number): number {
    let at = start;
    while (this.#kept < HEAD && at < end) this.#head[this.#kept++] = chunk[at++] as number;
    if (this.#kept < HEAD) return at;
    if (!this.#frame) {
      const [type = 0, high = 0, low = 0] = this.#head;
      this.#frame = Buffer.allocUnsafe(HEAD + ((high << 8) | low));
      this.#frame[0] = type;
      this.#frame[1] = high;
      this.#frame[2] = low;
    }
    const stop = Math.min(end, at + this.#frame.length - this.#kept);
    chunk.copy(this.#frame, this.#kept, at, stop);
    this.#kept += stop - at;
    return stop;
  }
}

/** By hand, with 64 KiB for ever: what could be had if each connection might own that much. */
class HoardingReader implements Reader {
  readonly #onFrame: FrameHandler;
  readonly #tail = Buffer.allocUnsafeSlow(HEAD + 0xffff);
  #kept = 0;

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const end = chunk.length;
    const onFrame = this.#onFrame;
    const tail = this.#tail;
    let start = 0;
    if (this.#kept > 0) {
      while (this.#kept < HEAD && start < end) tail[this.#kept++] = chunk[start++] as number;
      if (this.#kept < HEAD) return;
      const length = HEAD + (((tail[1] as number) << 8) | (tail[2] as number));
      const stop = Math.min(end, start + length - this.#kept);
      chunk.copy(tail, this.#kept, start, stop);
      this.#kept += stop - start;
      start = stop;
      if (this.#kept < length) return;
      this.#kept = 0;
      onFrame(tail, 0, length);
    }
    while (end - start >= HEAD) {
      const high = chunk[start + 1] as number;
      const stop = start + HEAD + ((high << 8) | (chunk[start + 2] as number));
      if (stop > end) break;
      onFrame(chunk, start, stop);
      start = stop;
    }
    if (start === end) return;
    chunk.copy(tail, 0, start, end);
    this.#kept = end - start;
  }
}

/** What is written first: put the rest and the chunk together, cut, keep the rest. */
class ConcatReader implements Reader {
  readonly #onFrame: FrameHandler;
  #rest = Buffer.alloc(0);

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEAD) {
      const length = HEAD + this.#rest.readUInt16BE(1);
      if (this.#rest.length < length) return;
      this.#onFrame(this.#rest, 0, length);
      this.#rest = this.#rest.subarray(length);
    }
  }
}

function stream(): Buffer {
  const frame = Buffer.alloc(WIRE, 7);
  frame[0] = TYPE;
  frame.writeUInt16BE(WIRE - HEAD, 1);
  return Buffer.concat(Array.from({ length: FRAMES }, () => frame));
}

function contestant(
  name: string,
  create: (onFrame: FrameHandler) => Reader,
  chunks: readonly Buffer[],
): Contestant {
  let frames = 0;
  let bytes = 0;
  let types = 0;
  // A reader lives as long as a connection, so it is made once; the callback looks at the frame.
  const reader = create((buffer, start, end) => {
    frames++;
    bytes += end - start;
    types += buffer[start] as number;
  });
  return {
    name,
    run: () => {
      frames = bytes = types = 0;
      for (const chunk of chunks) reader.push(chunk);
      if (frames !== FRAMES || bytes !== FRAMES * WIRE || types !== FRAMES * TYPE)
        throw new Error(`${name}: cut ${frames} frames of ${bytes} bytes`);
      return frames;
    },
  };
}

export function framing(): Contest[] {
  const whole = stream();
  const delimiter = lengthPrefixed({ tag: 1, size: 2, order: 'big', max: 0xffff });
  return [65_536, 1_000].map((size): Contest => {
    const chunks: Buffer[] = [];
    for (let at = 0; at < whole.length; at += size) chunks.push(whole.subarray(at, at + size));
    return {
      title: `framing: 64-byte frames in chunks of ${size} bytes`,
      unit: 'frames',
      // The aim is 0.9; a busy machine moves a run's median by a tenth.
      atLeast: [
        { name: 'by hand', ratio: 0.75 },
        { name: 'concat', ratio: 2 },
      ],
      contestants: [
        contestant('FrameReader', (onFrame) => new FrameReader(delimiter, onFrame), chunks),
        contestant('by hand', (onFrame) => new HandReader(onFrame), chunks),
        contestant('by hand, owns 64 KiB', (onFrame) => new HoardingReader(onFrame), chunks),
        contestant('concat', (onFrame) => new ConcatReader(onFrame), chunks),
      ],
    };
  });
}
