// A relay that lies about prekeys: docs/protocols/fe1.md §4. Nothing but the owner's own newest
// records passes, and a refusal never says why.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePublic } from '../../../src/crypto/sodium.ts';
import { initiate } from '../../../src/fe1/handshake.ts';
import * as prekeys from '../../../src/fe1/prekeys.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  type SeenBundle,
  seenBundle,
} from '../../../src/fe1/prekeys.ts';
import * as ratchet from '../../../src/fe1/ratchet.ts';
import * as sessions from '../../../src/fe1/sessions.ts';
import { concat, u32, u64 } from '../../../src/lib/bytes.ts';
import { count } from '../../count.ts';
import { BAD_SIGNING_KEYS, LOW_ORDER, resigned } from '../forge.ts';
import { flipped, NOW, person, refuses } from '../pair.ts';

// A 7th of the bytes meets every field; the long run meets every byte.
const STEP = count(7, 1);
const EACH = STEP === 1 ? '' : '7th ';
const test = suite('FE1 attacks: bundles');
const [A, B, M] = [person('bundle A'), person('bundle B'), person('bundle M')];
const X = B.identity.exchange.publicKey;
const SPR = B.spr.record.bytes;
const OTK = B.otk.record.bytes;
const good = check(SPR);

function check(bytes: Uint8Array, seen: SeenBundle | null = null, now = NOW, whose = X) {
  return checkSignedPrekey(bytes, { X: whose, now, seen });
}
const said = new Set<string>();
const bad = (bytes: Uint8Array, why: string, seen: SeenBundle | null = null) =>
  said.add(refuses(() => check(bytes, seen), 'bundle-rejected', why));
const byOwner = (at: number, bytes: Uint8Array) => resigned(SPR, B, [[at, bytes]]);

test(`every ${EACH}byte of an SPR counts`, () => {
  for (const mask of [1, 0x80])
    for (let i = 0; i < SPR.length; i += STEP) bad(flipped(SPR, i, mask), `byte ${i} ^ ${mask}`);
  assert.equal(check(SPR).bytes, SPR);
});

test(`every ${EACH}byte of an OTK counts`, () => {
  for (const mask of [1, 0x80])
    for (let i = 0; i < OTK.length; i += STEP)
      assert.is(checkOneTimePrekey(flipped(OTK, i, mask), good), null, `byte ${i} ^ ${mask}`);
  assert.ok(checkOneTimePrekey(OTK, good));
});

test('of no other length', () => {
  const nothing = new Uint8Array(0);
  for (const cut of [0, 1, 4, 8, 72, 1356, 1419]) bad(SPR.subarray(0, cut), `${cut} bytes`);
  bad(concat(SPR, Uint8Array.of(0)), 'longer');
  const longer = (bytes: Uint8Array) => concat(bytes.subarray(0, -64), new Uint8Array(65));
  bad(resigned(longer(SPR), B, []), 'longer, and signed by the owner');
  assert.is(checkOneTimePrekey(resigned(longer(OTK), B, []), good), null);
  for (const bytes of [nothing, OTK.subarray(0, 1335), concat(OTK, Uint8Array.of(0)), SPR])
    assert.is(checkOneTimePrekey(bytes, good), null);
  bad(OTK, 'an OTK for an SPR');
});

test("another person's records are not for this one", () => {
  bad(M.spr.record.bytes, "Mallory's SPR");
  assert.is(checkOneTimePrekey(M.otk.record.bytes, good), null);
  assert.ok(check(M.spr.record.bytes, null, NOW, M.identity.exchange.publicKey));
});

test("under Mallory's signature: X of B, or X and E of B, or B's keys as her own", () => {
  const own = M.spr.record.bytes;
  bad(resigned(own, M, [[8, X]]), 'X of B, E of M');
  bad(resigned(SPR, M, []), 'all of B, signed by M');
  bad(resigned(own, M, [[8, SPR.subarray(8, 72)]]), "M's prekeys under B's name");
  assert.is(checkOneTimePrekey(resigned(OTK, M, []), good), null);
});

test('-E maps to the same X and signs nothing', () => {
  const minus = flipped(B.identity.signing.publicKey, 31, 0x80);
  assert.equal(exchangePublic(minus), X);
  bad(flipped(SPR, 71, 0x80), '-E in place of E');
  bad(byOwner(40, minus), '-E, signed with e');
  bad(resigned(SPR, M, [[40, minus]]), '-E, signed by M');
  const seen = { ...seenBundle(good), E: minus };
  bad(SPR, 'another E is pinned', seen);
});

