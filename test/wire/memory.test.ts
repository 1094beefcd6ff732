// What FrameReader allocates and copies, counted: limits come first, a long frame costs its length,
// nothing is kept once frames are complete.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { type Delimiter, FrameReader, lengthPrefixed, terminated } from '../../src/wire/frames.ts';
import { prefixed } from './streams.ts';

const KIB = 1024;
const LONG = { tag: 0, size: 4, order: 'big', max: 16 * KIB * KIB } as const;
const test = suite('frame memory');

/** Bytes allocated for tails, and bytes copied by Buffer.copy, while `work` runs. */
function counted(work: () => void): { allocated: number; copied: number } {
  const { allocUnsafeSlow } = Buffer;
  const { copy } = Buffer.prototype;
  const sum = { allocated: 0, copied: 0 };
  Buffer.allocUnsafeSlow = (size) => {
    sum.allocated += size;
    return allocUnsafeSlow(size);
  };
  Buffer.prototype.copy = function (...args: Parameters<typeof copy>) {
    const done = copy.apply(this, args);
    sum.copied += done;
    return done;
  };
  try {
    work();
  } finally {
    Buffer.allocUnsafeSlow = allocUnsafeSlow;
    Buffer.prototype.copy = copy;
  }
  return sum;
}

function pushAll(reader: FrameReader, bytes: Buffer, size: number): void {
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
}

test('a frame of 4 MiB in chunks of 1 KiB costs less than four times its length', () => {
  const bytes = prefixed(LONG, Buffer.alloc(4 * KIB * KIB, 7));
  let frames = 0;
  const reader = new FrameReader(lengthPrefixed(LONG), () => frames++);
  const { allocated, copied } = counted(() => pushAll(reader, bytes, KIB));
  assert.is(frames, 1);
  assert.ok(copied > bytes.length, 'the count works');
  assert.ok(copied < 4 * bytes.length, `copied ${copied}`);
  assert.ok(allocated <= 4 * bytes.length, `allocated ${allocated}`);
});

test('a short rest does not make the whole next chunk be copied', () => {
  const one = prefixed({ ...LONG, size: 2 }, Buffer.alloc(600, 1));
  const many = Buffer.concat(Array.from({ length: 100 }, () => one));
  let frames = 0;
  const reader = new FrameReader(lengthPrefixed({ ...LONG, size: 2, max: 1000 }), () => frames++);
  const { copied } = counted(() => {
    reader.push(many.subarray(0, 100));
    reader.push(many.subarray(100));
  });
  assert.is(frames, 100);
  assert.ok(copied < 3 * one.length, `copied ${copied} of ${many.length}`);
});

test('short frames across chunks reuse short tails and copy little', () => {
  const one = prefixed({ tag: 1, size: 2, order: 'big' }, Buffer.alloc(64, 1));
  const many = Buffer.concat(Array.from({ length: 4000 }, () => one));
  let frames = 0;
  const delimiter = lengthPrefixed({ tag: 1, size: 2, order: 'big', max: 0xffff });
  const reader = new FrameReader(delimiter, () => frames++);
  const { allocated, copied } = counted(() => pushAll(reader, many, 1000));
  assert.is(frames, 4000);
  assert.ok(allocated <= 1024, `allocated ${allocated}`);
  assert.ok(copied < many.length / 8, `copied ${copied} of ${many.length}`);
});

test('stopped at each of many frames, the rest is not copied each time', () => {
  const one = prefixed(LONG, Buffer.alloc(28, 1));
  const many = Buffer.concat(Array.from({ length: 4096 }, () => one));
  let frames = 0;
  const reader = new FrameReader(lengthPrefixed(LONG), () => {
    frames++;
    reader.stop();
  });
  const { copied } = counted(() => {
    pushAll(reader, many, KIB);
    while (reader.pending > 0) reader.resume();
  });
  assert.is(frames, 4096);
  assert.ok(copied < 4 * many.length, `copied ${copied} of ${many.length}`);
});

const refused: readonly [string, Delimiter, Buffer][] = [
  ['4 bytes, big', lengthPrefixed({ ...LONG, max: 1000 }), Buffer.from('ffffffff', 'hex')],
  ['4 bytes, one over', lengthPrefixed({ ...LONG, max: 1000 }), Buffer.from('000003e9', 'hex')],
  [
    '2 bytes, little',
    lengthPrefixed({ tag: 1, size: 2, order: 'little', max: 1000 }),
    Buffer.from('00e903', 'hex'),
  ],
  ['terminated', terminated(10, 1000), Buffer.alloc(1_000_000, 65)],
];
for (const [name, delimiter, bytes] of refused)
  test(`too large is said before memory is spent: ${name}`, () => {
    const seen: unknown[] = [];
    for (const size of [bytes.length, 1]) {
      const reader = new FrameReader(delimiter, () => assert.unreachable());
      const { allocated } = counted(() => {
        try {
          pushAll(reader, bytes, size);
        } catch (error) {
          seen.push(error);
        }
      });
      assert.ok(allocated <= 4096, `allocated ${allocated}`);
    }
    assert.ok(seen.length === 2 && seen.every((error) => isFleximError(error, 'frame-too-large')));
  });

test('once frames are complete nothing waits and no buffer is kept', () => {
  const reader = new FrameReader(lengthPrefixed(LONG), () => {});
  pushAll(reader, prefixed(LONG, Buffer.alloc(100_000)), KIB);
  assert.is(reader.pending, 0);
  const next = prefixed(LONG, Buffer.alloc(1000)).subarray(0, 1000);
  const { allocated } = counted(() => reader.push(next));
  assert.ok(allocated <= 4096, `took ${allocated}: a tail of its own size`);
  assert.is(reader.pending, 1000);
});

test('after resume a short rest does not hold on to a long tail', () => {
  const reader = new FrameReader(lengthPrefixed(LONG), () => {});
  reader.stop();
  const bytes = prefixed(LONG, Buffer.alloc(100_000));
  reader.push(Buffer.concat([bytes, bytes.subarray(0, 1000)]));
  const { allocated } = counted(() => reader.resume());
  assert.is(reader.pending, 1000);
  assert.ok(allocated <= 4096, `took ${allocated}`);
});

test.run();
