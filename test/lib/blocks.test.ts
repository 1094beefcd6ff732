// Memory that is used again: sizes, and that a block has one owner.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { giveBlock, keptBytes, letSpareGo, NO_BLOCK, takeBlock } from '../../src/lib/blocks.ts';

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

const emptied = () => {
  for (let i = 0; keptBytes() > 0 && i < 100; i++) letSpareGo();
  assert.is(keptBytes(), 0);
};

test('64 MiB wait at most', () => {
  const all = Array.from({ length: 300 }, () => takeBlock(256 * 1024));
  for (const block of all) giveBlock(block);
  assert.ok(keptBytes() > 63 * 1024 * 1024 && keptBytes() <= 64 * 1024 * 1024, `${keptBytes()}`);
});

test('what nobody takes for a while is given up, half of it each time; what is in use stays', () => {
  emptied();
  const size = 65_536;
  const many = Array.from({ length: 16 }, () => takeBlock(size));
  for (const block of many) giveBlock(block);
  letSpareGo(); // they have only come
  assert.is(keptBytes(), 16 * size);
  const used = [takeBlock(size), takeBlock(size)];
  for (const block of used) giveBlock(block);
  letSpareGo(); // two were in use; of fourteen seven go
  const of64 = () => {
    const found = new Set(many.map((block) => block.buffer));
    const taken = Array.from({ length: 16 }, () => takeBlock(size));
    for (const block of taken) giveBlock(block);
    return taken.filter((block) => found.has(block.buffer)).length;
  };
  assert.is(of64(), 9);
  emptied();
});

test('it happens by itself, every ten seconds, until none waits', () => {
  emptied();
  for (let time = 0; time < 2; time++) {
    mock.timers.enable({ apis: ['setInterval'] }); // anew: one that is cleared in its own turn, they set again
    try {
      giveBlock(takeBlock(65_536));
      mock.timers.tick(10_000);
      assert.is(keptBytes(), 65_536); // it has only come
      mock.timers.tick(9_999);
      assert.is(keptBytes(), 65_536);
      mock.timers.tick(1);
      assert.is(keptBytes(), 0);
    } finally {
      mock.timers.reset();
    }
  }
});

test('other memory is not taken', () => {
  giveBlock(NO_BLOCK);
  giveBlock(Buffer.allocUnsafeSlow(700));
  giveBlock(takeBlock(1_000_000)); // too large to be kept
  for (const size of [512, 1_024, 1_000_000]) assert.is(takeBlock(size).length % 512, 0);
});

test.run();
