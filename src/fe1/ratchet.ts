// The Double Ratchet with encrypted headers and a periodic X-Wing step: docs/protocols/fe1.md §6. A
// session is a plain value; `encrypt` and `decrypt` give a new one and leave the old one alone. All
// randomness is drawn in `encrypt`, so that receiving is a function of state and envelope.
//
//   header  flags u8 | DH public 32 | PN u32 | N u32        flags 1: ext is a KEM key, 2: a ciphertext

import { KDF } from '../crypto/hash.ts';
import {
  aeadOpen,
  aeadSeal,
  exchange,
  exchangePair,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_BYTES,
  type KeyPair,
  kemDecapsulate,
  kemEncapsulate,
  kemPair,
} from '../crypto/sodium.ts';
import { concat, sameBytes, u32 } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import {
  HEADER_NONCE_BYTES,
  MAX_CHAINS,
  MAX_SKIP,
  MAX_STORED,
  PQ_EVERY,
  SKIP_TTL,
} from './constants.ts';
import { type Body, frameEnvelope, type Plaintext, pad, unpad } from './envelope.ts';
import type { Random } from './random.ts';

const AEAD_BYTES = 16;

export interface SkippedKey {
  readonly n: number;
  readonly mk: Uint8Array;
  readonly at: number; // Unix seconds at which it was kept
}

/** Kept message keys of one receiving chain, by its header key; the newest chain is last. */
export interface SkippedChain {
  readonly hk: Uint8Array;
  readonly keys: readonly SkippedKey[];
}

export interface Session {
  readonly sid: Uint8Array;
  readonly h1: Uint8Array; // additional data of everything in the session
  readonly gen: number;
  readonly initiator: boolean;
  readonly init: Uint8Array | null; // prefix of INIT, until something was received
  readonly peerX: Uint8Array;
  readonly peerE: Uint8Array;
  readonly peerInstall: Uint8Array;

  readonly DHs: KeyPair;
  readonly DHr: Uint8Array | null;
  readonly RK: Uint8Array;
  readonly CKs: Uint8Array | null;
  readonly CKr: Uint8Array | null;
  readonly Ns: number;
  readonly Nr: number;
  readonly PN: number;
  readonly HKs: Uint8Array | null;
  readonly HKr: Uint8Array | null;
  readonly NHKs: Uint8Array;
  readonly NHKr: Uint8Array;
  readonly pending: boolean; // a ratchet step was received and not yet answered by one
  readonly kemSelf: KeyPair | null; // offered in our current chain
  readonly kemPeer: Uint8Array | null; // offered to us
  readonly kemCt: Uint8Array | null; // what answers it, in our current chain
  readonly since: number; // own steps since our last offer
  readonly skipped: readonly SkippedChain[];
}

export interface Root {
  readonly RK: Uint8Array;
  readonly CK: Uint8Array;
  readonly NHK: Uint8Array;
}

/** The root step: a DH secret, and a KEM secret where there is one. */
export function root(rk: Uint8Array, dh: Uint8Array, ss: Uint8Array | null): Root {
  const t = KDF(rk, 'fe1.rk', dh, ...(ss ? [ss] : []));
  const u = KDF(t.subarray(32), 'fe1.rk2');
  return { RK: t.slice(0, 32), CK: u.slice(0, 32), NHK: u.slice(32) };
}

function chain(ck: Uint8Array): { readonly CK: Uint8Array; readonly MK: Uint8Array } {
  const o = KDF(ck, 'fe1.ck');
  return { CK: o.slice(0, 32), MK: o.slice(32) };
}

function bodyKey(mk: Uint8Array, hn: Uint8Array) {
  const o = KDF(mk, 'fe1.mk', hn);
  return { key: o.subarray(0, 32), nonce: o.subarray(32, 56) };
}

// ---- sending ----

export interface Encrypted {
  readonly session: Session;
  readonly envelope: Uint8Array;
}

/** Encrypts into an envelope of a bucket's size. Commit the session before the envelope leaves. */
export function encrypt(session: Session, plaintext: Plaintext, random: Random): Encrypted {
  const s = session.pending ? step(session, random) : session;
  if (!s.CKs || !s.HKs) throw new TypeError('this session cannot send before it received');
  const { CK, MK } = chain(s.CKs);
  const hn = random(HEADER_NONCE_BYTES);
  const flags = s.kemSelf ? 1 : s.kemCt ? 2 : 0;
  const header = concat(Uint8Array.of(flags), s.DHs.publicKey, u32(s.PN), u32(s.Ns));
  const eh = aeadSeal({ key: s.HKs, nonce: hn, ad: s.h1 }, header);
  const offered = s.kemSelf?.publicKey ?? s.kemCt;
  const ext = offered
    ? aeadSeal({ key: s.HKs, nonce: extNonce(hn), ad: s.h1 }, offered)
    : new Uint8Array(0);
  const { key, nonce } = bodyKey(MK, hn);
  const prefix = s.init ? s.init.length : 4;
  const fixed = prefix + hn.length + eh.length + ext.length + AEAD_BYTES;
  const padded = pad(plaintext, fixed);
  const eb = aeadSeal({ key, nonce, ad: concat(s.h1, hn, eh, ext) }, padded);
  return {
    session: { ...s, CKs: CK, Ns: s.Ns + 1 },
    envelope: frameEnvelope(s.init, concat(hn, eh, ext, eb)),
  };
}

