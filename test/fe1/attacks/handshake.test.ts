// INITs of liars: docs/protocols/fe1.md §5. The handshake authenticates nobody; a first body does.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { H, KDF } from '../../../src/crypto/hash.ts';
import { aeadSeal, exchange, exchangePair } from '../../../src/crypto/sodium.ts';
import { parseEnvelope } from '../../../src/fe1/envelope.ts';
import { initiate, respond } from '../../../src/fe1/handshake.ts';
import { checkSignedPrekey } from '../../../src/fe1/prekeys.ts';
import { concat, u32, utf8 } from '../../../src/lib/bytes.ts';
import { BAD_SIGNING_KEYS, type FalseInit, forgeInit, LOW_ORDER, resigned } from '../forge.ts';
import {
  attempt,
  flipped,
  hear,
  invite,
  NOW,
  OTK_ID,
  pair,
  person,
  receiver,
  refuses,
  SPK_ID,
  say,
  side,
} from '../pair.ts';

const test = suite('FE1 attacks: handshake');
const [A, B, C, M] = ['A', 'B', 'C', 'M'].map((name) => person(`handshake ${name}`)) as [
  ReturnType<typeof person>,
  ReturnType<typeof person>,
  ReturnType<typeof person>,
  ReturnType<typeof person>,
];

/** The envelope of a forged INIT from M (or whoever) to B. */
function forged(lie: Partial<FalseInit>, X?: Uint8Array): Uint8Array {
  return say(side(M, forgeInit({ from: M, to: B, ...lie }, X)), 'mine');
}

test('the forger forges well: without a lie it opens, with an OTK and without', () => {
  for (const otk of [true, false]) {
    const got = attempt(side(B), forged({ otk }));
    assert.equal(got.session.peerX, M.identity.exchange.publicKey);
    assert.equal(got.session.peerE, M.identity.signing.publicKey);
    assert.is(got.opened?.otkId, otk ? OTK_ID : 0);
    assert.is(got.opened?.spkId, SPK_ID);
  }
});

test('Mallory claims E_A: the handshake passes, the first body does not open', () => {
  for (const otk of [true, false]) {
    const { signing, exchange } = A.identity;
    const envelope = forged({ claim: signing.publicKey, otk }, exchange.publicKey);
    const init = parseEnvelope(envelope)?.init;
    assert.ok(init);
    assert.equal(respond(init, receiver(side(B))).session.peerX, exchange.publicKey);
    refuses(() => attempt(side(B), envelope), 'envelope-rejected', 'E_A');
    refuses(() => attempt(side(B), forged({ claim: signing.publicKey, otk })), undefined, 'X_M');
  }
});

test("Mallory has all of A but x_A, and B's own code", () => {
  const { publicKey } = A.identity.exchange;
  const exchange = { publicKey, privateKey: M.identity.exchange.privateKey };
  const mallory = { ...A, identity: { ...A.identity, exchange } };
  for (const otk of [true, false]) {
    const envelope = say(side(A, invite(mallory, B, { otk })), 'I am A');
    refuses(() => attempt(side(B), envelope));
  }
});

test('an E that is no key', () => {
  for (const claim of BAD_SIGNING_KEYS) refuses(() => attempt(side(B), forged({ claim })));
});

test('points of low order as EK', () => {
  for (const EK of LOW_ORDER) refuses(() => attempt(side(B), forged({ EK })));
});

test('a KEM ciphertext that nobody made', () => {
  for (const point of LOW_ORDER) {
    const ct = concat(new Uint8Array(1088).fill(7), point);
    refuses(() => attempt(side(B), forged({ ct })), undefined, 'low order');
  }
  refuses(() => attempt(side(B), forged({ ct: new Uint8Array(1120).fill(9) })));
});

