// Every vector of test/vectors/fe1.json: keys, records, handshake, five envelopes, the final keys.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import { hash } from '../../src/crypto/sodium.ts';
import { parseEnvelope } from '../../src/fe1/envelope.ts';
import { initiate, respond } from '../../src/fe1/handshake.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  makeOneTimePrekey,
  makeSignedPrekey,
} from '../../src/fe1/prekeys.ts';
import { decrypt, encrypt, type Session } from '../../src/fe1/ratchet.ts';
import { safetyNumber } from '../../src/fe1/safety.ts';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import { stream } from './stream.ts';

const vectors = JSON.parse(readFileSync(new URL('../vectors/fe1.json', import.meta.url), 'utf8'));
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const test = suite('FE1 vectors');

test('all of them', () => {
  const random = stream();
  const A = identityFromSeed(hex(vectors.seedA));
  const B = identityFromSeed(hex(vectors.seedB));
  assert.is(A.hex, vectors.X_A);
  assert.is(toHex(A.signing.publicKey), vectors.E_A);
  assert.is(B.hex, vectors.X_B);
  assert.is(toHex(B.signing.publicKey), vectors.E_B);

  const given = Buffer.from(vectors.spr, 'hex');
  const install = hex(vectors.installB);
  const seq = Number(given.readBigUInt64BE(88));
  const expires = Number(given.readBigUInt64BE(96));
  const spkId = given.readUInt32BE(104);
  const spr = makeSignedPrekey(B, { install, seq, expires, spkId }, random);
  assert.is(toHex(spr.spk.privateKey), vectors.spk_priv);
  assert.is(toHex(spr.kemSeed), vectors.spr_kpk_seed);
  assert.is(toHex(spr.record.bytes), vectors.spr);
  const otkId = Buffer.from(vectors.otk, 'hex').readUInt32BE(52);
  const otk = makeOneTimePrekey(B, { install, otkId }, random);
  assert.is(toHex(otk.kemSeed), vectors.otk_kpk_seed);
  assert.is(toHex(otk.record.bytes), vectors.otk);

  const bundle = checkSignedPrekey(spr.record.bytes, {
    X: B.exchange.publicKey,
    now: seq,
    seen: null,
  });
  let a: Session = initiate(
    {
      identity: A,
      install: hex(vectors.installA),
      gen: 1,
      spr: bundle,
      otk: checkOneTimePrekey(otk.record.bytes, bundle),
    },
    random,
  );
  assert.is(toHex(a.sid), vectors.sid);
  assert.is(toHex(a.h1), vectors.h1);

  const first = parseEnvelope(hex(vectors.envelopes[0].hex));
  assert.ok(first?.init);
  const response = respond(first.init, { identity: B, spr: () => spr, otk: () => otk });
  let b = response.session;
  assert.is(toHex(b.sid), vectors.sid);

  for (const { from, hex: text, blake2b256 } of vectors.envelopes) {
    const parsed = parseEnvelope(hex(text));
    assert.ok(parsed);
    const got = decrypt(from === 'A' ? b : a, parsed.body, seq);
    assert.ok(got, 'the other side does not know the envelope');
    const sent = encrypt(from === 'A' ? a : b, got.plaintext, random);
    assert.is(toHex(sent.envelope), text);
    assert.is(toHex(hash(32, sent.envelope, null)), blake2b256);
    [a, b] = from === 'A' ? [sent.session, got.session] : [got.session, sent.session];
  }
  assert.is(toHex(a.RK), vectors.final.A_RK);
  assert.is(toHex(b.RK), vectors.final.B_RK);
  assert.is(toHex(a.CKs as Uint8Array), vectors.final.A_CKs);
  assert.is(toHex(b.CKr as Uint8Array), vectors.final.B_CKr);
});

test('the safety number, from both sides', () => {
  const [a, b] = [hex(vectors.X_A), hex(vectors.X_B)];
  assert.is(safetyNumber(a, b), vectors.safety);
  assert.is(safetyNumber(b, a), vectors.safety);
});

test('the stream is not empty', () => assert.is.not(toHex(stream('x')(32)), toHex(utf8(''))));

test.run();
