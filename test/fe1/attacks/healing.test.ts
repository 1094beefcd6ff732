// Stolen state and what comes after: docs/protocols/fe1.md §6. After one round trip, and for a
// quantum thief after an offer and its answer, nothing new opens.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { aeadOpen, aeadSeal, kemPair } from '../../../src/crypto/sodium.ts';
import { parseEnvelope } from '../../../src/fe1/envelope.ts';
import { decrypt, encrypt, type Session } from '../../../src/fe1/ratchet.ts';
import { concat, utf8 } from '../../../src/lib/bytes.ts';
import { attempt, flipped, friends, hear, opens, refuses, say, session } from '../pair.ts';

const test = suite('FE1 attacks: healing');

test('healing: after one round trip the stolen state opens nothing new', () => {
  const { A, B } = friends('healing', 4);
  const thieves = [session(A), session(B)];
  const soon = say(A, 'soon');
  assert.ok(opens(thieves[1] as Session, soon), 'the theft is real');
  hear(B, soon);
  for (let turn = 0; turn < 3; turn++) {
    const back = say(B, 'back');
    hear(A, back);
    const forth = say(A, 'forth');
    hear(B, forth);
    for (const thief of thieves) {
      assert.not(opens(thief, forth), `turn ${turn}`);
      if (turn > 0) assert.not(opens(thief, back), `turn ${turn}`);
    }
  }
});

test('healing holds against a thief who follows what he can', () => {
  const { A, B } = friends('follower', 4);
  let known = session(B);
  for (let turn = 0; turn < 3; turn++) {
    const back = say(B, 'back');
    hear(A, back);
    const forth = say(A, 'forth');
    hear(B, forth);
    const step = encrypt(known, { type: 0, content: utf8('') }, B.person.random).session;
    assert.not(opens(step, forth), 'with a DH key of his own');
    known = step;
  }
});

test('a quantum thief follows DH keys until an offer was answered', () => {
  const { A, B } = friends('quantum', 1);
  let thief = session(B); // from here on he computes every X25519 private key, and no X-Wing one
  let followed = 0;
  let healed = -1;
  for (let turn = 0; turn < 14; turn++) {
    const back = say(B, 'back');
    if (healed < 0) thief = follow(thief, session(B).DHs.privateKey, session(B));
    hear(A, back);
    const forth = say(A, 'forth');
    const answered = session(A).kemCt !== null || session(B).kemCt !== null;
    const body = parseEnvelope(forth)?.body;
    assert.ok(body);
    hear(B, forth);
    if (opens(thief, forth)) {
      assert.is(healed, -1, 'never again');
      thief = decrypt(thief, body, 1)?.session as Session;
      followed++;
    } else if (healed < 0) {
      assert.ok(answered, 'he is shut out by a KEM answer only');
      healed = turn;
    }
  }
  assert.ok(followed > 3, `without an answer he followed ${followed} turns`);
  assert.ok(healed > 0 && healed <= 11, `shut out in turn ${healed}`);
});

/** B's own step, as a thief computes it who has the DH key and draws his own KEM key. */
function follow(s: Session, privateKey: Uint8Array, real: Session): Session {
  let first = true;
  const random = (length: number) => {
    if (length === 32 && first) {
      first = false;
      return privateKey;
    }
    return new Uint8Array(length).fill(1);
  };
  const { session } = encrypt(s, { type: 0, content: utf8('') }, random);
  assert.equal(session.DHs.publicKey, real.DHs.publicKey);
  return session;
}

test('header keys alone, which a thief has for one more chain, change nothing', () => {
  const { A, B } = friends('header keys', 0);
  const lost = say(B, 'lost');
  const offer = say(B, 'offer');
  const { HKs, h1, kemSelf } = session(B);
  assert.ok(HKs && kemSelf);
  const keys = { key: HKs, ad: h1 };
  const [hn, eh] = [offer.subarray(4, 28), offer.subarray(28, 85)];
  const [ext, eb] = [offer.subarray(85, 85 + 1232), offer.subarray(85 + 1232)];
  const header = aeadOpen({ ...keys, nonce: hn }, eh);
  assert.is(header?.[0], 1);
  const put = (at: number, value: number) => {
    const other = Uint8Array.from(header as Uint8Array);
    other[at] = value;
    return aeadSeal({ ...keys, nonce: hn }, other);
  };
  const own = kemPair(new Uint8Array(32).fill(8)).publicKey;
  const mine = aeadSeal({ ...keys, nonce: flipped(hn, 23) }, own);
  const envelope = (...parts: Uint8Array[]) => concat(offer.subarray(0, 4), ...parts);
  refuses(() => attempt(A, envelope(hn, eh, mine, eb)), undefined, "the thief's KEM key");
  refuses(() => attempt(A, envelope(hn, put(0, 0), eb)), undefined, 'no KEM key');
  for (const [at, value] of [
    [36, 1],
    [40, 0],
    [40, 2],
    [1, 9],
  ] as const)
    refuses(() => attempt(A, envelope(hn, put(at, value), ext, eb)), undefined, `header ${at}`);
  assert.is(hear(A, envelope(hn, put(0, 1), ext, eb)), 'offer', 'the same header is the same');
  assert.is(hear(A, lost), 'lost');

  const next = friends('header keys, later');
  hear(next.A, say(next.B, 'now A steps'));
  say(next.A, 'lost');
  const msg = say(next.A, 'after a chain');
  const s = session(next.A);
  const sealed = { key: s.HKs as Uint8Array, ad: s.h1, nonce: msg.subarray(4, 28) };
  const opened = aeadOpen(sealed, msg.subarray(28, 85)) as Uint8Array;
  for (const PN of [2, 3, 5]) {
    const other = Uint8Array.from(opened);
    other.set([0, 0, 0, PN], 33);
    if (Buffer.compare(other, opened) === 0) continue;
    const forged = concat(msg.subarray(0, 28), aeadSeal(sealed, other), msg.subarray(85));
    refuses(() => attempt(next.B, forged), undefined, `pn ${PN}`);
  }
  assert.is(hear(next.B, msg), 'after a chain');
});

test.run();