test('generations below 2^31, and zero in reserve', () => {
  for (const gen of [0x8000_0000, 0xffff_ffff])
    refuses(() => attempt(side(B), forged({ gen })), undefined, `gen ${gen}`);
  assert.is(attempt(side(B), forged({ gen: 0x7fff_ffff })).session.gen, 0x7fff_ffff);
  for (const reserved of [1, 0x100, 0x8000_0000])
    refuses(() => attempt(side(B), forged({ reserved })), undefined, `reserved ${reserved}`);
});

test('from oneself', () => {
  refuses(() => attempt(side(B), forged({ from: B })));
  const minus = flipped(B.identity.signing.publicKey, 31, 0x80);
  refuses(() => attempt(side(B), forged({ from: B, claim: minus })), undefined, 'as -E');
});

test('prekeys that are not there, or of the other kind', () => {
  for (const spkId of [0, 8, 0xffff_ffff]) refuses(() => attempt(side(B), forged({ spkId })));
  for (const otkId of [8, SPK_ID, 0xffff_ffff])
    refuses(() => attempt(side(B), forged({ otkId })), undefined, `otk_id ${otkId}`);
  refuses(() => attempt(side(B), forged({ otk: false, otkId: OTK_ID })), undefined, 'unused OTK');
  refuses(() => attempt(side(B), forged({ otk: false, otkId: 8 })), undefined, 'unknown OTK');
  refuses(() => attempt(side(B), forged({ otk: true, otkId: 0 })), undefined, 'hidden OTK');
});

test('a used OTK does not open again', () => {
  const { A, B } = pair('used OTK');
  const second = side(A.person, invite(A.person, B.person));
  hear(B, say(A, 'one'));
  refuses(() => attempt(B, say(second, 'two')));
});

test('redirected: an INIT for B is nothing to C', () => {
  const envelope = say(side(A, invite(A, B)), 'for B');
  refuses(() => attempt(side(C), envelope));
  assert.ok(attempt(side(B), envelope));
});

test("unknown key share: B's prekeys under Mallory's name do not lead A to B", () => {
  const { record } = B.spr;
  const bytes = resigned(M.spr.record.bytes, M, [
    [108, record.SPK],
    [140, record.KPK],
  ]);
  const X = M.identity.exchange.publicKey;
  const spr = checkSignedPrekey(bytes, { X, now: NOW, seen: null });
  const drawn: Uint8Array[] = [];
  const random = (length: number) => {
    const out = A.random(length);
    drawn.push(out);
    return out;
  };
  const { identity, install } = A;
  const session = initiate({ identity, install, gen: 1, spr, otk: null }, random);
  const envelope = say(side(A, session), 'for M');
  refuses(() => attempt(side(B), envelope), undefined, 'as it is');

  // Had Mallory A's ek as well, she could make B's pbox; B's own record is in the transcript.
  const ek = exchangePair(drawn[0] as Uint8Array);
  const own = B.identity.exchange.publicKey;
  const d2 = exchange(ek.privateKey, own);
  assert.ok(d2);
  const key = KDF(H('fe1.p0', own, ek.publicKey), 'fe1.kp', d2).subarray(0, 32);
  const box = { key, nonce: new Uint8Array(24), ad: envelope.subarray(0, 1156) };
  const pbox = aeadSeal(box, concat(u32(SPK_ID), u32(0)));
  const moved = concat(envelope.subarray(0, 1156), pbox, envelope.subarray(1180));
  assert.ok(moved.length === envelope.length && utf8('FE1')[0] === moved[0]);
  refuses(() => attempt(side(B), moved), undefined, 'with a new pbox');
});

test('the same bundle under another version of the record is another handshake', () => {
  const newer = resigned(B.spr.record.bytes, B, [[4, u32(3)]]);
  const X = B.identity.exchange.publicKey;
  const spr = checkSignedPrekey(newer, { X, now: NOW, seen: null });
  const { identity, install, random } = A;
  const session = initiate({ identity, install, gen: 1, spr, otk: null }, random);
  refuses(() => attempt(side(B), say(side(A, session), 'x')));
});

test.run();
