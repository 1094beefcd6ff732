// FrameReader against its slow twin: whatever the cuts, the same frames and the same rest.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exactly, FrameReader, lengthPrefixed, terminated } from '../../src/wire/frames.ts';
import { count } from '../count.ts';
import { SlowReader } from './slow-frames.ts';
import { cuts, feed, log, prefixed, streams, twins } from './streams.ts';

const FLEXIM = { tag: 1, size: 2, order: 'big', max: 0xffff } as const;
const frame = (...bytes: number[]) => prefixed(FLEXIM, Uint8Array.from(bytes));
const test = suite('frames');

test('every delimiter, random frames and cuts: as the twin, as what was written', () => {
  fc.assert(
    fc.property(streams, cuts, ({ delimiter, bytes, frames }, sizes) => {
      const { fast, slow } = twins(delimiter);
      feed(
        (chunk) => {
          fast.reader.push(chunk);
          slow.reader.push(chunk);
          assert.equal(fast.reader.pending, slow.reader.pending);
        },
        bytes,
        sizes,
      );
      assert.equal(fast.frames, slow.frames);
      assert.equal(fast.frames, frames);
    }),
    { numRuns: count(200, 1500) },
  );
});

test('byte by byte', () => {
  fc.assert(
    fc.property(streams, ({ delimiter, bytes, frames }) => {
      const { fast } = twins(delimiter);
      feed((chunk) => fast.reader.push(chunk), bytes, [1]);
      assert.equal(fast.frames, frames);
    }),
  );
});

test('readers that take turns do not write into each other', () => {
  fc.assert(
    fc.property(fc.array(streams, { minLength: 2, maxLength: 4 }), cuts, (all, sizes) => {
      const readers = all.map(({ delimiter }) => twins(delimiter).fast);
      const ats = all.map(() => 0);
      for (let turn = 0; turn < 4000; turn++) {
        const which = turn % all.length;
        const at = ats[which] as number;
        const size = 1 + (sizes[turn % sizes.length] as number);
        readers[which]?.reader.push(Buffer.from(all[which]?.bytes.subarray(at, at + size) ?? []));
        ats[which] = at + size;
      }
      all.forEach(({ bytes, frames }, i) => {
        if ((ats[i] as number) >= bytes.length) assert.equal(readers[i]?.frames, frames);
      });
    }),
  );
});

test('a frame stays whole while its callback feeds another reader', () => {
  const inner = log();
  const outer = log();
  const target = new FrameReader(lengthPrefixed(FLEXIM), inner.onFrame);
  const source = new FrameReader(lengthPrefixed(FLEXIM), (bytes, start, end) => {
    target.push(Buffer.from([3, 0, 4, 9])); // takes a tail while the source's frame is in one
    outer.onFrame(bytes, start, end);
    target.push(Buffer.from([9, 9, 9]));
  });
  source.push(Buffer.from([3, 0]));
  source.push(Buffer.from([2, 5, 6]));
  assert.equal(outer.frames, ['0300020506']);
  assert.equal(inner.frames, ['03000409090909']);
});

test('two frames in a chunk, and a cut in the header', () => {
  const { fast } = twins(lengthPrefixed(FLEXIM));
  const both = Buffer.concat([frame(1, 2), frame(3)]);
  fast.reader.push(both);
  assert.equal(fast.frames, ['5400020102', '54000103']);
  fast.reader.push(both.subarray(0, 2));
  assert.is(fast.reader.pending, 2);
  fast.reader.push(both.subarray(2));
  assert.is(fast.frames.length, 4);
  assert.is(fast.reader.pending, 0);
});

test('every pair of cut positions in a short stream', () => {
  const bytes = Buffer.concat([frame(), frame(1, 2, 3), frame(4), frame(5, 6)]);
  const whole = twins(lengthPrefixed(FLEXIM)).fast;
  whole.reader.push(bytes);
  assert.is(whole.frames.length, 4);
  for (let a = 0; a <= bytes.length; a++)
    for (let b = a; b <= bytes.length; b++) {
      const { fast } = twins(lengthPrefixed(FLEXIM));
      for (const part of [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)])
        fast.reader.push(part);
      assert.equal(fast.frames, whole.frames, `cut at ${a} and ${b}`);
    }
});

test('a delimiter replaced in the callback cuts the very next frame', () => {
  fc.assert(
    fc.property(streams, cuts, fc.integer({ min: 1, max: 9 }), (stream, sizes, n) => {
      const bytes = Buffer.concat([Buffer.alloc(n, 0xa4), stream.bytes]);
      const seen = log();
      const reader = new FrameReader(exactly(n), (chunk, start, end) => {
        if (seen.frames.length === 0) reader.delimiter = stream.delimiter;
        seen.onFrame(chunk, start, end);
      });
      feed((chunk) => reader.push(chunk), bytes, sizes);
      assert.equal(seen.frames, ['a4'.repeat(n), ...stream.frames]);
    }),
  );
});

test('stop and resume: nothing while stopped, nothing lost, nothing twice', () => {
  fc.assert(
    fc.property(streams, cuts, fc.infiniteStream(fc.boolean()), (stream, sizes, coins) => {
      const flips = Array.from({ length: 64 }, () => coins.next().value === true);
      const run = (Reader: typeof FrameReader | typeof SlowReader) => {
        const trace: string[] = [];
        let stopped = false;
        const reader = new Reader(stream.delimiter, (bytes, start, end) => {
          assert.not(stopped, 'a frame came after stop');
          trace.push(bytes.toString('hex', start, end));
          stopped = flips[trace.length % 64] as boolean;
          if (stopped) reader.stop();
        });
        let pushes = 0;
        feed(
          (chunk) => {
            reader.push(chunk);
            trace.push(`${reader.pending} wait`);
            if (flips[++pushes % 64] || !stopped) return;
            stopped = false;
            reader.resume();
          },
          stream.bytes,
          sizes,
        );
        for (let left = stream.bytes.length + 1; left > 0 && stopped; left--) {
          stopped = false;
          reader.resume();
        }
        trace.push(`${reader.pending} wait`);
        return trace;
      };
      const fast = run(FrameReader);
      assert.equal(fast, run(SlowReader));
      assert.equal(
        fast.filter((entry) => !entry.endsWith('wait')),
        stream.frames,
      );
    }),
    { numRuns: count(100, 500) },
  );
});

test('a long rest that resume leaves in place is completed there', () => {
  const { fast } = twins(lengthPrefixed(FLEXIM));
  const long = prefixed(FLEXIM, Buffer.alloc(242, 6));
  fast.reader.stop();
  fast.reader.push(Buffer.concat([frame(1, 2, 3, 4, 5, 6, 7), long.subarray(0, 240)]));
  fast.reader.resume();
  assert.is(fast.reader.pending, 240);
  fast.reader.push(Buffer.concat([long.subarray(240), frame(8), frame(9)]));
  assert.equal(fast.frames.slice(1), [long.toString('hex'), '54000108', '54000109']);
});

test('terminated takes max bytes before the terminator and refuses one more', () => {
  for (const [size, long] of [
    [1, '123456'],
    [3, '123456\n'],
    [100, '123456'],
  ] as const) {
    const { fast } = twins(terminated(10, 5));
    feed((chunk) => fast.reader.push(chunk), Buffer.from('12345\n'), [size]);
    assert.is(fast.frames.length, 1);
    assert.throws(
      () => feed((chunk) => fast.reader.push(chunk), Buffer.from(long), [size]),
      (error: { code: string }) => error.code === 'frame-too-large',
    );
  }
  assert.throws(() => exactly(0), RangeError);
});

test.run();