/** Our own ratchet step, due at the first sending after a received one. */
function step(s: Session, random: Random): Session {
  if (!s.DHr) throw new TypeError('a step needs the other side');
  const DHs = exchangePair(random(32));
  const answer = s.kemPeer ? kemEncapsulate(s.kemPeer, random(64)) : null;
  if (s.kemPeer && !answer) throw new TypeError('a KEM key was kept unchecked');
  const dh = exchange(DHs.privateKey, s.DHr);
  if (!dh) throw new TypeError('a weak DH key was kept unchecked');
  const { RK, CK, NHK } = root(s.RK, dh, answer?.sharedSecret ?? null);
  const offer = !answer && s.since >= PQ_EVERY ? kemPair(random(32)) : null;
  return {
    ...s,
    PN: s.Ns,
    Ns: 0,
    HKs: s.NHKs,
    DHs,
    RK,
    CKs: CK,
    NHKs: NHK,
    pending: false,
    kemPeer: null,
    kemCt: answer?.ciphertext ?? null,
    kemSelf: offer,
    since: offer ? 0 : s.since + 1,
  };
}

/** ext is sealed under the header's nonce with the last bit of its last byte turned. */
function extNonce(hn: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(hn); // a Buffer's slice would be the envelope itself
  nonce[23] = (hn[23] as number) ^ 1;
  return nonce;
}

// ---- receiving ----

export interface Decrypted {
  readonly session: Session;
  readonly plaintext: Plaintext;
}

interface Header {
  readonly flags: number;
  readonly dh: Uint8Array;
  readonly pn: number;
  readonly n: number;
}

type Found = { readonly which: 'cur' | 'next' | 'old'; readonly hk: Uint8Array; header: Header };

/** The header under one of the session's keys, or null: not for this session. */
function openHeader(s: Session, { hn, eh }: Body): Found | null {
  const attempt = (which: Found['which'], hk: Uint8Array | null): Found | null => {
    const bytes = hk && aeadOpen({ key: hk, nonce: hn, ad: s.h1 }, eh);
    if (!hk || !bytes) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const header = {
      flags: bytes[0] as number,
      dh: bytes.slice(1, 33),
      pn: view.getUint32(33),
      n: view.getUint32(37),
    };
    return { which, hk, header };
  };
  const found = attempt('cur', s.HKr) ?? attempt('next', s.NHKr);
  if (found) return found;
  for (const { hk } of s.skipped)
    if (!s.HKr || !sameBytes(hk, s.HKr)) {
      const old = attempt('old', hk);
      if (old) return old;
    }
  return null;
}

/**
 * Opens an envelope's body on this session. Null: it belongs to another session. Throws
 * `envelope-duplicate` for one that was opened before (or is too old), `envelope-rejected` for
 * everything else; then nothing has changed.
 */
export function decrypt(session: Session, body: Body, now: number): Decrypted | null {
  const found = openHeader(session, body);
  if (!found) return null;
  const { which, hk, header } = found;
  const { ext, rest, sealedExt } = openExt(session, body, hk, header.flags);

  let s = session;
  if (which === 'next') s = receiveStep(session, header, ext, now);
  else if (which === 'cur' && (!s.DHr || !sameBytes(header.dh, s.DHr))) throw rejected();

  let MK: Uint8Array;
  if (which === 'old' || header.n < s.Nr) {
    const kept = takeKey(s, hk, header.n);
    if (!kept) throw new FleximError('envelope-duplicate', 'this envelope was opened before');
    MK = kept.mk;
    s = kept.session;
  } else {
    s = keepUpTo(s, header.n, now);
    const next = chain(s.CKr as Uint8Array);
    MK = next.MK;
    s = { ...s, CKr: next.CK, Nr: header.n + 1 };
  }
  const { key, nonce } = bodyKey(MK, body.hn);
  const ad = concat(session.h1, body.hn, body.eh, sealedExt);
  const padded = aeadOpen({ key, nonce, ad }, rest);
  const plaintext = padded && unpad(padded);
  if (!plaintext) throw rejected();
  return { session: { ...bounded(s), init: null }, plaintext };
}

