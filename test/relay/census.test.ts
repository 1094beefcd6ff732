// Numbers about the queue for `flexim-relay db stats`.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeAccount, newAccount } from '../../src/relay/account.ts';
import { census } from '../../src/relay/census.ts';

const test = suite('census');

test('sums, the fullest and the oldest; nothing is nothing', () => {
  const of = (count: number, bytes: number, oldest: number) =>
    encodeAccount({ ...newAccount(), count, bytes, oldest });
  assert.equal(census([]), { mailboxes: 0, messages: 0, bytes: 0, most: 0, oldest: null });
  assert.equal(census([of(3, 2 ** 40, 900), of(7, 5, 300), of(1, 1, 500)]), {
    mailboxes: 3,
    messages: 11,
    bytes: 2 ** 40 + 6,
    most: 7,
    oldest: 300,
  });
});

test.run();
