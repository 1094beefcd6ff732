// What a length tells: docs/protocols/fe1.md §7.2. One of nine, whatever is inside.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BUCKETS, MAX_CONTENT } from '../../../src/fe1/constants.ts';
import { attempt, friends, pair, refuses, type Side, say, session, side } from '../pair.ts';

const test = suite('FE1 attacks: lengths');
const SIZES: readonly number[] = BUCKETS;

const init = pair('lengths INIT');
const plain = friends('lengths plain', 3);
const offer = friends('lengths offer', 0);
const answer = friends('lengths answer', 0);
attemptAndKeep(answer.A, say(answer.B, 'offer'));

/** Name, who sends, who receives, fixed bytes of such an envelope. */
const KINDS = [
  ['INIT', init.A, init.B, 1349],
  ['MSG', plain.A, plain.B, 101],
  ['MSG with a KEM key', offer.B, offer.A, 101 + 1232],
  ['MSG with a ciphertext', answer.A, answer.B, 101 + 1136],
] as const;

function attemptAndKeep(to: Side, envelope: Uint8Array): void {
  to.session = attempt(to, envelope).session;
}

for (const [name, from, to, fixed] of KINDS)
  test(`${name}: only buckets, at every edge`, () => {
    const edges = BUCKETS.map((size) => size - fixed - 2);
    const lengths = [0, 1, 360, ...edges.flatMap((n) => [n - 1, n, n + 1]), MAX_CONTENT].filter(
      (n) => n >= 0 && n <= MAX_CONTENT,
    );
    for (const length of lengths) {
      const once = side(from.person, session(from));
      const content = new Uint8Array(length).fill(length % 3 === 0 ? 0 : 0x80);
      const envelope = say(once, content);
      const least = BUCKETS.find((size) => size >= fixed + length + 2);
      assert.is(envelope.length, least, `${length}`);
      assert.ok(SIZES.includes(envelope.length));
      const { plaintext } = attempt(to, envelope);
      assert.is(plaintext.type, 1);
      assert.ok(Buffer.from(plaintext.content).equals(content), `${length} bytes came back others`);
    }
    const tooMuch = new Uint8Array(MAX_CONTENT + 1);
    refuses(() => say(side(from.person, session(from)), tooMuch), 'content-too-large');
  });

test('every length up to 1,200: the smallest bucket that holds it', () => {
  const { A, B } = plain;
  for (let length = 0; length <= 1_200; length += 7) {
    const envelope = say(side(A.person, session(A)), new Uint8Array(length));
    assert.is(envelope.length, length <= 409 ? 512 : length <= 921 ? 1024 : 2048);
    assert.is(attempt(B, envelope).plaintext.content.length, length);
  }
});

test('what is too large leaves the session as it was', () => {
  const { A, B } = friends('too large');
  const before = session(A);
  refuses(() => say(A, new Uint8Array(MAX_CONTENT + 1)), 'content-too-large');
  assert.is(session(A), before);
  assert.ok(attempt(B, say(A, 'small')));
});

test.run();
