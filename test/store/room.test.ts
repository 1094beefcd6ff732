// How much room must be left on a disk before the store writes to it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { missing as missingWith, type Space } from '../../src/store/room.ts';

const MIB = 2 ** 20;
const disk = (size: number, free: number) => ({
  bsize: 4096,
  blocks: size / 4096,
  bavail: free / 4096,
});
const large = (free: number) => disk(100_000 * MIB, free);

const missing = (space: Space, adds: number, inside = 0) => missingWith(space, adds, () => inside);

const room = suite('store: room on the disk');

room('64 MiB stay free of what is added, and twice its size is asked for', () => {
  assert.is(missing(large(65 * MIB), 1), 0);
  assert.is(missing(large(64 * MIB), 4096), 8192);
  assert.is(missing(large(64 * MIB), 100 * MIB), 200 * MIB);
  assert.is(missing(large(264 * MIB), 100 * MIB), 0);
  assert.is(missing(large(0), 1), 64 * MIB + 2);
});

room('what only removes may go on down to 16 MiB', () => {
  assert.is(missing(large(16 * MIB), 0), 0);
  assert.is(missing(large(16 * MIB - 4096), 0), 4096);
});

room('what is free inside the file counts, but never for what the disk itself must bear', () => {
  assert.is(missing(large(20 * MIB), MIB, 46 * MIB), 0);
  assert.is(missing(large(20 * MIB), MIB, 45 * MIB), MIB);
  assert.is(missing(large(17 * MIB), MIB, 1000 * MIB), MIB);
  assert.is(missing(large(20 * MIB), 100 * MIB, 1000 * MIB), 196 * MIB);
});

room('of a small disk a sixteenth is enough, and a quarter of that for removing', () => {
  const small = (free: number) => disk(64 * MIB, free);
  assert.is(missing(small(4 * MIB), 1), 2);
  assert.is(missing(small(4 * MIB + 4096), 1), 0);
  assert.is(missing(small(MIB), 0), 0);
  assert.is(missing(small(0), 0), MIB);
});

room('a file system that does not say how large it is has room', () => {
  assert.is(missing({ bsize: 4096, blocks: 0, bavail: 0 }, 1000), 0);
});

room.run();
