// Keys that are used once, against libsodium's own and against a second implementation of X-Wing.

import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Exchange,
  exchangeOf,
  onceKeys,
  sessionKeys,
  slowExchange,
  slowKem,
} from '../../src/crypto/once.ts';
import { exchangePair, hash, kemEncapsulate, randomBytes } from '../../src/crypto/sodium.ts';
import { concat, toHex } from '../../src/lib/bytes.ts';

const test = suite('once');

const ROUNDS = 20;
const hex = (bytes: Uint8Array | null) => (bytes ? toHex(bytes) : null);
const slow = () => slowExchange(exchangePair(randomBytes(32)));

test('X25519: whoever makes the keys, both sides meet', () => {
  const makers: (() => Exchange)[] = [
    () => onceKeys.exchange(),
    slow,
    () => exchangeOf(exchangePair(randomBytes(32))),
  ];
  for (let round = 0; round < ROUNDS; round++)
    for (const one of makers)
      for (const other of makers) {
        const [a, b] = [one(), other()];
        const met = hex(a.meet(b.publicKey));
        assert.is(met?.length, 64);
        assert.is(met, hex(b.meet(a.publicKey)));
      }
});

test('a weak key meets nobody, and what is no key is a mistake', () => {
  const weak = [new Uint8Array(32), Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))];
  for (const own of [onceKeys.exchange(), slow()]) {
    for (const key of weak) {
      assert.is(own.meet(key), null);
      assert.is(sessionKeys('client', own, key), null);
    }
    for (const length of [0, 31, 33])
      assert.throws(
        () => own.meet(new Uint8Array(length)),
        (error: Error) => error instanceof TypeError,
      );
  }
});

test('a pair that was made known is not made again', () => {
  const pair = exchangePair(randomBytes(32));
  assert.is(exchangeOf(pair), exchangeOf(pair));
});

test('session keys are those of crypto_kx, for both sides', () => {
  const [client, server] = [onceKeys.exchange(), onceKeys.exchange()];
  const met = client.meet(server.publicKey) as Uint8Array;
  // As its document says: rx of the client first, then tx.
  const both = hash(64, concat(met, client.publicKey, server.publicKey), null);
  const wanted = toHex(both.subarray(32)) + toHex(both.subarray(0, 32));
  assert.is(hex(sessionKeys('client', client, server.publicKey)), wanted);
  assert.is(hex(sessionKeys('server', server, client.publicKey)), wanted);
});

test('X-Wing: ours, libsodium’s and the second implementation understand each other', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const [ours, theirs] = [onceKeys.kem(), slowKem(randomBytes(32))];
    const noble = xwing.keygen();
    const there = kemEncapsulate(ours.publicKey, randomBytes(64));
    assert.is(hex(there && ours.decapsulate(there.ciphertext)), hex(there?.sharedSecret ?? null));
    const far = xwing.encapsulate(ours.publicKey);
    assert.is(hex(ours.decapsulate(far.cipherText)), toHex(far.sharedSecret));
    const back = onceKeys.encapsulate(theirs.publicKey);
    assert.is(hex(back && theirs.decapsulate(back.ciphertext)), hex(back?.sharedSecret ?? null));
    const home = onceKeys.encapsulate(noble.publicKey);
    assert.is(
      home && toHex(xwing.decapsulate(home.ciphertext, noble.secretKey)),
      hex(home?.sharedSecret ?? null),
    );
    assert.is(there?.sharedSecret.length, 32);
  }
});

test('X-Wing: bad keys and ciphertexts; a changed ciphertext gives another secret', () => {
  const own = onceKeys.kem();
  const weak = own.publicKey.slice();
  weak.fill(0, 1184);
  assert.is(onceKeys.encapsulate(weak), null);
  const invalid = own.publicKey.slice();
  invalid.fill(0xff, 0, 384); // coefficients beyond the modulus
  assert.is(onceKeys.encapsulate(invalid), null);
  const sent = onceKeys.encapsulate(own.publicKey);
  assert.ok(sent);
  const low = sent.ciphertext.slice();
  low.fill(0, 1088);
  assert.is(own.decapsulate(low), null);
  for (const at of [0, 1_000, 1_087, 1_088, 1_118]) {
    const wrong = sent.ciphertext.slice();
    wrong[at] = (wrong[at] as number) ^ 1;
    assert.is.not(hex(own.decapsulate(wrong)), toHex(sent.sharedSecret), `byte ${at}`);
  }
  for (const length of [0, 1_119, 1_121])
    assert.throws(
      () => own.decapsulate(new Uint8Array(length)),
      (error: Error) => error instanceof TypeError,
    );
});

test.run();
