// H, KDF, identities and fingerprints: the values of the FE1 vectors (docs/protocols/fe1.md §3.1, §12).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { H, KDF } from '../../src/crypto/hash.ts';
import {
  fingerprint,
  groupDigits,
  identityFromSeed,
  newIdentity,
  wipeIdentity,
} from '../../src/crypto/identity.ts';
import { openSealed, seal } from '../../src/crypto/sodium.ts';
import { fromHex, toHex } from '../../src/lib/bytes.ts';

const hex = (text: string) => fromHex(text, text.length / 2) as Uint8Array;
const seedA = new Uint8Array(32).fill(0xa1);
const seedB = new Uint8Array(32).fill(0xb2);
const X_A = 'c758cc62fd0bf6361a1ed43a9b684e289f60cea7891a986e006acc668ee34561';
const E_A = 'bc7cbcb5636375fa1d82434d466724d92377f53b980695dd49d26d0ce12205a5';
const X_B = '3ffaf014e4ad0d6f7c94ee696dac31e07d9ef59cacb7e361d30bbea5274b1a7d';
const E_B = '55154f42065ea5a1bea05463826be2684eb92df92c100027aabaae57ca554207';

const hashes = suite('hash');

hashes('H gives the first block of the random stream of the vectors', () => {
  const spkPrivate = '9bb2511e8960ce7b433f0478e2f88c648b5f73ec8005ac058409a9f76559b3e4';
  const kpkSeed = '83d74bd785a4c124e0a7118b954d553a8aca7adc46933b569ecf87a0312e1f00';
  assert.is(toHex(H('fe1.test', new Uint8Array(8))), spkPrivate + kpkSeed);
});

hashes('KDF gives the key that opens the prekey box of the first envelope', () => {
  const EK = hex('0aef25602b2635a45013f415dd8d9f703be501a09fafc421af8b73ab8802e63e');
  const d2 = hex('a7a7c9efce0e12fe34b9bf965ed1aa9b3c72fdfb26a6b7b9ac8bff8efa49b67e');
  assert.is(
    toHex(KDF(H('fe1.p0', hex(X_B), EK), 'fe1.kp', d2)),
    'd9f2a3a2c498eb2059515d6f9a1793a70cb50c1860313f8d3d1e1bad0a89f0a5' +
      '936faedd5f554620340725b3d8f840eab7da4d82fbfd0921b8a9e51a0992c454',
  );
});

hashes('KDF takes a key of 32 bytes too, and no data', () => {
  // hashlib.blake2b(b'\x06fe1.sk', key=bytes(range(32))) of Python
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.is(
    toHex(KDF(key, 'fe1.sk')),
    '606d26a0240865187c043c624e143e33f3ab26ec4191c018a1c2c9b3b7f78c2c' +
      'd6725dadaaefc4f6dee401822304ac031b9d87fd6eda6976ab0a0ca93c156b36',
  );
});

hashes('label and data do not run into each other', () => {
  const a = H('ab', Uint8Array.of(0x63));
  assert.is.not(toHex(a), toHex(H('abc')));
  assert.is(toHex(H('ab', hex('0102'), hex('03'))), toHex(H('ab', hex('010203'))));
});

hashes('a KDF key of any other length is a mistake in the code', () => {
  for (const length of [0, 16, 31, 33, 63, 65])
    assert.throws(
      () => KDF(new Uint8Array(length), 'fe1.kp'),
      (error: unknown) => error instanceof TypeError,
      `${length}`,
    );
  const loose = KDF as (key: unknown, label: string) => Uint8Array;
  assert.throws(() => loose('s'.repeat(32), 'fe1.kp'), /hash key/);
  assert.throws(() => H(''), /label/);
  assert.throws(() => H('l'.repeat(256)), /label/);
});

hashes.run();

const identities = suite('identity');

identities('two seeds give the keys of the vectors', () => {
  for (const [seed, X, E] of [
    [seedA, X_A, E_A],
    [seedB, X_B, E_B],
  ] as const) {
    const identity = identityFromSeed(seed);
    assert.is(toHex(identity.exchange.publicKey), X);
    assert.is(toHex(identity.signing.publicKey), E);
    assert.is(identity.hex, X);
  }
});

identities('its private key opens what is sealed to its public key', () => {
  const { exchange } = identityFromSeed(seedA);
  const box = seal(Uint8Array.of(1, 2, 3), hex(X_A)) as Uint8Array;
  assert.is(toHex(openSealed(box, exchange) as Uint8Array), '010203');
});

identities('new ones differ', () => {
  assert.is.not(newIdentity().hex, newIdentity().hex);
});

identities('wiping leaves no secret in it', () => {
  const identity = identityFromSeed(Uint8Array.from(seedA));
  wipeIdentity(identity);
  const { seed, signing, exchange } = identity;
  for (const secret of [seed, signing.privateKey, exchange.privateKey])
    assert.is(toHex(secret), '00'.repeat(secret.length));
});

identities('fingerprints are those of the vectors', () => {
  assert.is(fingerprint(hex(X_A)), '356074827158314227790975041884');
  assert.is(fingerprint(hex(X_B)), '680040614594486754424750612225');
  assert.is(groupDigits('356074827158314227790975041884'), '35607 48271 58314 22779 09750 41884');
});

identities.run();
