// Nothing changes before it is committed: docs/protocols/fe1.md §6 and §9. Sessions are values.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOneTimePrekey, checkSignedPrekey } from '../../../src/fe1/prekeys.ts';
import { encrypt, expire } from '../../../src/fe1/ratchet.ts';
import { type Received, receive } from '../../../src/fe1/sessions.ts';
import { decodeSession, encodeSession } from '../../../src/fe1/state.ts';
import { concat, utf8 } from '../../../src/lib/bytes.ts';
import {
  attempt,
  deepFreeze,
  flipped,
  friends,
  hear,
  NOW,
  pair,
  person,
  receiver,
  refuses,
  type Side,
  say,
  session,
  side,
} from '../pair.ts';

const test = suite('FE1 attacks: purity');

/** Every situation of a conversation with KEM steps: who receives, and what. */
function* scenes(seed: string): Generator<[to: Side, envelope: Uint8Array]> {
  const { A, B } = pair(seed);
  yield [B, say(A, 'hello')];
  for (let i = 0; i < 12; i++)
    for (const [from, to] of [
      [B, A],
      [A, B],
    ] as const) {
      const early = say(from, 'early');
      yield [to, say(from, 'late')];
      yield [to, early];
    }
}

test('receive leaves state and envelope alone and always gives the same', () => {
  for (const [to, envelope] of scenes('pure receive')) {
    const whole = receiver(to);
    const unchanged = deepFreeze([whole.sessions, to.person.identity, to.person.spr, envelope]);
    const once = receive(envelope, whole, NOW);
    const again = receive(envelope, whole, NOW);
    unchanged();
    assert.equal(again, once);
    assert.equal(encodeSession(again.session), encodeSession(once.session));
    const restored = to.session && decodeSession(encodeSession(to.session));
    const third = attempt({ ...to, session: restored }, envelope);
    assert.equal(third.session, once.session, 'from a state that was written and read');
    hear(to, envelope);
  }
});

test('a failed receive changes nothing, and gives nothing', () => {
  for (const [to, envelope] of scenes('pure failure')) {
    const unchanged = deepFreeze([to.session, to.person.identity, to.person.spr]);
    const inits = [...to.inits];
    const otks = [...to.person.otks.keys()];
    for (const at of [3, 20, 30, 60, envelope.length - 400, envelope.length - 1]) {
      let got: Received | null = null;
      refuses(() => {
        got = attempt(to, flipped(envelope, at));
      });
      assert.is(got, null);
    }
    unchanged();
    assert.equal([...to.inits], inits);
    assert.equal([...to.person.otks.keys()], otks);
    hear(to, envelope);
  }
});

test('a failed first body leaves no session and uses up no key', () => {
  const { A, B } = pair('first body');
  const init = say(A, 'hello');
  const lookups: string[] = [];
  const whole = { ...receiver(B), sessions: [], byInit: (iid: string) => void lookups.push(iid) };
  for (let at = 1252; at < 2048; at += 97) refuses(() => receive(flipped(init, at), whole, NOW));
  assert.is(new Set(lookups).size, 1);
  assert.is(B.session, null);
  assert.is(hear(B, init), 'hello');
});

test('encrypt leaves its input alone', () => {
  const both = friends('pure encrypt', 0);
  for (let i = 0; i < 12; i++)
    for (const [from, to] of [
      [both.B, both.A],
      [both.A, both.B],
    ] as const) {
      const content = utf8('content');
      const unchanged = deepFreeze([session(from), content]);
      const sent = encrypt(session(from), { type: 1, content }, from.person.random);
      encrypt(sent.session, { type: 1, content }, from.person.random);
      unchanged();
      const kept = deepFreeze(sent.session);
      hear(to, sent.envelope);
      kept();
      from.session = sent.session;
    }
});

test('expire leaves its input alone', () => {
  const { A, B } = friends('pure expire');
  say(A, 'lost');
  hear(B, say(A, 'x'));
  const unchanged = deepFreeze(session(B));
  assert.not.equal(expire(session(B), NOW + 1e8), session(B));
  unchanged();
});

test('a Buffer is bytes too: same result, nothing written into it, nothing kept of it', () => {
  for (const [to, envelope] of scenes('buffers')) {
    const pool = Buffer.from(concat(new Uint8Array(5), envelope, new Uint8Array(5)));
    const part = pool.subarray(5, 5 + envelope.length);
    const unchanged = deepFreeze(pool);
    const got = attempt(to, part);
    unchanged();
    assert.equal(got.plaintext, attempt(to, envelope).plaintext);
    assert.equal(encodeSession(got.session), encodeSession(attempt(to, envelope).session));
    const kept = deepFreeze(got);
    pool.fill(0xaa);
    kept();
    const state = Buffer.from(concat(new Uint8Array(3), encodeSession(got.session)));
    const read = decodeSession(state.subarray(3));
    state.fill(0xaa);
    assert.equal(read, got.session, 'a session read from a Buffer');
    hear(to, envelope);
  }
});

test('prekey records in a Buffer', () => {
  const B = person('buffer bundle');
  const whole = Buffer.concat([Buffer.alloc(7), B.spr.record.bytes, B.otk.record.bytes]);
  const X = B.identity.exchange.publicKey;
  const spr = checkSignedPrekey(whole.subarray(7, 7 + 1420), { X, now: NOW, seen: null });
  const otk = checkOneTimePrekey(whole.subarray(7 + 1420), spr);
  assert.is(otk?.otkId, B.otk.record.otkId);
  whole.fill(0xaa);
  assert.equal({ ...spr }, { ...B.spr.record });
  assert.equal({ ...otk }, { ...B.otk.record });
});

test('two who share one process share nothing', () => {
  const [one, two] = [friends('twin'), friends('twin')];
  const envelope = say(one.A, 'x');
  assert.equal(say(two.A, 'x'), envelope, 'same randomness, same bytes');
  assert.is(hear(side(one.B.person, session(one.B)), envelope), 'x');
  assert.is(hear(two.B, envelope), 'x');
});

test.run();