function openExt(s: Session, { hn, tail }: Body, hk: Uint8Array, flags: number) {
  if (flags > 2) throw rejected();
  const size = flags === 0 ? 0 : flags === 1 ? KEM_PUBLIC_BYTES : KEM_CIPHERTEXT_BYTES;
  const sealedExt = tail.subarray(0, size === 0 ? 0 : size + AEAD_BYTES);
  const rest = tail.subarray(sealedExt.length);
  if (rest.length < AEAD_BYTES + 2) throw rejected();
  const ext = size === 0 ? null : aeadOpen({ key: hk, nonce: extNonce(hn), ad: s.h1 }, sealedExt);
  if (size > 0 && !ext) throw rejected();
  return { ext, rest, sealedExt };
}

/** The other side took a ratchet step: a ciphertext is due exactly when we offered a KEM key. */
function receiveStep(s: Session, header: Header, ext: Uint8Array | null, now: number): Session {
  const { flags, dh, pn } = header;
  if (s.pending || (s.DHr && sameBytes(dh, s.DHr))) throw rejected();
  if ((flags === 2) !== (s.kemSelf !== null)) throw rejected();
  if (!s.CKr && pn !== 0) throw rejected();
  if (s.CKr && pn < s.Nr) throw rejected();
  const before = s.CKr ? keepUpTo(s, pn, now) : s;
  const ss = s.kemSelf && ext ? kemDecapsulate(ext, s.kemSelf.privateKey) : null;
  if (s.kemSelf && !ss) throw rejected();
  const secret = exchange(s.DHs.privateKey, dh);
  if (!secret) throw rejected();
  // An offered key that nothing can be encapsulated to must not make our next sending fail.
  if (flags === 1 && !isKemKey(ext as Uint8Array)) throw rejected();
  const { RK, CK, NHK } = root(s.RK, secret, ss);
  return {
    ...before,
    RK,
    CKr: CK,
    HKr: s.NHKr,
    NHKr: NHK,
    DHr: dh,
    Nr: 0,
    pending: true,
    kemSelf: null,
    kemPeer: flags === 1 ? (ext as Uint8Array) : null,
  };
}

const PROBE = new Uint8Array(64).fill(1);

function isKemKey(key: Uint8Array): boolean {
  return kemEncapsulate(key, PROBE) !== null;
}

// ---- keys of messages that have not come yet ----

/** Keeps the keys Nr..n-1 of the current receiving chain. */
function keepUpTo(s: Session, n: number, now: number): Session {
  const count = n - s.Nr;
  if (count <= 0) return s;
  if (count > MAX_SKIP || !s.CKr || !s.HKr) throw rejected();
  const keys: SkippedKey[] = [];
  let ck = s.CKr;
  for (let i = s.Nr; i < n; i++) {
    const { CK, MK } = chain(ck);
    keys.push({ n: i, mk: MK, at: now });
    ck = CK;
  }
  const hk = s.HKr;
  const last = s.skipped.at(-1);
  const skipped =
    last && sameBytes(last.hk, hk)
      ? [...s.skipped.slice(0, -1), { hk, keys: [...last.keys, ...keys] }]
      : [...s.skipped, { hk, keys }];
  return { ...s, CKr: ck, Nr: n, skipped };
}

function takeKey(s: Session, hk: Uint8Array, n: number) {
  const at = s.skipped.findIndex((each) => sameBytes(each.hk, hk));
  const found = s.skipped[at];
  const key = found?.keys.find((each) => each.n === n);
  if (!found || !key) return null;
  const keys = found.keys.filter((each) => each !== key);
  const skipped = s.skipped.with(at, { hk, keys }).filter((each) => each.keys.length > 0);
  return { mk: key.mk, session: { ...s, skipped } };
}

/** The limits on kept keys: so many chains, so many keys, oldest first out. */
function bounded(s: Session): Session {
  let skipped = s.skipped;
  const isCurrent = (each: SkippedChain) => s.HKr !== null && sameBytes(each.hk, s.HKr);
  const old = skipped.filter((each) => !isCurrent(each)).length;
  if (old > MAX_CHAINS) skipped = skipped.slice(old - MAX_CHAINS);
  let excess = skipped.reduce((sum, { keys }) => sum + keys.length, 0) - MAX_STORED;
  if (excess > 0) {
    skipped = skipped
      .map(({ hk, keys }) => {
        const cut = Math.min(Math.max(excess, 0), keys.length);
        excess -= cut;
        return { hk, keys: keys.slice(cut) };
      })
      .filter(({ keys }) => keys.length > 0);
  }
  return skipped === s.skipped ? s : { ...s, skipped };
}

/** Forgets kept keys that have expired. */
export function expire(s: Session, now: number): Session {
  const isFresh = ({ at }: SkippedKey) => at > now - SKIP_TTL;
  if (s.skipped.every(({ keys }) => keys.every(isFresh))) return s;
  const skipped = s.skipped
    .map(({ hk, keys }) => ({ hk, keys: keys.filter(isFresh) }))
    .filter(({ keys }) => keys.length > 0);
  return { ...s, skipped };
}

export function rejected(): FleximError {
  return new FleximError('envelope-rejected', 'this envelope cannot be opened');
}
