// Random streams of frames for every delimiter, ways to cut them, and what a reader makes of them.

import fc from 'fast-check';
import {
  type Delimiter,
  exactly,
  type FrameHandler,
  FrameReader,
  lengthPrefixed,
  terminated,
} from '../../src/wire/frames.ts';
import { SlowReader } from './slow-frames.ts';

export interface Stream {
  readonly delimiter: Delimiter;
  readonly bytes: Buffer;
  readonly frames: readonly string[]; // hex; what stands behind them in `bytes` is incomplete
}

export function prefixed(
  { tag, size, order }: { tag: number; size: 1 | 2 | 4; order: 'big' | 'little' },
  body: Uint8Array,
): Buffer {
  const head = Buffer.alloc(tag + size, 0x54);
  if (order === 'big') head.writeUIntBE(body.length, tag, size);
  else head.writeUIntLE(body.length, tag, size);
  return Buffer.concat([head, body]);
}

const body = (max: number) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.uint8Array({ maxLength: 12 }) },
    fc.uint8Array({ maxLength: max }),
  );

const stream = (delimiter: Delimiter, frames: readonly Buffer[], cutOff: number): Stream => {
  const bytes = Buffer.concat(frames);
  const last = frames.at(-1)?.length ?? 0;
  const missing = cutOff % (last + 1); // 0 leaves the last frame whole
  const whole = missing > 0 ? frames.slice(0, -1) : frames;
  return {
    delimiter,
    bytes: bytes.subarray(0, bytes.length - missing),
    frames: whole.map((frame) => frame.toString('hex')),
  };
};

const prefixStreams = fc
  .record({
    tag: fc.nat(3),
    size: fc.constantFrom(1 as const, 2 as const, 4 as const),
    order: fc.constantFrom('big' as const, 'little' as const),
    max: fc.constantFrom(255, 0xffff, 0x10000),
    bodies: fc.array(body(255), { maxLength: 12 }),
    long: fc.option(fc.integer({ min: 256, max: 3000 }), { nil: null, freq: 4 }),
    cutOff: fc.nat(),
  })
  .map(({ tag, size, order, max, bodies, long, cutOff }) => {
    const frames = bodies.map((each) => prefixed({ tag, size, order }, each));
    if (long !== null && size > 1 && max > 255)
      frames.splice(frames.length >> 1, 0, prefixed({ tag, size, order }, Buffer.alloc(long, 7)));
    return stream(lengthPrefixed({ tag, size, order, max }), frames, cutOff);
  });

const terminatedStreams = fc
  .record({ end: fc.nat(255), bodies: fc.array(body(300), { maxLength: 12 }), cutOff: fc.nat() })
  .map(({ end, bodies, cutOff }) => {
    const frames = bodies.map((each) => Buffer.from([...each.filter((n) => n !== end), end]));
    return stream(terminated(end, 300), frames, cutOff);
  });

const exactStreams = fc
  .record({ n: fc.integer({ min: 1, max: 700 }), count: fc.nat(5), cutOff: fc.nat() })
  .map(({ n, count, cutOff }) => {
    const frames = Array.from({ length: count }, (_, i) => Buffer.alloc(n, i));
    return stream(exactly(n), frames, cutOff);
  });

export const streams: fc.Arbitrary<Stream> = fc.oneof(
  prefixStreams,
  terminatedStreams,
  exactStreams,
);

/** Sizes of chunks, used round and round. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 400 })),
  { minLength: 1, maxLength: 20 },
);

/** Chunks in memory of their own, overwritten once read: a reader that keeps a view shows it. */
export function feed(push: (chunk: Buffer) => void, bytes: Buffer, sizes: readonly number[]): void {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = i > 10 * bytes.length ? 1 : (sizes[i % sizes.length] as number); // [0, 0] ends too
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    at += chunk.length;
    push(chunk);
    chunk.fill(0xee);
  }
}

export interface Log {
  readonly frames: string[];
  readonly onFrame: FrameHandler;
}

export function log(): Log {
  const frames: string[] = [];
  return { frames, onFrame: (bytes, start, end) => frames.push(bytes.toString('hex', start, end)) };
}

/** A fast and a slow reader with the same handler around them. */
export function twins(delimiter: Delimiter) {
  const fast = log();
  const slow = log();
  return {
    fast: { reader: new FrameReader(delimiter, fast.onFrame), frames: fast.frames },
    slow: { reader: new SlowReader(delimiter, slow.onFrame), frames: slow.frames },
  };
}
