// What people keep, for fuzzing: key files, paper backups and pins.

import { H } from '../../src/crypto/hash.ts';
import { aeadSeal } from '../../src/crypto/sodium.ts';
import { decode, deriveKey, encode, isLocked, openLocked } from '../../src/keystore/keyfile.ts';
import { decodePaper, encodePaper } from '../../src/keystore/paper.ts';
import { parseLine } from '../../src/keystore/pins.ts';
import { concat, sameBytes } from '../../src/lib/bytes.ts';
import { FleximError } from '../../src/lib/errors.ts';

const HEADER = 72;
const TAIL = 16;
const KDF = 6; // where the header says how the file is locked
const PASSPHRASE = 'a passphrase';
const content = (label: string) => ({
  seed: new Uint8Array(32).fill(1),
  storeKey: new Uint8Array(32).fill(2),
  created: 1_700_000_000,
  label,
});
const file = (label: string, passphrase: string | null) =>
  encode(content(label), passphrase, {
    salt: new Uint8Array(32).fill(3),
    nonce: new Uint8Array(24).fill(4),
    log2N: 15,
  });

const unlocked = [
  await file('', null),
  await file('m\xfcller', null),
  await file('x'.repeat(128), null),
];
const locked = await file('home', PASSPHRASE);
const key = await deriveKey(locked, PASSPHRASE); // the one scrypt for all inputs

export const keyFileSeeds = [...unlocked, locked];
export const payloadSeeds = unlocked.map((bytes) => bytes.slice(HEADER, -TAIL));
export const paperSeeds = [
  encodePaper(content('').seed),
  encodePaper(new Uint8Array(32).fill(0xa5)).toLowerCase().replaceAll('-', '\u2013 '),
  '0oO1iIlL'.repeat(7),
];

/** A key file as it is; a locked one is opened with the key that fits the seed. */
export function keyFile(bytes: Uint8Array): unknown {
  return isLocked(bytes) ? openLocked(bytes, key) : decode(bytes, null);
}

/** A key file whose checksum, or tag, is good whatever stands in it. */
export async function keyFileMadeGood(bytes: Uint8Array): Promise<void> {
  const header = bytes.subarray(0, HEADER);
  const payload = bytes.subarray(HEADER, Math.max(HEADER, bytes.length - TAIL));
  const whole = header[KDF] === 1 ? withTag(header, payload) : withChecksum(header, payload);
  if (isLocked(whole)) openLocked(whole, key);
  else await decode(whole, null);
}

/** The payload alone: a locked and an unlocked file are to say the same about it. */
export async function keyPayload(payload: Uint8Array): Promise<void> {
  const open = withChecksum((unlocked[0] as Uint8Array).subarray(0, HEADER), payload);
  const shut = withTag(locked.subarray(0, HEADER), payload);
  const said = (error: unknown) => {
    if (error instanceof FleximError) return error.message;
    throw error;
  };
  const one = await decode(open, null).catch(said);
  let other: typeof one;
  try {
    isLocked(shut);
    other = openLocked(shut, key);
  } catch (error) {
    other = said(error);
  }
  if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error('locked is not as unlocked');
  if (typeof one === 'string') throw new FleximError('key-damaged', one);
}

function withChecksum(header: Uint8Array, payload: Uint8Array): Uint8Array {
  return concat(header, payload, H('flexim.keyfile', header, payload).subarray(0, TAIL));
}

function withTag(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const nonce = header.slice(48, HEADER);
  if (nonce.length !== 24) return concat(header, payload); // too short to be any file
  return concat(header, aeadSeal({ key, nonce, ad: header }, payload));
}

export function paper(text: string): void {
  const seed = decodePaper(text);
  if (text.replace(/[\s\p{Pd}]/gu, '').length !== 56) throw new Error('not 56 characters');
  if (!sameBytes(decodePaper(encodePaper(seed)), seed)) throw new Error('another seed came back');
}

/** A file of pins: it is good when every line of it is. */
export function pinLines(text: string): void {
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const pin = parseLine(line);
    if (!pin) throw new FleximError('config-invalid', 'damaged');
    const [place, hex = ''] = line.split(' ');
    if (pin.place !== place || pin.hex !== hex.toLowerCase() || hex.length !== 64)
      throw new Error('another pin came out');
  }
}
