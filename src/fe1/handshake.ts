// The handshake: docs/protocols/fe1.md §5. X25519 and X-Wing together, the shape of PQXDH; the
// initiator's identity is sealed under secrets that no relay and no later quantum computer has.
// It does not authenticate A: only a first body that opens does.
//
//   A                                                            B
//   d2 = DH(ek, X_B)                    opens pbox               d2 = DH(x_B, EK)
//   k1 from d2, DH(ek, SPK_B), ss       opens idbox              …, DH(spk, EK), KEM.dec
//   k2 from k1, DH(x_A, SPK_B), h1      root key, header keys    …, DH(spk, X_A)

import { H, KDF } from '../crypto/hash.ts';
import type { Identity } from '../crypto/identity.ts';
import {
  aeadOpen,
  aeadSeal,
  exchange,
  exchangePair,
  exchangePublic,
  kemDecapsulate,
  kemEncapsulate,
} from '../crypto/sodium.ts';
import { concat, sameBytes, u32 } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { MAGIC, MAX_GEN, PQ_EVERY, TYPE_INIT } from './constants.ts';
import type { Init } from './envelope.ts';
import type { OneTimePrekey, OwnOneTimePrekey, OwnSignedPrekey, SignedPrekey } from './prekeys.ts';
import type { Random } from './random.ts';
import { rejected, root, type Session } from './ratchet.ts';

const ZERO_NONCE = new Uint8Array(24);
const NOTHING = new Uint8Array(0);

export interface InitiateOptions {
  readonly identity: Identity;
  readonly install: Uint8Array;
  readonly gen: number;
  readonly spr: SignedPrekey; // checked
  readonly otk: OneTimePrekey | null; // checked
}

/** A new session as its initiator. Draws ek, the KEM's 64 bytes, the first ratchet key. */
export function initiate(options: InitiateOptions, random: Random): Session {
  const { identity, install, gen, spr, otk } = options;
  if (sameBytes(spr.X, identity.exchange.publicKey)) throw unusable();
  const e = exchangePair(random(32));
  const kem = kemEncapsulate(otk?.KPK ?? spr.KPK, random(64));
  const d2 = exchange(e.privateKey, spr.X);
  const d3 = exchange(e.privateKey, spr.SPK);
  const d1 = exchange(identity.exchange.privateKey, spr.SPK);
  if (!kem || !d1 || !d2 || !d3) throw unusable();

  const pre = concat(MAGIC, Uint8Array.of(TYPE_INIT), e.publicKey, kem.ciphertext);
  const pbox = aeadSeal(
    { key: prekeyKey(spr.X, e.publicKey, d2), nonce: ZERO_NONCE, ad: pre },
    concat(u32(spr.spkId), u32(otk?.otkId ?? 0)),
  );
  const h0 = transcript(spr.bytes, otk?.bytes ?? null, e.publicKey, kem.ciphertext);
  const k1 = KDF(h0, 'fe1.k1', d2, d3, kem.sharedSecret);
  const idbox = aeadSeal(
    { key: k1.subarray(32), nonce: ZERO_NONCE, ad: h0 },
    concat(identity.signing.publicKey, install, u32(gen), u32(0)),
  );
  const A = { E: identity.signing.publicKey, X: identity.exchange.publicKey };
  const h1 = H('fe1.h1', h0, pbox, idbox, A.E, A.X, spr.E, spr.X);
  const keys = sessionKeys(k1, d1, h1);

  const DHs = exchangePair(random(32));
  const dh = exchange(DHs.privateKey, spr.SPK);
  if (!dh) throw unusable();
  const { RK, CK, NHK } = root(keys.RK, dh, null);
  return {
    ...blank,
    sid: keys.sid,
    h1,
    gen,
    initiator: true,
    init: concat(pre, pbox, idbox),
    peerX: spr.X,
    peerE: spr.E,
    peerInstall: spr.install,
    DHs,
    DHr: spr.SPK,
    RK,
    CKs: CK,
    HKs: keys.HKa,
    NHKs: NHK,
    NHKr: keys.NHKb,
    since: 0,
  };
}

export interface RespondOptions {
  readonly identity: Identity;
  /** Own prekeys by id; null when it is unknown, used or wiped. */
  readonly spr: (id: number) => OwnSignedPrekey | null;
  readonly otk: (id: number) => OwnOneTimePrekey | null;
}

