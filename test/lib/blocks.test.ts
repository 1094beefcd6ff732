// Memory that is used again: sizes, and that a block has one owner.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { giveBlock, NO_BLOCK, takeBlock } from '../../src/lib/blocks.ts';

const test = suite('blocks');

test('a block is the next power of two, from 512 bytes on', () => {
  const sizes = [0, 1, 512, 513, 1_024, 40_000, 65_536, 65_537, 300_000, 1_000_000];
  const wanted = [512, 512, 512, 1_024, 1_024, 65_536, 65_536, 131_072, 524_288, 1_048_576];
  assert.equal(
    sizes.map((size) => takeBlock(size).length),
    wanted,
  );
});

test('what was given back is taken again, whole, by one', () => {
  const block = takeBlock(3_000);
  giveBlock(block.subarray(0, 10));
  const again = takeBlock(3_000);
  assert.is(again.buffer, block.buffer);
  assert.is(again.length, 4_096);
  assert.is.not(takeBlock(3_000).buffer, block.buffer);
});

test('a block is given back once', () => {
  const block = takeBlock(600);
  giveBlock(block);
  assert.throws(() => giveBlock(block.subarray(1)), /given back twice/);
  assert.is(takeBlock(600).buffer, block.buffer);
  giveBlock(block);
});

test('other memory is not taken', () => {
  giveBlock(NO_BLOCK);
  giveBlock(Buffer.allocUnsafeSlow(700));
  giveBlock(takeBlock(1_000_000)); // too large to be kept
  for (const size of [512, 1_024, 1_000_000]) assert.is(takeBlock(size).length % 512, 0);
});

test.run();
