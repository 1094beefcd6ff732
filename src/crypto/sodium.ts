// The only door to libsodium. Every argument is checked to be a Uint8Array of the right length,
// because the library takes strings where keys belong, and an empty key as "no key". Importing this
// module runs the self test: the shipped types declare functions that do not exist at run time. X-Wing, whose
// test takes as long as the rest of the start, is tested before its first use.

import { randomFillSync } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { concat, utf8 } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';

await sodium.ready;

export const KEY_BYTES = 32;
export const SEED_BYTES = 32;
export const SIGNING_KEY_BYTES = 64;
export const SEAL_OVERHEAD = 48;
const SEAL_NONCE_BYTES = 24;
export const AEAD_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 24;
export const AEAD_OVERHEAD = 16;
export const HASH_BYTES = 64;
export const SIGNATURE_BYTES = 64;
export const KEM_PUBLIC_BYTES = 1216;
export const KEM_CIPHERTEXT_BYTES = 1120;
export const KEM_SEED_BYTES = 64;
export const STREAM_HEADER_BYTES = 24;

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

const store = new Uint8Array(4_096); // random bytes that nobody had: store[0..left)
const STORED = 256; // more at a time are drawn by themselves
let left = 0;

/**
 * Random bytes from Node's generator, which the operating system seeds. libsodium's own asks JavaScript
 * again for every few bytes, and so takes longer than encrypting a message. A few are drawn with many
 * others, since a call costs as much as a thousand bytes; what was given out is here no more.
 */
export function randomBytes(length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 0) throw misuse('the length', 'a whole number');
  if (length > STORED) return randomFillSync(new Uint8Array(length));
  if (left < length) {
    randomFillSync(store);
    left = store.length;
  }
  left -= length;
  const bytes = store.slice(left, left + length);
  store.fill(0, left, left + length);
  return bytes;
}

/** Overwrites what is no longer needed. JavaScript may keep copies elsewhere: THREATS.md. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) sodium.memzero(secret);
}

/** Compares in constant time; different lengths are different. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return isBytes(a) && isBytes(b) && a.length === b.length && sodium.memcmp(a, b);
}

/** BLAKE2b; `key` null for unkeyed, else 16 to 64 bytes. */
export function hash(length: number, message: Uint8Array, key: Uint8Array | null): Uint8Array {
  bytes('message', message);
  if (key !== null && (!isBytes(key) || key.length < 16 || key.length > 64))
    throw misuse('hash key', 'null or 16 to 64 bytes');
  return sodium.crypto_generichash(length, message, key);
}

/** Ed25519 key pair of a seed; the private key is 64 bytes. */
export function signingPair(seed: Uint8Array): KeyPair {
  return pairOnly(sodium.crypto_sign_seed_keypair(bytes('seed', seed, SEED_BYTES)));
}

/** X25519 public key of an Ed25519 public key; null for one that is no good point. */
export function exchangePublic(signingPublic: Uint8Array): Uint8Array | null {
  bytes('Ed25519 public key', signingPublic, KEY_BYTES);
  return attempt(() => sodium.crypto_sign_ed25519_pk_to_curve25519(signingPublic));
}

export function exchangePrivate(signingPrivate: Uint8Array): Uint8Array {
  bytes('Ed25519 private key', signingPrivate, SIGNING_KEY_BYTES);
  return sodium.crypto_sign_ed25519_sk_to_curve25519(signingPrivate);
}

/** X25519 key pair of 32 random bytes. */
export function exchangePair(privateKey: Uint8Array): KeyPair {
  bytes('X25519 private key', privateKey, KEY_BYTES);
  return { publicKey: sodium.crypto_scalarmult_base(privateKey), privateKey };
}