export interface Response {
  readonly session: Session;
  /** To be deleted in the transaction that keeps the session; 0 for none. */
  readonly otkId: number;
  readonly spkId: number;
}

/** The session that an INIT asks for. Not to be kept before its first body has opened. */
export function respond(init: Init, { identity, spr, otk }: RespondOptions): Response {
  const own = identity.exchange;
  const d2 = exchange(own.privateKey, init.EK);
  if (!d2) throw rejected();
  const ids = aeadOpen(
    {
      key: prekeyKey(own.publicKey, init.EK, d2),
      nonce: ZERO_NONCE,
      ad: init.prefix.subarray(0, 1156),
    },
    init.pbox,
  );
  if (!ids) throw rejected();
  const view = new DataView(ids.buffer, ids.byteOffset, ids.length);
  const [spkId, otkId] = [view.getUint32(0), view.getUint32(4)];
  const signed = spr(spkId);
  const oneTime = otkId === 0 ? null : otk(otkId);
  if (!signed || (otkId !== 0 && !oneTime)) throw rejected();

  const { spk, record } = signed;
  const d3 = exchange(spk.privateKey, init.EK);
  const ss = kemDecapsulate(init.ct, (oneTime ?? signed).kemSeed);
  if (!d3 || !ss) throw rejected();
  const h0 = transcript(record.bytes, oneTime?.record.bytes ?? null, init.EK, init.ct);
  const k1 = KDF(h0, 'fe1.k1', d2, d3, ss);
  const who = aeadOpen({ key: k1.subarray(32), nonce: ZERO_NONCE, ad: h0 }, init.idbox);
  if (!who) throw rejected();
  const peer = parseIdentity(who);
  if (sameBytes(peer.X, own.publicKey)) throw rejected();

  const d1 = exchange(spk.privateKey, peer.X);
  if (!d1) throw rejected();
  const B = { E: identity.signing.publicKey, X: own.publicKey };
  const h1 = H('fe1.h1', h0, init.pbox, init.idbox, peer.E, peer.X, B.E, B.X);
  const keys = sessionKeys(k1, d1, h1);
  const session: Session = {
    ...blank,
    sid: keys.sid,
    h1,
    gen: peer.gen,
    initiator: false,
    init: null,
    peerX: peer.X,
    peerE: peer.E,
    peerInstall: peer.install,
    DHs: spk,
    DHr: null,
    RK: keys.RK,
    NHKs: keys.NHKb,
    NHKr: keys.HKa,
    since: PQ_EVERY, // offers a KEM key in its first answer
  };
  return { session, otkId, spkId };
}

/** E 32 | install 16 | gen u32 | 0 u32 */
function parseIdentity(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const E = bytes.slice(0, 32);
  const gen = view.getUint32(48);
  const X = exchangePublic(E);
  if (!X || gen >= MAX_GEN || view.getUint32(52) !== 0) throw rejected();
  return { E, X, gen, install: bytes.slice(32, 48) };
}

function prekeyKey(X: Uint8Array, EK: Uint8Array, d2: Uint8Array): Uint8Array {
  return KDF(H('fe1.p0', X, EK), 'fe1.kp', d2).subarray(0, 32);
}

function transcript(
  spr: Uint8Array,
  otk: Uint8Array | null,
  EK: Uint8Array,
  ct: Uint8Array,
): Uint8Array {
  return H('fe1.h0', Uint8Array.of(otk ? 1 : 0), spr, otk ?? NOTHING, EK, ct);
}

function sessionKeys(k1: Uint8Array, d1: Uint8Array, h1: Uint8Array) {
  const k2 = KDF(k1.subarray(0, 32), 'fe1.k2', d1, h1);
  const sk = k2.subarray(32);
  const k3 = KDF(sk, 'fe1.k3');
  return {
    RK: k2.slice(0, 32),
    HKa: k3.slice(0, 32),
    NHKb: k3.slice(32),
    sid: KDF(sk, 'fe1.sid').slice(0, 32),
  };
}

const blank = {
  CKs: null,
  CKr: null,
  Ns: 0,
  Nr: 0,
  PN: 0,
  HKs: null,
  HKr: null,
  pending: false,
  kemSelf: null,
  kemPeer: null,
  kemCt: null,
  skipped: [],
} as const satisfies Partial<Session>;

function unusable(): FleximError {
  return new FleximError('bundle-rejected', 'no session can be opened with these prekeys');
}
