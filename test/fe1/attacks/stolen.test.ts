// Stolen state opens nothing of the past: docs/protocols/fe1.md §6. healing.test.ts has the future.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KDF } from '../../../src/crypto/hash.ts';
import { exchange, kemEncapsulate } from '../../../src/crypto/sodium.ts';
import { root, type Session } from '../../../src/fe1/ratchet.ts';
import { encodeSession } from '../../../src/fe1/state.ts';
import { view } from '../../../src/lib/bytes.ts';
import {
  attempt,
  friends,
  hear,
  opens,
  pair,
  refuses,
  refusesDuplicate,
  type Side,
  say,
  session,
  side,
  stolen,
} from '../pair.ts';

const test = suite('FE1 attacks: stolen state');

/** Says it, and gives the chain key and the message key behind it. */
function sayWithKeys(from: Side, text: string) {
  const before = session(from);
  let seed = new Uint8Array(64);
  const random = (length: number) => {
    const drawn = from.person.random(length);
    if (length === 64) seed = Uint8Array.from(drawn);
    return drawn;
  };
  const once = side({ ...from.person, random }, before);
  const envelope = say(once, text);
  from.session = once.session;
  const { DHs, HKs, Ns } = session(from);
  let CK = before.CKs as Uint8Array;
  if (before.pending) {
    const dh = exchange(DHs.privateKey, before.DHr as Uint8Array) as Uint8Array;
    const kem = before.kemPeer && kemEncapsulate(before.kemPeer, seed);
    CK = root(before.RK, dh, kem ? kem.sharedSecret : null).CK;
  }
  const knowing = { ...before, HKr: HKs, CKr: CK, Nr: Ns - 1, DHr: DHs.publicKey };
  assert.ok(opens(knowing, envelope), 'these are its keys');
  return { envelope, secrets: [CK, KDF(CK, 'fe1.ck').slice(32)] };
}

test('no earlier message key is in the state, nor can one be had from what is there', () => {
  const { A, B } = friends('forward');
  const past: ReturnType<typeof sayWithKeys>[] = [];
  for (let turn = 0; turn < 4; turn++) {
    for (let i = 0; i < 3; i++) {
      const one = sayWithKeys(A, 'secret');
      past.push(one);
      assert.is(hear(B, one.envelope), 'secret');
    }
    const back = sayWithKeys(B, 'back');
    past.push(back);
    hear(A, back.envelope);
  }
  for (const thief of [session(A), session(B)]) {
    const state = view(encodeSession(thief));
    const reach = new Set<string>();
    for (let at = 0; at + 32 <= state.length; at++) {
      const key = state.subarray(at, at + 32);
      reach.add(key.toString('hex'));
      for (const o of [KDF(key, 'fe1.ck'), KDF(key, 'fe1.rk2')])
        for (const half of [o.subarray(0, 32), o.subarray(32)])
          reach.add(view(half).toString('hex'));
    }
    assert.ok(reach.has(view(thief.RK).toString('hex')), 'the search finds what is there');
    for (const { envelope, secrets } of past) {
      assert.not(opens(thief, envelope));
      for (const secret of secrets) assert.not(reach.has(view(secret).toString('hex')));
    }
  }
});

test('a first flight stays shut once the one-time key is gone, even to all long-term keys', () => {
  const { A, B } = pair('first flight');
  const init = say(A, 'hello');
  hear(B, init);
  const thief = stolen(B); // identity, signed prekey, session
  refusesDuplicate(() => attempt(thief, init));
  thief.inits.clear();
  refuses(() => attempt(thief, init), undefined, 'as a new session');
  const state = view(encodeSession(session(B)));
  assert.is(state.indexOf(B.person.otk.kemSeed), -1);
  assert.is(state.indexOf(view(B.person.identity.exchange.privateKey)), -1);
  assert.is(state.indexOf(view(B.person.identity.seed)), -1);
});

test('the thief of a sender cannot open what the sender sent', () => {
  const { A, B } = friends('sender');
  const sent = [say(A, '1'), say(A, '2')];
  for (const envelope of sent) assert.not(opens(session(A), envelope));
  const s = session(A);
  const swapped: Session = { ...s, HKr: s.HKs, CKr: s.CKs, Nr: s.Ns, DHr: s.DHs.publicKey };
  for (const envelope of sent) assert.not(opens(swapped, envelope), 'with all that A keeps');
  assert.ok(opens(swapped, say(A, '3')), 'while the next one is open to him, as it must be');
  for (const envelope of sent) assert.ok(attempt({ ...B }, envelope));
});

test('a state that was rolled back seals under other keys', () => {
  const { A } = friends('rollback');
  const twin = stolen(A);
  const [one, two] = [say(A, 'same'), say(twin, 'same')];
  assert.not.equal(one, two);
  const sameNonce = Buffer.compare(one.subarray(4, 28), two.subarray(4, 28)) === 0;
  assert.not(sameNonce, 'the header nonce is drawn anew');
  const xor = Buffer.from(one.subarray(85)).map((byte, i) => byte ^ (two[85 + i] as number));
  assert.ok(xor.filter((byte) => byte === 0).length < 20, 'no keystream is used twice');
});

test.run();