/** X25519; null when the result is all zero, as with a key of low order. */
export function exchange(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null {
  bytes('X25519 private key', privateKey, KEY_BYTES);
  bytes('X25519 public key', publicKey, KEY_BYTES);
  return attempt(() => sodium.crypto_scalarmult(privateKey, publicKey));
}

/** Signs under a context, which ends with a zero byte, so that no two uses meet. */
export function sign(context: string, message: Uint8Array, keys: KeyPair): Uint8Array {
  bytes('Ed25519 private key', keys.privateKey, SIGNING_KEY_BYTES);
  return sodium.crypto_sign_detached(inContext(context, message), keys.privateKey);
}

export function verify(
  context: string,
  message: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  bytes('signature', signature, SIGNATURE_BYTES);
  bytes('Ed25519 public key', publicKey, KEY_BYTES);
  const signed = inContext(context, message);
  return attempt(() => sodium.crypto_sign_verify_detached(signature, signed, publicKey)) === true;
}

function inContext(context: string, message: Uint8Array): Uint8Array {
  bytes('message', message);
  return concat(utf8(`${context}\0`), message);
}

/**
 * Anonymous sealed box; null when the recipient's key is weak (low order). It is crypto_box_seal step by
 * step: libsodium's own takes nearly twice as long, for the reason given at `randomBytes`.
 */
export function seal(message: Uint8Array, recipient: Uint8Array): Uint8Array | null {
  bytes('message', message);
  bytes('recipient', recipient, KEY_BYTES);
  const once = exchangePair(randomBytes(KEY_BYTES));
  const nonce = hash(SEAL_NONCE_BYTES, concat(once.publicKey, recipient), null);
  const box = attempt(() => sodium.crypto_box_easy(message, nonce, recipient, once.privateKey));
  wipe(once.privateKey);
  return box && concat(once.publicKey, box);
}

/** What is in a sealed box, or null when it is not for this key or not whole. */
export function openSealed(box: Uint8Array, keys: KeyPair): Uint8Array | null {
  bytes('box', box);
  bytes('public key', keys.publicKey, KEY_BYTES);
  bytes('private key', keys.privateKey, KEY_BYTES);
  if (box.length < SEAL_OVERHEAD) return null;
  return attempt(() => sodium.crypto_box_seal_open(box, keys.publicKey, keys.privateKey));
}

export interface Aead {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ad: Uint8Array;
}

/** XChaCha20-Poly1305 (IETF). */
export function aeadSeal({ key, nonce, ad }: Aead, message: Uint8Array): Uint8Array {
  checkAead(key, nonce, ad);
  bytes('message', message);
  return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(message, ad, null, nonce, key);
}

/** The message, or null: wrong key, nonce or data, or changed bytes. */
export function aeadOpen({ key, nonce, ad }: Aead, box: Uint8Array): Uint8Array | null {
  checkAead(key, nonce, ad);
  bytes('box', box);
  if (box.length < AEAD_OVERHEAD) return null;
  return attempt(() =>
    sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, box, ad, nonce, key),
  );
}

/** X-Wing (X25519 and ML-KEM-768) key pair of a 32-byte seed, which is the private key. */
export function kemPair(seed: Uint8Array): KeyPair {
  return tested().pair(bytes('seed', seed, SEED_BYTES));
}