test('points of low order, and what is no point, certify no X', () => {
  for (const E of BAD_SIGNING_KEYS) bad(byOwner(40, E), 'E');
  for (const low of LOW_ORDER) {
    bad(byOwner(8, low), 'X');
    refuses(() => check(byOwner(8, low), null, NOW, low), 'bundle-rejected', 'X as asked for');
    const E = BAD_SIGNING_KEYS[0] as Uint8Array;
    const both = resigned(SPR, B, [
      [8, low],
      [40, E],
    ]);
    refuses(() => check(both, null, NOW, low), 'bundle-rejected', 'X and E');
  }
});

test('signed by the owner and yet unusable: no session', () => {
  const { identity, install, random } = A;
  const use = (spr: Uint8Array, otk: Uint8Array | null) => {
    const checked = check(spr);
    const oneTime = otk && checkOneTimePrekey(otk, checked);
    assert.ok(!otk || oneTime);
    return initiate({ identity, install, gen: 1, spr: checked, otk: oneTime }, random);
  };
  const overflow = new Uint8Array(3).fill(0xff); // coefficients above q
  const [low] = LOW_ORDER as [Uint8Array];
  for (const weak of LOW_ORDER)
    refuses(() => use(byOwner(108, weak), null), 'bundle-rejected', 'SPK');
  refuses(() => use(byOwner(140, overflow), null), 'bundle-rejected', 'KPK: ML-KEM');
  refuses(() => use(byOwner(140 + 1184, low), null), 'bundle-rejected', 'KPK: X25519');
  refuses(() => use(SPR, resigned(OTK, B, [[56, overflow]])), 'bundle-rejected', 'OTK: ML-KEM');
  refuses(() => use(SPR, resigned(OTK, B, [[56 + 1184, low]])), 'bundle-rejected', 'OTK: X25519');
  assert.ok(use(SPR, OTK));
  const self = check(A.spr.record.bytes, null, NOW, A.identity.exchange.publicKey);
  const alone = { identity, install, gen: 1, spr: self, otk: null };
  refuses(() => initiate(alone, random), 'bundle-rejected', 'a session with oneself');
});

test('a bundle does not roll back', () => {
  const seen = seenBundle(good);
  assert.ok(check(SPR, seen));
  bad(byOwner(88, u64(NOW - 1)), 'lower seq', seen);
  bad(byOwner(104, u32(8)), 'same seq, other bytes', seen);
  assert.ok(check(byOwner(88, u64(NOW + 1)), seen));
  bad(byOwner(88, concat(u64(0).fill(0xff))), 'seq that no number holds');
  bad(byOwner(88, u64(NOW + 1)), 'lower versions', { ...seen, versions: 3 });
  bad(byOwner(88, u64(NOW + 1)), 'the highest bit', { ...seen, versions: 0x8000_0001 });
  assert.ok(
    check(
      resigned(SPR, B, [
        [4, u32(0x8000_0003)],
        [88, u64(NOW + 1)],
      ]),
      seen,
    ),
  );
  const high = resigned(SPR, B, [[4, u32(0x8000_0003)]]);
  assert.ok(check(high, seenBundle(check(high))), 'as unsigned numbers');
  const { expires } = good;
  refuses(() => check(SPR, null, expires + 86_400), 'bundle-rejected', 'expired');
  assert.ok(check(SPR, null, expires + 86_399));
});

test('no downgrade: FE1 or nothing', () => {
  bad(byOwner(4, u32(0)), 'no version');
  bad(byOwner(4, u32(2)), 'not FE1');
  bad(byOwner(104, u32(0)), 'spk_id 0');
  bad(byOwner(0, Uint8Array.of(0x46, 0x45, 0x32)), 'another magic');
  for (const name of [prekeys, ratchet, sessions].flatMap((each) => Object.keys(each)))
    assert.not.match(name, /baseline|fallback|plain(?!text)|insecure|legacy/i);
});

test('an OTK belongs to its SPR', () => {
  const other = (at: number, bytes: Uint8Array) =>
    checkOneTimePrekey(resigned(OTK, B, [[at, bytes]]), good);
  assert.is(other(36, new Uint8Array(16)), null, 'another install_id');
  assert.is(other(4, A.identity.exchange.publicKey), null, 'another X');
  assert.is(other(52, u32(0)), null, 'otk_id 0');
  assert.is(other(0, Uint8Array.of(0x46, 0x45, 0x31, 0x50)), null, 'another magic');
  assert.ok(other(52, u32(10)));
});

test('every refusal above said the same', () => assert.is(said.size, 1));

test.run();
