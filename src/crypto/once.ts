// Key pairs that are used once: X25519 and X-Wing, where a negotiation waits for them. X25519 is node:crypto's, which
// takes half as long as libsodium's in WebAssembly, and whose private keys are never bytes that JavaScript
// could copy; ML-KEM is libsodium's. X-Wing is put together here as its draft says, and tried against libsodium's
// own, both ways, before its first use. Where node:crypto has no X25519 all of it is libsodium's.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { concat, toBase64url } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import {
  type Encapsulation,
  equal,
  exchange,
  exchangePair,
  hash,
  KEM_SEED_BYTES,
  KEY_BYTES,
  type KeyPair,
  kemDecapsulate,
  kemEncapsulate,
  kemPair,
  LATTICE_CIPHERTEXT_BYTES,
  LATTICE_PUBLIC_BYTES,
  latticeDecapsulate,
  latticeEncapsulate,
  latticePair,
  randomBytes,
  SEED_BYTES,
  wipe,
} from './sodium.ts';

/** An X25519 key pair. */
export interface Exchange {
  readonly publicKey: Uint8Array;
  /** What both sides compute; null for a weak key. */
  meet(other: Uint8Array): Uint8Array | null;
  forget(): void;
}

/** An X-Wing key pair. */
export interface Kem {
  readonly publicKey: Uint8Array;
  /** The shared secret; null when the ciphertext has a low-order part. */
  decapsulate(ciphertext: Uint8Array): Uint8Array | null;
  forget(): void;
}

/** Where keys for one negotiation come from; vectors need such that can be foretold. */
export interface KeySource {
  exchange(): Exchange;
  kem(): Kem;
  /** To a public key of X-Wing; null for a bad one. */
  encapsulate(publicKey: Uint8Array): Encapsulation | null;
}

// ---- X25519 ----

function publicObject(bytes: Uint8Array): KeyObject {
  return createPublicKey({
    format: 'jwk',
    key: { kty: 'OKP', crv: 'X25519', x: toBase64url(bytes) },
  });
}

// The point that every public key is a multiple of. Public keys are computed with it, not exported: an export holds
// the lock of the pair while it allocates, and Node 20 takes that lock again when the garbage collection of just then
// finds what generateKeyPairSync left behind. The process then waits for itself, for ever. It is rare in a program that
// runs for long, and not in one that has just started (once.long.test.ts).
const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(KEY_BYTES - 1));
let base: KeyObject | null = null;

function publicBytes(privateKey: KeyObject): Uint8Array {
  base ??= publicObject(BASE_POINT);
  return new Uint8Array(diffieHellman({ privateKey, publicKey: base }));
}

function meeting(publicKey: Uint8Array, privateKey: KeyObject): Exchange {
  return {
    publicKey,
    meet: (other) => {
      if (other.length !== KEY_BYTES) throw new TypeError('an X25519 key has 32 bytes');
      try {
        return new Uint8Array(diffieHellman({ privateKey, publicKey: publicObject(other) }));
      } catch {
        return null; // all zero
      }
    },
    forget: () => {}, // it was never ours
  };
}

function nativeExchange(): Exchange {
  const { privateKey } = generateKeyPairSync('x25519');
  return meeting(publicBytes(privateKey), privateKey);
}

function hasNative(): boolean {
  try {
    const [one, other] = [nativeExchange(), exchangePair(randomBytes(KEY_BYTES))];
    const [met, wanted] = [one.meet(other.publicKey), exchange(other.privateKey, one.publicKey)];
    return (
      met !== null &&
      wanted !== null &&
      equal(met, wanted) &&
      one.meet(new Uint8Array(KEY_BYTES)) === null
    );
  } catch {
    return false;
  }
}

let native: boolean | null = null;

/** Looked at when a key is wanted first: a program's start does not wait for it. */
function isNative(): boolean {
  native ??= hasNative();
  return native;
}

/** libsodium's, of a pair. */
export function slowExchange(pair: KeyPair): Exchange {
  return {
    publicKey: pair.publicKey,
    meet: (other) => exchange(pair.privateKey, other),
    forget: () => wipe(pair.privateKey),
  };
}

const known = new WeakMap<KeyPair, Exchange>();

/** A pair that is used again and again: for node:crypto it becomes text once. */
export function exchangeOf(pair: KeyPair): Exchange {
  const made = known.get(pair) ?? madeOf(pair);
  known.set(pair, made);
  return made;
}

