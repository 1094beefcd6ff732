// An identity is a 32-byte seed. The Ed25519 pair (E, e) comes from it, and from that the X25519
// pair (X, x); X is the public key under which people and relays know the identity.

import { toHex } from '../lib/bytes.ts';
import { H } from './hash.ts';
import {
  exchangePrivate,
  exchangePublic,
  hash,
  type KeyPair,
  randomBytes,
  SEED_BYTES,
  signingPair,
  wipe,
} from './sodium.ts';

export interface Identity {
  readonly seed: Uint8Array;
  readonly signing: KeyPair; // E, e
  readonly exchange: KeyPair; // X, x
  readonly hex: string; // X, canonical
}

export function identityFromSeed(seed: Uint8Array): Identity {
  const signing = signingPair(seed);
  const X = exchangePublic(signing.publicKey);
  if (!X) throw new TypeError('no identity can be made of this seed');
  const exchange = { publicKey: X, privateKey: exchangePrivate(signing.privateKey) };
  return { seed, signing, exchange, hex: toHex(X) };
}

export function newIdentity(): Identity {
  return identityFromSeed(randomBytes(SEED_BYTES));
}

/** Overwrites the secrets. The identity is of no use afterwards. */
export function wipeIdentity(identity: Identity): void {
  wipe(identity.seed, identity.signing.privateKey, identity.exchange.privateKey);
}

/**
 * Whether a public key is the one text of its value: X25519 takes the top bit and numbers from
 * 2^255 - 19 up as other spellings, and one private key must not be two users.
 */
export function isCanonical(X: Uint8Array): boolean {
  const high = X[31] as number;
  if (high < 0x7f) return true;
  return high === 0x7f && ((X[0] as number) < 0xed || X.subarray(1, 31).some((b) => b !== 0xff));
}

const FINGERPRINT_ROUNDS = 5_199;

/** One person's half of a safety number: 30 digits, stretched against look-alike keys. */
export function fingerprint(X: Uint8Array): string {
  let h = H('fe1.safety', X);
  const input = new Uint8Array(h.length + X.length);
  input.set(X, h.length);
  for (let i = 0; i < FINGERPRINT_ROUNDS; i++) {
    input.set(h);
    h = hash(h.length, input, null);
  }
  let digits = '';
  for (let i = 0; i < 30; i += 5) {
    const group = Buffer.from(h).readUIntBE(i, 5) % 100_000;
    digits += String(group).padStart(5, '0');
  }
  return digits;
}

/** Groups of five digits, for people. */
export function groupDigits(digits: string): string {
  return digits.match(/.{1,5}/g)?.join(' ') ?? '';
}