export interface Encapsulation {
  readonly ciphertext: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** Encapsulates with the given 64 random bytes; null for a bad key. */
export function kemEncapsulate(publicKey: Uint8Array, seed: Uint8Array): Encapsulation | null {
  bytes('KEM public key', publicKey, KEM_PUBLIC_BYTES);
  bytes('KEM seed', seed, KEM_SEED_BYTES);
  return tested().encapsulate(publicKey, seed);
}

/** The shared secret; null when the ciphertext has a low-order part. */
export function kemDecapsulate(ciphertext: Uint8Array, seed: Uint8Array): Uint8Array | null {
  bytes('KEM ciphertext', ciphertext, KEM_CIPHERTEXT_BYTES);
  bytes('seed', seed, SEED_BYTES);
  return tested().decapsulate(ciphertext, seed);
}

const XWING = {
  pair: (seed: Uint8Array) => pairOnly(sodium.crypto_kem_xwing_seed_keypair(seed)),
  encapsulate: (publicKey: Uint8Array, seed: Uint8Array): Encapsulation | null =>
    attempt(() => sodium.crypto_kem_xwing_enc_deterministic(publicKey, seed)),
  decapsulate: (ciphertext: Uint8Array, seed: Uint8Array) =>
    attempt(() => sodium.crypto_kem_xwing_dec(ciphertext, seed)),
};
let isTested = false;

function tested(): typeof XWING {
  if (!isTested) testXwing();
  isTested = true;
  return XWING;
}

// ---- ML-KEM-768 alone, for crypto/once.ts ----

export const LATTICE_PUBLIC_BYTES = 1184;
export const LATTICE_PRIVATE_BYTES = 2400;
export const LATTICE_CIPHERTEXT_BYTES = 1088;

export function latticePair(seed: Uint8Array): KeyPair {
  return pairOnly(sodium.crypto_kem_mlkem768_seed_keypair(bytes('seed', seed, KEM_SEED_BYTES)));
}

/** Null for a bad key. */
export function latticeEncapsulate(publicKey: Uint8Array, seed: Uint8Array): Encapsulation | null {
  bytes('ML-KEM public key', publicKey, LATTICE_PUBLIC_BYTES);
  bytes('seed', seed, SEED_BYTES);
  return attempt(() => sodium.crypto_kem_mlkem768_enc_deterministic(publicKey, seed));
}

export function latticeDecapsulate(
  ciphertext: Uint8Array,
  privateKey: Uint8Array,
): Uint8Array | null {
  bytes('ML-KEM ciphertext', ciphertext, LATTICE_CIPHERTEXT_BYTES);
  bytes('ML-KEM private key', privateKey, LATTICE_PRIVATE_BYTES);
  return attempt(() => sodium.crypto_kem_mlkem768_dec(ciphertext, privateKey));
}

/**
 * What crypto_secretstream_xchacha20poly1305 works on, for crypto/secretstream.ts alone. The wrapped calls
 * allocate and copy for each message, and never free a state; these are the same functions beneath them.
 */
export interface StreamEngine {
  readonly HEAPU8: Uint8Array; // another one when the memory has grown
  _malloc(length: number): number;
  _free(address: number): void;
  /** state, box, 0, message and its length (low, high), no additional data, tag. */
  _crypto_secretstream_xchacha20poly1305_push(
    ...args: [number, number, 0, number, number, 0, 0, 0, 0, number]
  ): number;
}

export const streamEngine = (sodium as unknown as { libsodium: StreamEngine }).libsodium;

/** The state of a stream, at either end: both begin alike. It is the caller's to free. */
export function streamState(header: Uint8Array, key: Uint8Array): number {
  bytes('stream header', header, STREAM_HEADER_BYTES);
  bytes('stream key', key, KEY_BYTES);
  const init = sodium.crypto_secretstream_xchacha20poly1305_init_pull;
  return init(header, key) as unknown as number;
}

function checkAead(key: Uint8Array, nonce: Uint8Array, ad: Uint8Array): void {
  bytes('key', key, AEAD_KEY_BYTES);
  bytes('nonce', nonce, AEAD_NONCE_BYTES);
  bytes('additional data', ad);
}

/** libsodium-wrappers throws for "no" and for misuse alike; misuse is excluded by the checks above. */
function attempt<T>(call: () => T): T | null {
  try {
    return call();
  } catch {
    return null;
  }
}

/** Without the library's name of the kind of key, which has no place in what is stored. */
function pairOnly({ publicKey, privateKey }: KeyPair): KeyPair {
  return { publicKey, privateKey };
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function bytes(what: string, value: Uint8Array, length?: number): Uint8Array {
  if (!isBytes(value)) throw misuse(what, 'a Uint8Array');
  if (length !== undefined && value.length !== length) throw misuse(what, `${length} bytes`);
  return value;
}

/** A mistake in the calling code, so no FleximError. It never shows the value. */
function misuse(what: string, wanted: string): TypeError {
  return new TypeError(`${what} must be ${wanted}`);
}

const USED = [
  'crypto_aead_xchacha20poly1305_ietf_decrypt',
  'crypto_aead_xchacha20poly1305_ietf_encrypt',
  'crypto_box_easy',
  'crypto_box_seal_open',
  'crypto_generichash',
  'crypto_kem_mlkem768_dec',
  'crypto_kem_mlkem768_enc_deterministic',
  'crypto_kem_mlkem768_seed_keypair',
  'crypto_kem_xwing_dec',
  'crypto_kem_xwing_enc_deterministic',
  'crypto_kem_xwing_seed_keypair',
  'crypto_scalarmult',
  'crypto_scalarmult_base',
  'crypto_secretstream_xchacha20poly1305_init_pull',
  'crypto_sign_detached',
  'crypto_sign_ed25519_pk_to_curve25519',
  'crypto_sign_ed25519_sk_to_curve25519',
  'crypto_sign_seed_keypair',
  'crypto_sign_verify_detached',
  'memcmp',
  'memzero',
] as const satisfies readonly (keyof typeof sodium)[];

/** What `streamEngine` is made of. */
const BENEATH = [
  '_malloc',
  '_free',
  '_crypto_secretstream_xchacha20poly1305_push',
] as const satisfies readonly (keyof StreamEngine)[];

// X-Wing draft, first vector; BLAKE2b known-answer file, empty message under the key 00 01 … 3f.
const XWING_SEED = '7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26';
const XWING_ENC_SEED =
  '3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2' +
  '35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2';
const XWING_SECRET = 'd2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384';
const BLAKE2B_KEYED =
  '10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786' +
  'b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568';

/** Throws `crypto-unavailable` unless every used function exists and the known answers come out. */
export function selfTest(library: Readonly<Record<string, unknown>> = { ...sodium }): void {
  testFunctions(library);
  testXwing();
}

function testFunctions(library: Readonly<Record<string, unknown>>): void {
  const missing = USED.filter((name) => typeof library[name] !== 'function');
  if (missing.length > 0) throw unavailable(`it lacks ${missing.join(', ')}`);
  const beneath = library.libsodium as Readonly<Record<string, unknown>> | undefined;
  const lost = BENEATH.filter((name) => typeof beneath?.[name] !== 'function');
  if (lost.length > 0) throw unavailable(`it lacks ${lost.join(', ')}`);
  const key = Uint8Array.from({ length: 64 }, (_, i) => i);
  if (!equal(hash(HASH_BYTES, new Uint8Array(0), key), bytesOf(BLAKE2B_KEYED)))
    throw unavailable('keyed BLAKE2b gives a wrong answer');
}

function testXwing(): void {
  const { pair, encapsulate, decapsulate } = XWING;
  const { publicKey, privateKey } = pair(bytesOf(XWING_SEED));
  const sent = encapsulate(publicKey, bytesOf(XWING_ENC_SEED));
  const got = sent && decapsulate(sent.ciphertext, privateKey);
  if (!sent || !got || !equal(got, bytesOf(XWING_SECRET)) || !equal(sent.sharedSecret, got))
    throw unavailable('X-Wing gives a wrong answer');
}

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

function unavailable(why: string): FleximError {
  return new FleximError(
    'crypto-unavailable',
    `libsodium is not usable: ${why}. Run npm ci again.`,
  );
}

testFunctions({ ...sodium });
