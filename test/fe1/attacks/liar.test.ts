// A peer who is who he is and lies: docs/protocols/fe1.md §6. Every lie is sealed under the right
// keys, and would open if the check it meets were not there.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchange, exchangePair, kemEncapsulate, kemPair } from '../../../src/crypto/sodium.ts';
import { encrypt, root, type Session } from '../../../src/fe1/ratchet.ts';
import { concat, utf8 } from '../../../src/lib/bytes.ts';
import { forgeBody, LOW_ORDER } from '../forge.ts';
import { attempt, friends, hear, pair, refuses, type Side, say, session, side } from '../pair.ts';

const test = suite('FE1 attacks: a lying peer');
const KEM_KEY = kemPair(new Uint8Array(32).fill(3)).publicKey;
const CIPHERTEXT = kemEncapsulate(KEM_KEY, new Uint8Array(64).fill(5))?.ciphertext as Uint8Array;

/** The state after the liar's next step, before the first message of the chain. */
function chainStart(s: Session, DHs = exchangePair(new Uint8Array(32).fill(7))): Session {
  const dh = s.DHr && exchange(DHs.privateKey, s.DHr);
  const { RK, CK, NHK } = root(s.RK, dh ?? new Uint8Array(32), null);
  const chain = { RK, CKs: CK, HKs: s.NHKs, NHKs: NHK, DHs, PN: s.Ns, Ns: 0 };
  return { ...s, ...chain, pending: false, kemPeer: null, kemSelf: null, kemCt: null };
}
const opened = (to: Side, envelope: Uint8Array) =>
  new TextDecoder().decode(attempt(to, envelope).plaintext.content);
const sends = (from: Side, lie: Partial<Session>) =>
  say(side(from.person, { ...session(from), ...lie }), 'a lie');

test('the forger forges well', () => {
  const { A, B } = friends('liar');
  hear(A, say(B, 'now A steps'));
  say(A, 'first of the chain');
  assert.is(hear(B, forgeBody(session(A), {})), 'ok');
  say(A, 'what was forged counts too');
  hear(A, say(B, 'and again'));
  assert.is(hear(B, forgeBody(chainStart(session(A)), { flags: 1, ext: KEM_KEY })), 'ok');
});

test('flags beyond 2, and flags without their part', () => {
  const { A, B } = friends('flags');
  for (let flags = 1; flags < 256; flags++) {
    refuses(() => attempt(B, forgeBody(session(A), { flags })), undefined, `flags ${flags}`);
    for (const ext of [KEM_KEY, CIPHERTEXT])
      if (flags > 2 || (flags === 1) !== (ext === KEM_KEY))
        refuses(() => attempt(B, forgeBody(session(A), { flags, ext })), undefined, `${flags}`);
  }
  refuses(() => attempt(B, forgeBody(session(A), { flags: 0, ext: KEM_KEY })));
  for (const size of [0, 1, 1119, 1121, 1215, 1217])
    for (const flags of [1, 2])
      refuses(() => attempt(B, forgeBody(session(A), { flags, ext: new Uint8Array(size) })));
  assert.ok(attempt(B, forgeBody(session(A), {})));
});

test('another DH key within a chain', () => {
  const { A, B } = friends('dh');
  refuses(() => attempt(B, sends(A, { DHs: exchangePair(A.person.random(32)) })));
  for (const dh of LOW_ORDER) refuses(() => attempt(B, forgeBody(session(A), { dh })));
});

test('two steps without an answer, and a step with the same DH key', () => {
  const { A, B } = friends('steps');
  const twice = chainStart(session(A));
  assert.ok(session(B).pending);
  refuses(() => attempt(B, forgeBody(twice, {})), undefined, 'B has not answered');
  hear(A, say(B, 'now A steps'));
  const { privateKey } = session(A).DHs;
  const random = (length: number) => (length === 32 ? privateKey : A.person.random(length));
  const same = encrypt(session(A), { type: 1, content: utf8('same') }, random);
  assert.equal(same.session.DHs.publicKey, session(B).DHr);
  refuses(() => attempt(B, same.envelope), undefined, 'the same DH key');
  assert.is(hear(B, say(A, 'honest')), 'honest');
});