function madeOf(pair: KeyPair): Exchange {
  if (!isNative()) return { ...slowExchange(pair), forget: () => {} };
  const [x, d] = [toBase64url(pair.publicKey), toBase64url(pair.privateKey)];
  const key = { kty: 'OKP', crv: 'X25519', x, d };
  return meeting(pair.publicKey, createPrivateKey({ format: 'jwk', key }));
}

/** As crypto_kx: 32 bytes for client to server, 32 for the way back; null when the other key is weak. */
export function sessionKeys(
  role: 'client' | 'server',
  own: Exchange,
  other: Uint8Array,
): Uint8Array | null {
  const met = own.meet(other);
  if (!met) return null;
  const pairs = role === 'client' ? [own.publicKey, other] : [other, own.publicKey];
  const input = concat(met, ...pairs);
  const both = hash(2 * KEY_BYTES, input, null);
  const turned = concat(both.subarray(KEY_BYTES), both.subarray(0, KEY_BYTES));
  wipe(met, input, both);
  return turned;
}

// ---- X-Wing ----

const LABEL = Buffer.from('\\.//^\\', 'latin1');

function combined(...parts: readonly Uint8Array[]): Uint8Array {
  const sum = createHash('sha3-256');
  for (const part of parts) sum.update(part);
  return new Uint8Array(sum.update(LABEL).digest());
}

function fastKem(): Kem {
  const seed = randomBytes(KEM_SEED_BYTES);
  const lattice = latticePair(seed);
  wipe(seed);
  const own = nativeExchange();
  return {
    publicKey: concat(lattice.publicKey, own.publicKey),
    decapsulate: (ciphertext) => {
      const [first, last] = split(ciphertext, LATTICE_CIPHERTEXT_BYTES);
      const met = own.meet(last);
      const secret = latticeDecapsulate(first, lattice.privateKey);
      const shared = met && secret && combined(secret, met, last, own.publicKey);
      for (const each of [met, secret]) if (each) wipe(each);
      return shared;
    },
    forget: () => wipe(lattice.privateKey),
  };
}

function fastEncapsulate(publicKey: Uint8Array): Encapsulation | null {
  const [first, last] = split(publicKey, LATTICE_PUBLIC_BYTES);
  const own = nativeExchange();
  const met = own.meet(last);
  const seed = randomBytes(SEED_BYTES);
  const sent = latticeEncapsulate(first, seed);
  wipe(seed);
  if (!met || !sent) {
    for (const each of [met, sent?.sharedSecret]) if (each) wipe(each);
    return null;
  }
  const sharedSecret = combined(sent.sharedSecret, met, own.publicKey, last);
  wipe(met, sent.sharedSecret);
  return { ciphertext: concat(sent.ciphertext, own.publicKey), sharedSecret };
}

function split(bytes: Uint8Array, at: number): [Uint8Array, Uint8Array] {
  if (bytes.length !== at + KEY_BYTES) throw new TypeError(`must be ${at + KEY_BYTES} bytes`);
  return [bytes.slice(0, at), bytes.slice(at)];
}

/** libsodium's, of a seed. */
export function slowKem(seed: Uint8Array): Kem {
  const { publicKey, privateKey } = kemPair(seed);
  return {
    publicKey,
    decapsulate: (ciphertext) => kemDecapsulate(ciphertext, privateKey),
    forget: () => wipe(privateKey),
  };
}

/** Both ways against libsodium's X-Wing, which has passed its own vector. */
function testKem(): void {
  const [fast, slow] = [fastKem(), slowKem(randomBytes(SEED_BYTES))];
  const there = kemEncapsulate(fast.publicKey, randomBytes(KEM_SEED_BYTES));
  const back = fastEncapsulate(slow.publicKey);
  const met = there && fast.decapsulate(there.ciphertext);
  const other = back && slow.decapsulate(back.ciphertext);
  fast.forget();
  slow.forget();
  if (met && other && equal(met, there.sharedSecret) && equal(other, back.sharedSecret)) return;
  throw new FleximError('crypto-unavailable', 'X-Wing gives a wrong answer. Run npm ci again.');
}

let isTested = false;

function tested<T>(work: () => T): T {
  if (!isTested) testKem();
  isTested = true;
  return work();
}

export const onceKeys: KeySource = {
  exchange: () =>
    isNative() ? nativeExchange() : slowExchange(exchangePair(randomBytes(KEY_BYTES))),
  kem: () => (isNative() ? tested(fastKem) : slowKem(randomBytes(SEED_BYTES))),
  encapsulate: (publicKey) =>
    isNative()
      ? tested(() => fastEncapsulate(publicKey))
      : kemEncapsulate(publicKey, randomBytes(KEM_SEED_BYTES)),
};
