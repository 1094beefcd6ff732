// The power goes at each point of a conversation, and at random ones over hundreds of rounds.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { conversation, rounds } from './rounds.ts';

const test = suite('client: crashes, long');
const POINTS = ['after commit', 'after done', 'after effect', 'before commit', 'before effect'];

for (const whose of ['alice', 'bob'] as const)
  test(`each of the first points of ${whose}`, async () => {
    const points = await conversation(
      whose,
      Array.from({ length: 22 }, (_, i) => i),
    );
    assert.equal([...points].sort(), POINTS);
  });

test('300 random rounds', async () => {
  for (let seed = 1; seed <= 6; seed++) await rounds(seed, 50);
});

test.run();
