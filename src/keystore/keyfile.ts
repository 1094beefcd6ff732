// The `.fxk` key file, bytes <-> content: docs/protocols/fe1.md §16. Pure but for scrypt's time.
// A file is one flat record of 162 to 290 bytes; nothing in it makes the reader spend memory or time
// beyond the scrypt parameters, and those are bounded before they are used.
//
//   0  5 "FXKEY"   5 1 version   6 1 kdf   7 1 log2 N   8 1 r   9 1 p   10 6 zero   16 32 salt   48 24 nonce
//  72 .. payload: seed 32 || store_key 32 || created u64 || u16 n || label n
//        kdf 0: payload || checksum 16        kdf 1: AEAD(scrypt(passphrase), nonce, ad = header, payload)

import { scrypt } from 'node:crypto';
import { H } from '../crypto/hash.ts';
import {
  AEAD_KEY_BYTES,
  AEAD_NONCE_BYTES,
  aeadOpen,
  aeadSeal,
  SEED_BYTES,
  wipe,
} from '../crypto/sodium.ts';
import { concat, sameBytes, utf8, view } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';

export const SALT_BYTES = 32;
export const STORE_KEY_BYTES = 32;
export const MAX_LABEL_BYTES = 128;
export const WRITE_LOG2N = 17;
const MAGIC = utf8('FXKEY');
const VERSION = 1;
const KDF_NONE = 0;
const KDF_SCRYPT = 1;
const R = 8;
const P = 1;
const MIN_LOG2N = 15; // below, guessing is cheap: a swapped header must not weaken the next save
const MAX_LOG2N = 18; // 256 MiB; above, a hostile file eats the memory
const HEADER_BYTES = 72;
const FIXED_BYTES = SEED_BYTES + STORE_KEY_BYTES + 8 + 2;
const TAIL_BYTES = 16; // checksum and AEAD tag are of one length
const MIN_FILE = HEADER_BYTES + FIXED_BYTES + TAIL_BYTES;

export interface KeyContent {
  readonly seed: Uint8Array;
  readonly storeKey: Uint8Array;
  readonly created: number; // Unix seconds
  readonly label: string;
}

/** What makes two locked files of one content differ. Never the same twice. */
export interface Randomness {
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly log2N?: number; // 17; lower in tests only
}

/** The bytes of a key file; unlocked, and without randomness, when the passphrase is null. */
export async function encode(
  content: KeyContent,
  passphrase: string | null,
  { salt, nonce, log2N = WRITE_LOG2N }: Randomness,
): Promise<Uint8Array> {
  const locked = passphrase !== null;
  if (passphrase === '') throw new FleximError('bad-input', 'a passphrase must not be empty');
  if (salt.length !== SALT_BYTES || nonce.length !== AEAD_NONCE_BYTES)
    throw new TypeError('a key file takes 32 bytes of salt and 24 of nonce');
  if (!(log2N >= MIN_LOG2N && log2N <= MAX_LOG2N)) throw new TypeError('log2N is out of bounds');
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  header.set([VERSION, locked ? KDF_SCRYPT : KDF_NONE, log2N, R, P], MAGIC.length);
  const payload = encodePayload(content);
  try {
    if (!locked) return concat(header, payload, checksum(header, payload));
    header.set(salt, 16);
    header.set(nonce, 48);
    const key = await deriveKey(header, passphrase);
    try {
      return concat(header, aeadSeal({ key, nonce, ad: header }, payload));
    } finally {
      wipe(key);
    }
  } finally {
    wipe(payload);
  }
}

/**
 * The content of a key file. Throws `key-version`, `key-damaged`, `passphrase-needed` (locked, and no
 * passphrase given) or `passphrase-wrong`. The passphrase of an unlocked file is not looked at.
 */
export async function decode(bytes: Uint8Array, passphrase: string | null): Promise<KeyContent> {
  if (!isLocked(bytes)) {
    const payload = bytes.subarray(HEADER_BYTES, bytes.length - TAIL_BYTES);
    const sum = checksum(bytes.subarray(0, HEADER_BYTES), payload);
    if (!sameBytes(sum, bytes.subarray(bytes.length - TAIL_BYTES)))
      throw damaged('its checksum does not match');
    return decodePayload(payload);
  }
  if (passphrase === null)
    throw new FleximError('passphrase-needed', 'the key is locked and no passphrase was given');
  const key = await deriveKey(bytes, passphrase);
  try {
    return openLocked(bytes, key);
  } finally {
    wipe(key);
  }
}

