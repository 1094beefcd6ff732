// Known answers of others, test/vectors/known/*.json, against what src/crypto/sodium.ts gives: that the
// library computes what its names promise, and refuses what has to be refused.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as door from '../../src/crypto/sodium.ts';
import { concat, toHex, utf8 } from '../../src/lib/bytes.ts';
import * as raw from './raw.ts';

type Case = Readonly<Record<string, string>> & { readonly flags: readonly string[] };

const folder = new URL('../vectors/known/', import.meta.url);
const read = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
const hex = (text: string | undefined) => Uint8Array.from(Buffer.from(text as string, 'hex'));
const hexOrNull = (bytes: Uint8Array | null) => (bytes ? toHex(bytes) : null);
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const used = new Set<string>();
const test = suite('known answers');

/** One test for a file; every case of it is looked at, and the failing one is named. */
function file(name: string, check: (each: Case) => void): void {
  used.add(name);
  test(name, () => {
    const { cases } = read(name) as { cases: Case[] };
    assert.ok(cases.length > 0);
    for (const each of cases)
      try {
        check(each);
      } catch (error) {
        const which = each.tcId ? `tcId ${each.tcId} (${each.comment}, ${each.flags})` : '';
        throw new Error(`${name} ${which}: ${error}`);
      }
  });
}

file('rfc7748', ({ scalar, u, out, iterations }) => {
  if (scalar) return assert.is(hexOrNull(door.exchange(hex(scalar), hex(u))), out);
  let k = concat(Uint8Array.of(9), new Uint8Array(31));
  let point = k;
  for (let i = 0; i < Number(iterations); i++)
    [k, point] = [door.exchange(k, point) as Uint8Array, k];
  assert.is(toHex(k), out);
});

file('rfc8032', ({ seed, pk, msg, sig }) => {
  const pair = door.signingPair(hex(seed));
  assert.is(toHex(pair.publicKey), pk);
  assert.is(toHex(raw.sign(hex(msg), pair.privateKey)), sig);
  assert.ok(raw.verify(hex(sig), hex(msg), hex(pk)));
});

// The draft gives X25519 results of zero as well; we take none.
file('wycheproof-x25519', ({ public: publicKey, private: privateKey, shared, flags }) => {
  const zero = flags.includes('ZeroSharedSecret');
  assert.is(zero, /^0*$/.test(shared as string));
  assert.is(hexOrNull(door.exchange(hex(privateKey), hex(publicKey))), zero ? null : shared);
});

file('wycheproof-ed25519', ({ pk, msg, sig, result }) => {
  assert.is(raw.verify(hex(sig), hex(msg), hex(pk)), result === 'valid');
  if (hex(sig).length === door.SIGNATURE_BYTES) return;
  assert.throws(() => door.verify('', hex(msg), hex(sig), hex(pk)), /signature must be 64 bytes/);
});

file('wycheproof-xchacha20-poly1305', ({ key, iv, aad, msg, ct, tag, result, flags }) => {
  const lock = { key: hex(key), nonce: hex(iv), ad: hex(aad) };
  const box = concat(hex(ct), hex(tag));
  if (flags.includes('InvalidNonceSize')) {
    assert.throws(() => door.aeadSeal(lock, hex(msg)), /nonce must be 24 bytes/);
    assert.throws(() => door.aeadOpen(lock, box), /nonce must be 24 bytes/);
  } else if (result === 'valid') {
    assert.is(toHex(door.aeadSeal(lock, hex(msg))), toHex(box));
    assert.is(hexOrNull(door.aeadOpen(lock, box)), msg);
  } else {
    assert.is(door.aeadOpen(lock, box), null);
  }
});

file('wycheproof-mlkem-768-keygen-seed', ({ seed, ekSha256, dkSha256 }) => {
  const pair = raw.mlkemPair(hex(seed));
  assert.ok(pair);
  assert.is(digest(pair.publicKey), ekSha256);
  assert.is(digest(pair.privateKey), dkSha256);
});

file('wycheproof-mlkem-768-encaps', ({ m, ek, cSha256, K, result }) => {
  const sent = raw.mlkemEncapsulate(hex(ek), hex(m));
  if (result !== 'valid') assert.is(sent, null);
  else
    assert.equal([sent && digest(sent.ciphertext), sent && toHex(sent.sharedSecret)], [cSha256, K]);
  // The same key in front of an X25519 key is an X-Wing key, good or bad as it is.
  const curve = door.exchangePair(new Uint8Array(32).fill(7)).publicKey;
  const hybrid = () => door.kemEncapsulate(concat(hex(ek), curve), concat(hex(m), hex(m)));
  if (hex(ek).length !== 1184) return assert.throws(hybrid, /KEM public key must be 1216 bytes/);
  assert.is(hybrid() === null, result !== 'valid');
  const zero = concat(hex(ek), new Uint8Array(32));
  assert.is(door.kemEncapsulate(zero, concat(hex(m), hex(m))), null);
});

file('wycheproof-mlkem-768', ({ seed, ekSha256, c, K, result }) => {
  const pair = raw.mlkemPair(hex(seed));
  if (pair && ekSha256) assert.is(digest(pair.publicKey), ekSha256);
  const got = pair && raw.mlkemDecapsulate(hex(c), pair.privateKey);
  assert.is(hexOrNull(got), result === 'valid' ? K : null);
});

file('x-wing', ({ seed, eseed, ss, pkSha256, ctSha256 }) => {
  const pair = door.kemPair(hex(seed));
  assert.is(digest(pair.publicKey), pkSha256);
  const sent = door.kemEncapsulate(pair.publicKey, hex(eseed));
  assert.ok(sent);
  assert.is(digest(sent.ciphertext), ctSha256);
  assert.is(toHex(sent.sharedSecret), ss);
  assert.is(hexOrNull(door.kemDecapsulate(sent.ciphertext, pair.privateKey)), ss);
  const low = concat(sent.ciphertext.subarray(0, 1088), new Uint8Array(32));
  assert.is(door.kemDecapsulate(low, pair.privateKey), null, 'a low-order part is refused');
});

test('a signature under a context is one of context, zero byte and message', () => {
  const { cases } = read('rfc8032') as { cases: Case[] };
  for (const { seed, msg } of cases) {
    const pair = door.signingPair(hex(seed));
    const signed = concat(utf8('some/context'), Uint8Array.of(0), hex(msg));
    const signature = door.sign('some/context', hex(msg), pair);
    assert.is(toHex(signature), toHex(raw.sign(signed, pair.privateKey)));
    assert.ok(door.verify('some/context', hex(msg), signature, pair.publicKey));
    assert.not(door.verify('some/contexu', hex(msg), signature, pair.publicKey));
    assert.not(door.verify('some/context', concat(hex(msg), hex('00')), signature, pair.publicKey));
    assert.not(door.verify('some/context', hex(msg), hex('00'.repeat(64)), pair.publicKey));
  }
});

test('every file is used, and says where it is from and under which licence', () => {
  const names = readdirSync(folder).map((name) => name.replace(/\.json$/, ''));
  assert.equal(names.sort(), [...used].sort());
  for (const name of names) {
    const { source, licence } = read(name);
    assert.ok(source && licence, name);
  }
});

test.run();
