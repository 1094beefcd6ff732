// Envelopes changed on the way: docs/protocols/fe1.md §7. No byte is outside what is authenticated.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { concat } from '../../../src/lib/bytes.ts';
import { count } from '../../count.ts';
import { attempt, flipped, friends, hear, invite, pair, refuses, say, side } from '../pair.ts';

// A 7th of the bytes meets every field; the long run meets every byte.
const STEP = count(7, 1);
const EACH = STEP === 1 ? '' : '7th ';
const test = suite('FE1 attacks: changed on the way');

test(`every ${EACH}byte of an INIT`, () => {
  const { A, B } = pair('flip INIT');
  const envelope = say(A, 'hello');
  assert.is(envelope.length, 2048);
  for (let i = 0; i < envelope.length; i += STEP)
    refuses(() => attempt(B, flipped(envelope, i)), undefined, `byte ${i}`);
  for (
    let i = 0;
    i < 1252;
    i += STEP // among them the top bits that X25519 does not look at
  )
    refuses(() => attempt(B, flipped(envelope, i, 0x80)), undefined, `byte ${i}, top bit`);
  assert.is(hear(B, envelope), 'hello');
  const again = say(A, 'again');
  for (let i = 1252; i < again.length; i += STEP)
    refuses(() => attempt(B, flipped(again, i)), undefined, `byte ${i} of the second`);
  assert.is(hear(B, again), 'again');
});

test(`every ${EACH}byte of a MSG that carries a KEM key, and of one with a ciphertext`, () => {
  const { A, B } = friends('flip MSG', 0);
  for (const [from, to] of [
    [B, A],
    [A, B],
  ] as const) {
    const envelope = say(from, 'with ext');
    assert.is(envelope.length, 2048);
    for (let i = 0; i < envelope.length; i += STEP)
      refuses(() => attempt(to, flipped(envelope, i)), undefined, `byte ${i}`);
    assert.is(hear(to, envelope), 'with ext');
    const second = say(from, 'in the same chain');
    for (let i = 4 + 24 + 57; i < second.length; i += 3 * STEP)
      refuses(() => attempt(to, flipped(second, i)), undefined, `byte ${i} of the second`);
    assert.is(hear(to, second), 'in the same chain');
  }
});

test('cut anywhere, or longer', () => {
  const { A, B } = pair('cut');
  const init = say(A, 'hello');
  const edges = [4, 36, 1156, 1180, 1252, 1276, 1333, 1333 + 17, 2048];
  for (const edge of edges)
    for (const length of [edge - 1, edge, edge + 1].filter((n) => n < init.length))
      refuses(() => attempt(B, init.subarray(0, length)), undefined, `INIT of ${length}`);
  for (let length = 0; length < 4; length++) refuses(() => attempt(B, init.subarray(0, length)));
  hear(B, init);
  const reply = say(B, 'with a KEM key');
  for (let length = 0; length < reply.length; length += STEP)
    refuses(() => attempt(A, reply.subarray(0, length)), undefined, `MSG of ${length}`);
  for (const more of [1, 16, 512, 65_024 - 2048, 65_025 - 2048]) {
    refuses(() => attempt(A, concat(reply, new Uint8Array(more))), undefined, `${more} more`);
    refuses(() => attempt(B, concat(say(A, 'x'), new Uint8Array(more))), undefined, `${more} more`);
  }
  assert.is(hear(A, reply), 'with a KEM key');
});

test('magic and type', () => {
  const { A, B } = friends('types');
  const envelope = say(A, 'x');
  for (let type = 0; type < 256; type++)
    if (type !== 2)
      refuses(() =>
        attempt(B, concat(envelope.subarray(0, 3), Uint8Array.of(type), envelope.subarray(4))),
      );
  for (const magic of ['FE2', 'fe1', 'FB1', '\0\0\0'])
    refuses(() => attempt(B, concat(Buffer.from(magic), envelope.subarray(3))));
  assert.is(hear(B, envelope), 'x');
});

test('spliced: header, ext and body belong together', () => {
  const { A, B } = friends('splice', 0);
  const [one, two] = [say(B, 'one'), say(B, 'two')]; // both carry the KEM key
  const cuts = [4, 28, 85, 85 + 1232, one.length];
  for (let part = 0; part + 1 < cuts.length; part++) {
    const [from, to] = [cuts[part] as number, cuts[part + 1] as number];
    const mixed = concat(one.subarray(0, from), two.subarray(from, to), one.subarray(to));
    refuses(() => attempt(A, mixed), undefined, `part ${part} of the other`);
  }
  const bare = concat(one.subarray(0, 85), one.subarray(85 + 1232));
  refuses(() => attempt(A, bare), undefined, 'without ext');
  assert.is(hear(A, two), 'two');
  assert.is(hear(A, one), 'one');
});

test('spliced: the INIT of one with the body of another', () => {
  const { A, B } = pair('splice INIT', { otk: false });
  const other = side(A.person, invite(A.person, B.person, { otk: false }));
  const [one, two, msg] = [say(A, 'one'), say(other, 'two'), friends('splice third')];
  const cut = 1252;
  refuses(() => attempt(B, concat(one.subarray(0, cut), two.subarray(cut))));
  refuses(() => attempt(B, concat(one.subarray(0, cut), say(msg.A, 'x').subarray(4))));
  for (const at of [36, 1156, 1180]) {
    refuses(() => attempt(B, concat(one.subarray(0, at), two.subarray(at))), undefined, `at ${at}`);
    refuses(() => attempt(B, concat(two.subarray(0, at), one.subarray(at))), undefined, `at ${at}`);
  }
  assert.is(hear(B, one), 'one');
  refuses(() => attempt(B, concat(one.subarray(0, cut), two.subarray(cut))), undefined, 'known');
  refuses(() => attempt(B, concat(two.subarray(0, cut), say(A, 'x').subarray(cut))));
});

test("an INIT's prefix can be taken off or put on: the same message, and once", () => {
  const { A, B } = pair('prefix');
  const [one, two] = [say(A, 'one'), say(A, 'two')];
  const bare = concat(Uint8Array.of(0x46, 0x45, 0x31, 2), two.subarray(1252));
  refuses(() => attempt(B, bare), undefined, 'before the INIT');
  hear(B, one);
  assert.is(hear(B, bare), 'two');
  refuses(() => attempt(B, two), 'envelope-duplicate');
  hear(A, say(B, 'back'));
  const msg = say(A, 'three');
  assert.is(hear(B, concat(one.subarray(0, 1252), msg.subarray(4))), 'three');
  refuses(() => attempt(B, concat(one.subarray(0, 1252), msg.subarray(4))), 'envelope-duplicate');
});

test('junk', () => {
  const { A, B } = friends('junk');
  for (let i = 0; i < count(50, 200); i++) {
    const junk = A.person.random(101 + i * 13);
    refuses(() => attempt(B, junk));
    for (const type of [1, 2]) {
      junk.set([0x46, 0x45, 0x31, type]);
      refuses(() => attempt(B, junk));
    }
  }
});

test.run();
