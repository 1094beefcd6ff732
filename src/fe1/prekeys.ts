// Prekey records: docs/protocols/fe1.md §4. Parse and encode side by side; a record that passes `check…`
// is whole, signed by the identity it names, newer than what was seen, and not expired.
//
//   SPR  "FE1P" | versions u32 | X 32 | E 32 | install 16 | seq u64 | expires u64 | spk_id u32 |
//        SPK 32 | KPK 1216 | signature 64                                                      1420 bytes
//   OTK  "FE1O" | X 32 | install 16 | otk_id u32 | KPK 1216 | signature 64                      1336 bytes

import type { Identity } from '../crypto/identity.ts';
import {
  exchangePair,
  exchangePublic,
  hash,
  type KeyPair,
  kemPair,
  sign,
  verify,
} from '../crypto/sodium.ts';
import { concat, sameBytes, u32, u64, utf8 } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { SPR_GRACE } from './constants.ts';
import type { Random } from './random.ts';

export const SPR_BYTES = 1420;
export const OTK_BYTES = 1336;
export const INSTALL_BYTES = 16;
const SPR_MAGIC = utf8('FE1P');
const OTK_MAGIC = utf8('FE1O');
const SPR_CONTEXT = 'flexim/fe1/spr';
const OTK_CONTEXT = 'flexim/fe1/otk';
const SIGNATURE_BYTES = 64;
const VERSION_FE1 = 1;

export interface SignedPrekey {
  readonly bytes: Uint8Array;
  readonly versions: number;
  readonly X: Uint8Array;
  readonly E: Uint8Array;
  readonly install: Uint8Array;
  readonly seq: number;
  readonly expires: number;
  readonly spkId: number;
  readonly SPK: Uint8Array;
  readonly KPK: Uint8Array;
}

export interface OneTimePrekey {
  readonly bytes: Uint8Array;
  readonly X: Uint8Array;
  readonly install: Uint8Array;
  readonly otkId: number;
  readonly KPK: Uint8Array;
}

/** What a responder keeps of a record that he published. */
export interface OwnSignedPrekey {
  readonly record: SignedPrekey;
  readonly spk: KeyPair;
  readonly kemSeed: Uint8Array;
}
export interface OwnOneTimePrekey {
  readonly record: OneTimePrekey;
  readonly kemSeed: Uint8Array;
}

export interface NewSignedPrekey {
  readonly install: Uint8Array;
  readonly seq: number;
  readonly expires: number;
  readonly spkId: number;
}

/** Makes and signs an SPR. Draws the SPK's private key, then the KEM seed. */
export function makeSignedPrekey(
  identity: Identity,
  { install, seq, expires, spkId }: NewSignedPrekey,
  random: Random,
): OwnSignedPrekey {
  const spk = exchangePair(random(32));
  const kemSeed = random(32);
  const body = concat(
    SPR_MAGIC,
    u32(VERSION_FE1),
    identity.exchange.publicKey,
    identity.signing.publicKey,
    install,
    u64(seq),
    u64(expires),
    u32(spkId),
    spk.publicKey,
    kemPair(kemSeed).publicKey,
  );
  const bytes = concat(body, sign(SPR_CONTEXT, body, identity.signing));
  return { record: parseSignedPrekey(bytes) as SignedPrekey, spk, kemSeed };
}

/** Makes and signs an OTK. Draws the KEM seed. */
export function makeOneTimePrekey(
  identity: Identity,
  { install, otkId }: { readonly install: Uint8Array; readonly otkId: number },
  random: Random,
): OwnOneTimePrekey {
  const kemSeed = random(32);
  const body = concat(
    OTK_MAGIC,
    identity.exchange.publicKey,
    install,
    u32(otkId),
    kemPair(kemSeed).publicKey,
  );
  const bytes = concat(body, sign(OTK_CONTEXT, body, identity.signing));
  return { record: parseOneTimePrekey(bytes) as OneTimePrekey, kemSeed };
}

