// The power goes at some points of a conversation: nothing is lost and nothing doubled. All of them, and
// hundreds of random rounds: crash.long.test.ts.

import { suite } from 'uvu';
import { conversation, rounds } from './rounds.ts';

const test = suite('client: crashes');

test('of who writes first', async () => void (await conversation('alice', [0, 3, 8])));
test('of who answers', async () => void (await conversation('bob', [1, 4, 9])));
test('20 random rounds', () => rounds(1, 20));

test.run();