test('a step to a point of low order', () => {
  const { A, B } = friends('low step');
  hear(A, say(B, 'now A steps'));
  for (const publicKey of LOW_ORDER) {
    const lie = chainStart(session(A));
    const { RK, CK } = root(session(A).RK, new Uint8Array(32), null);
    refuses(() => attempt(B, forgeBody({ ...lie, RK, CKs: CK }, { dh: publicKey })));
  }
  const first = pair('low first');
  for (const publicKey of LOW_ORDER) {
    const DHs = { publicKey, privateKey: new Uint8Array(32) };
    const keys = root(session(first.A).RK, new Uint8Array(32), null);
    const lie = { ...session(first.A), DHs, RK: keys.RK, CKs: keys.CK };
    refuses(() => attempt(first.B, forgeBody(lie, {})), undefined, 'in an INIT');
  }
});

test('a previous chain that was shorter than what came, or never was', () => {
  const first = pair('pn first');
  refuses(() => attempt(first.B, sends(first.A, { PN: 1 })), undefined, 'no chain before');
  const { A, B } = friends('pn');
  for (const text of ['1', '2', '3']) hear(B, say(A, text));
  hear(A, say(B, 'now A steps'));
  for (const Ns of [0, session(A).Ns - 1])
    refuses(() => attempt(B, sends(A, { Ns })), undefined, `pn ${Ns}`);
  assert.ok(attempt(B, sends(A, {})));
});

test('a KEM answer is due exactly when a key was offered', () => {
  const { A, B } = friends('kem', 0);
  hear(A, say(B, 'offer'));
  assert.ok(session(B).kemSelf && session(A).kemPeer);
  refuses(() => attempt(B, sends(A, { kemPeer: null })), undefined, 'no answer');
  refuses(() => attempt(B, sends(A, { kemPeer: null, since: 99 })), undefined, 'a counter-offer');
  refuses(() => attempt(B, sends(A, { kemPeer: KEM_KEY })), undefined, 'to another key');
  const start = chainStart(session(A));
  const dh = exchange(start.DHs.privateKey, session(A).DHr as Uint8Array) as Uint8Array;
  const known = { ...start, CKs: root(session(A).RK, dh, new Uint8Array(32)).CK };
  for (const point of LOW_ORDER) {
    const ext = concat(CIPHERTEXT.subarray(0, 1088), point);
    refuses(() => attempt(B, forgeBody(known, { flags: 2, ext })), undefined, 'a weak answer');
  }
  assert.is(hear(B, say(A, 'answer')), 'answer');
  hear(A, say(B, 'now A steps'));
  const next = chainStart(session(A));
  refuses(() => attempt(B, forgeBody(next, { flags: 2, ext: CIPHERTEXT })), undefined, 'unasked');
  assert.is(opened(B, forgeBody(next, {})), 'ok');
});

test('an offered KEM key that nothing can be sent to', () => {
  const overflow = Uint8Array.from(KEM_KEY).fill(0xff, 0, 3);
  for (const weak of [overflow, ...LOW_ORDER.map((p) => concat(KEM_KEY.subarray(0, 1184), p))]) {
    const { A, B } = pair('bad offer');
    refuses(() => attempt(B, forgeBody(session(A), { flags: 1, ext: weak })));
  }
  const { A, B } = pair('good offer');
  assert.is(hear(B, forgeBody(session(A), { flags: 1, ext: KEM_KEY })), 'ok');
  assert.is(say(B, 'with a ciphertext').length, 2048);
});

test('an envelope longer than there are, whole and sealed as it should be', () => {
  const { A, B } = friends('too long');
  const ofLength = (length: number) => {
    const padded = new Uint8Array(length - 101);
    padded[1] = 0x80;
    return forgeBody(session(A), { padded });
  };
  assert.is(ofLength(65_024).length, 65_024);
  assert.is(opened(B, ofLength(65_024)), '');
  for (const length of [65_025, 65_535, 200_000]) refuses(() => attempt(B, ofLength(length)));
});

test('padding without an end', () => {
  const { A, B } = friends('padding');
  const lies = [
    [0, 0],
    [1, 0],
    [0x80, 0],
    [0x80, 0, 0, 0],
    [1, 2, 3],
    [1, 0x81],
    [1, 0x80, 1],
    [1, 0x40, 0],
  ];
  for (const bytes of lies)
    refuses(
      () => attempt(B, forgeBody(session(A), { padded: Uint8Array.from(bytes) })),
      undefined,
      `${bytes}`,
    );
  for (const padded of [new Uint8Array(0), Uint8Array.of(0x80), new Uint8Array(60_000)])
    refuses(() => attempt(B, forgeBody(session(A), { padded })), undefined, `${padded.length}`);
  const { plaintext } = attempt(B, forgeBody(session(A), { padded: Uint8Array.of(0, 0x80) }));
  assert.equal(plaintext, { type: 0, content: new Uint8Array(0) });
});

test.run();