/** Whether a passphrase is needed. Throws `key-version` or `key-damaged` for what is no key file. */
export function isLocked(bytes: Uint8Array): boolean {
  if (!sameBytes(bytes.subarray(0, MAGIC.length), MAGIC))
    throw damaged('it does not begin like a key file');
  if (bytes.length < MIN_FILE || bytes.length > MIN_FILE + MAX_LABEL_BYTES)
    throw damaged(`no key file has ${bytes.length} bytes`);
  const [version, kdf, log2N = 0, r, p] = bytes.subarray(MAGIC.length);
  if (version !== VERSION) throw newer(`its version is ${version}, known is ${VERSION}`);
  if (kdf !== KDF_NONE && kdf !== KDF_SCRYPT) throw newer(`its kind of lock is ${kdf}`);
  if (log2N < MIN_LOG2N || log2N > MAX_LOG2N || r !== R || p !== P)
    throw damaged('its scrypt parameters are not acceptable');
  // Nothing is ignored: what is not used now is zero, so that a later version can use it.
  const unused = bytes.subarray(10, kdf === KDF_NONE ? HEADER_BYTES : 16);
  if (unused.some((byte) => byte !== 0)) throw damaged('its unused bytes are not zero');
  return kdf === KDF_SCRYPT;
}

/** What a file shows to who cannot open it: of a locked one no other has the same. */
export function openPart(bytes: Uint8Array): Uint8Array {
  return bytes.slice(0, HEADER_BYTES);
}

/** The AEAD key of a locked file's header; checks nothing, `isLocked` comes first. */
export function deriveKey(bytes: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const secret = utf8(passphrase.normalize('NFKC'));
  const N = 2 ** (bytes[7] ?? 0);
  const options = { N, r: R, p: P, maxmem: 128 * N * R + 2 ** 20 };
  return new Promise((resolve, reject) => {
    scrypt(secret, bytes.slice(16, 48), AEAD_KEY_BYTES, options, (error, key) => {
      wipe(secret);
      if (error) reject(error);
      else resolve(new Uint8Array(key.buffer, key.byteOffset, key.length));
    });
  });
}

/** The content of a locked file, given its AEAD key. */
export function openLocked(bytes: Uint8Array, key: Uint8Array): KeyContent {
  const ad = bytes.subarray(0, HEADER_BYTES);
  const payload = aeadOpen({ key, nonce: bytes.subarray(48, 72), ad }, bytes.subarray(72));
  if (!payload)
    throw new FleximError('passphrase-wrong', 'wrong passphrase, or the key file is damaged');
  try {
    return decodePayload(payload);
  } finally {
    wipe(payload);
  }
}

function encodePayload({ seed, storeKey, created, label }: KeyContent): Uint8Array {
  if (seed.length !== SEED_BYTES || storeKey.length !== STORE_KEY_BYTES)
    throw new TypeError('seed and store key have 32 bytes each');
  if (!Number.isSafeInteger(created) || created < 0)
    throw new TypeError('the time of creation is not in Unix seconds');
  const text = utf8(label);
  if (text.length > MAX_LABEL_BYTES)
    throw new FleximError(
      'bad-input',
      `a label has at most ${MAX_LABEL_BYTES} bytes; this one has ${text.length}`,
    );
  if (decodeUtf8(text) !== label)
    throw new FleximError('bad-input', 'the label is not valid Unicode text');
  const numbers = new Uint8Array(10);
  view(numbers).writeBigUInt64BE(BigInt(created), 0);
  view(numbers).writeUInt16BE(text.length, 8);
  return concat(seed, storeKey, numbers, text);
}

function decodePayload(payload: Uint8Array): KeyContent {
  const numbers = view(payload).subarray(SEED_BYTES + STORE_KEY_BYTES, FIXED_BYTES);
  const created = Number(numbers.readBigUInt64BE(0));
  if (!Number.isSafeInteger(created)) throw damaged('its time of creation is not plausible');
  const text = payload.subarray(FIXED_BYTES);
  if (numbers.readUInt16BE(8) !== text.length) throw damaged('its label has another length');
  const label = decodeUtf8(text);
  if (label === null) throw damaged('its label is not valid UTF-8');
  return {
    seed: payload.slice(0, SEED_BYTES),
    storeKey: payload.slice(SEED_BYTES, SEED_BYTES + STORE_KEY_BYTES),
    created,
    label,
  };
}

/** The text, with a byte order mark kept: it has to come out as it went in. */
function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function checksum(header: Uint8Array, payload: Uint8Array): Uint8Array {
  return H('flexim.keyfile', header, payload).subarray(0, TAIL_BYTES);
}

function damaged(why: string): FleximError {
  return new FleximError(
    'key-damaged',
    `the key file is damaged: ${why}. Take it from a backup, or restore the identity from paper`,
  );
}

function newer(why: string): FleximError {
  return new FleximError(
    'key-version',
    `the key file is of a newer flexim: ${why}. Update flexim; if it is up to date, the file is damaged`,
  );
}
