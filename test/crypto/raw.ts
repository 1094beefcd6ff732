// libsodium without our door, for tests only: what src/ has no use for but is built on (ML-KEM-768
// under X-Wing, Ed25519 without a context). Null for whatever the library refuses.

import sodium from 'libsodium-wrappers';

await sodium.ready;

type Bytes = Uint8Array;

function attempt<T>(call: () => T): T | null {
  try {
    return call();
  } catch {
    return null;
  }
}

export const mlkemPair = (seed: Bytes) =>
  attempt(() => sodium.crypto_kem_mlkem768_seed_keypair(seed));

export const mlkemEncapsulate = (publicKey: Bytes, seed: Bytes) =>
  attempt(() => sodium.crypto_kem_mlkem768_enc_deterministic(publicKey, seed));

export const mlkemDecapsulate = (ciphertext: Bytes, privateKey: Bytes) =>
  attempt(() => sodium.crypto_kem_mlkem768_dec(ciphertext, privateKey));

export const sign = (message: Bytes, privateKey: Bytes) =>
  sodium.crypto_sign_detached(message, privateKey);

export const verify = (signature: Bytes, message: Bytes, publicKey: Bytes) =>
  attempt(() => sodium.crypto_sign_verify_detached(signature, message, publicKey)) === true;