/** The fields of an SPR, or null when it is none by length, magic or version; nothing is verified. */
export function parseSignedPrekey(bytes: Uint8Array): SignedPrekey | null {
  if (bytes.length !== SPR_BYTES || !sameBytes(bytes.subarray(0, 4), SPR_MAGIC)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const versions = view.getUint32(4);
  const seq = Number(view.getBigUint64(88));
  const expires = Number(view.getBigUint64(96));
  const spkId = view.getUint32(104);
  if ((versions & VERSION_FE1) === 0 || spkId === 0) return null;
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(expires)) return null;
  const kept = new Uint8Array(bytes); // a Buffer's slice would share its memory
  return {
    bytes: kept,
    versions,
    X: kept.subarray(8, 40),
    E: kept.subarray(40, 72),
    install: kept.subarray(72, 88),
    seq,
    expires,
    spkId,
    SPK: kept.subarray(108, 140),
    KPK: kept.subarray(140, 1356),
  };
}

export function parseOneTimePrekey(bytes: Uint8Array): OneTimePrekey | null {
  if (bytes.length !== OTK_BYTES || !sameBytes(bytes.subarray(0, 4), OTK_MAGIC)) return null;
  const kept = new Uint8Array(bytes); // a Buffer's slice would share its memory
  const otkId = new DataView(kept.buffer).getUint32(52);
  return {
    bytes: kept,
    X: kept.subarray(4, 36),
    install: kept.subarray(36, 52),
    otkId,
    KPK: kept.subarray(56, 1272),
  };
}

/** What is remembered of the newest SPR seen of a peer. */
export interface SeenBundle {
  readonly E: Uint8Array;
  readonly seq: number;
  readonly versions: number;
  readonly digest: Uint8Array; // of the whole record
}

export function seenBundle({ E, seq, versions, bytes }: SignedPrekey): SeenBundle {
  return { E, seq, versions, digest: hash(32, bytes, null) };
}

export interface BundleCheck {
  readonly X: Uint8Array; // of whom it was asked
  readonly now: number;
  readonly seen: SeenBundle | null;
}

/** The checks of §4.3 in their order. Throws `bundle-rejected`, and never says which one failed. */
export function checkSignedPrekey(bytes: Uint8Array, { X, now, seen }: BundleCheck): SignedPrekey {
  const record = parseSignedPrekey(bytes);
  if (!record || !sameBytes(record.X, X) || !ownsExchangeKey(record.E, record.X)) throw rejected();
  if (!signedBy(record.E, SPR_CONTEXT, record.bytes)) throw rejected();
  if (seen) {
    if (!sameBytes(seen.E, record.E) || record.seq < seen.seq) throw rejected();
    if (record.seq === seen.seq && !sameBytes(seenBundle(record).digest, seen.digest))
      throw rejected();
    if ((record.versions & seen.versions) >>> 0 !== seen.versions >>> 0) throw rejected();
  }
  if (record.expires <= now - SPR_GRACE) throw rejected();
  return record;
}

/** The OTK that belongs to this SPR, or null: then one goes on without, and counts it. */
export function checkOneTimePrekey(bytes: Uint8Array, spr: SignedPrekey): OneTimePrekey | null {
  const record = parseOneTimePrekey(bytes);
  if (!record || !sameBytes(record.X, spr.X) || !sameBytes(record.install, spr.install))
    return null;
  if (record.otkId === 0 || !signedBy(spr.E, OTK_CONTEXT, record.bytes)) return null;
  return record;
}

/** E certifies itself for X: the map from E to X is 2-to-1, and nobody can sign under -E (§3.2). */
export function ownsExchangeKey(E: Uint8Array, X: Uint8Array): boolean {
  const mapped = exchangePublic(E);
  return mapped !== null && sameBytes(mapped, X);
}

function signedBy(E: Uint8Array, context: string, bytes: Uint8Array): boolean {
  const end = bytes.length - SIGNATURE_BYTES;
  return verify(context, bytes.subarray(0, end), bytes.subarray(end), E);
}

function rejected(): FleximError {
  return new FleximError(
    'bundle-rejected',
    'the prekeys that the relay gave for this person are not valid; nothing was sent',
  );
}
