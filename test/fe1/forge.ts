// What a liar can make: an INIT or a body with any field, by the same steps as src/fe1 and in its
// own code. Where a lie makes a secret that libsodium refuses to compute, the liar knows it: zeros.

import { H, KDF } from '../../src/crypto/hash.ts';
import {
  aeadSeal,
  exchange,
  exchangePair,
  type KeyPair,
  kemEncapsulate,
  sign,
} from '../../src/crypto/sodium.ts';
import { root, type Session } from '../../src/fe1/ratchet.ts';
import { concat, u32, utf8 } from '../../src/lib/bytes.ts';
import { flipped, type Person, SPK_ID } from './pair.ts';

const ZEROS = new Uint8Array(32);
const Z24 = new Uint8Array(24);
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

/** X25519 public keys that give zeros with every private key. */
export const LOW_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].flatMap((text) => [hex(text), flipped(hex(text), 31, 0x80)]);

/** Ed25519 keys that are no keys: of order 1, 2, 4 and 8, and no point at all. */
export const BAD_SIGNING_KEYS = [
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `02${'00'.repeat(31)}`,
  'ff'.repeat(32),
].map(hex);

/** A record with other bytes from `at`, signed anew by whoever. */
export function resigned(
  record: Uint8Array,
  by: Person,
  changes: readonly (readonly [at: number, bytes: Uint8Array])[],
): Uint8Array {
  const body = Uint8Array.from(record.subarray(0, record.length - 64));
  for (const [at, bytes] of changes) body.set(bytes, at);
  const context = record[3] === 0x50 ? 'flexim/fe1/spr' : 'flexim/fe1/otk';
  return concat(body, sign(context, body, by.identity.signing));
}

export interface FalseInit {
  readonly from: Person;
  readonly to: Person;
  readonly otk?: boolean;
  readonly claim?: Uint8Array; // E in the idbox
  readonly EK?: Uint8Array; // of low order
  readonly ct?: Uint8Array; // nobody can open it
  readonly spkId?: number;
  readonly otkId?: number;
  readonly gen?: number;
  readonly reserved?: number;
}

/** The session of an INIT with lies in it, as if every check at B were to pass. */
export function forgeInit(lie: FalseInit, X = lie.from.identity.exchange.publicKey): Session {
  const { from, to, otk = true } = lie;
  const { random } = from;
  const { record } = to.spr;
  const own = from.identity;
  const fresh = exchangePair(random(32));
  const EK = lie.EK ?? fresh.publicKey;
  const kem = kemEncapsulate(otk ? to.otk.record.KPK : record.KPK, random(64));
  if (!kem) throw new TypeError('a bad KEM key');
  const ct = lie.ct ?? kem.ciphertext;
  const ss = lie.ct ? ZEROS : kem.sharedSecret;
  const dh = (key: Uint8Array) => (lie.EK ? ZEROS : secret(fresh, key));
  const d2 = dh(record.X);
  const pre = concat(utf8('FE1'), Uint8Array.of(1), EK, ct);
  const kp = KDF(H('fe1.p0', record.X, EK), 'fe1.kp', d2).subarray(0, 32);
  const ids = concat(u32(lie.spkId ?? SPK_ID), u32(lie.otkId ?? (otk ? to.otk.record.otkId : 0)));
  const pbox = aeadSeal({ key: kp, nonce: Z24, ad: pre }, ids);
  const records = [record.bytes, otk ? to.otk.record.bytes : new Uint8Array(0)];
  const h0 = H('fe1.h0', Uint8Array.of(otk ? 1 : 0), ...records, EK, ct);
  const k1 = KDF(h0, 'fe1.k1', d2, dh(record.SPK), ss);
  const E = lie.claim ?? own.signing.publicKey;
  const who = concat(E, from.install, u32(lie.gen ?? 1), u32(lie.reserved ?? 0));
  const idbox = aeadSeal({ key: k1.subarray(32), nonce: Z24, ad: h0 }, who);
  const h1 = H('fe1.h1', h0, pbox, idbox, E, X, record.E, record.X);
  const k2 = KDF(k1.subarray(0, 32), 'fe1.k2', secret(own.exchange, record.SPK), h1);
  const k3 = KDF(k2.subarray(32), 'fe1.k3');
  const DHs = exchangePair(random(32));
  const { RK, CK, NHK } = root(k2.slice(0, 32), secret(DHs, record.SPK), null);
  return {
    ...{ sid: KDF(k2.subarray(32), 'fe1.sid').slice(0, 32), h1, gen: lie.gen ?? 1 },
    ...{ initiator: true, init: concat(pre, pbox, idbox) },
    ...{ peerX: record.X, peerE: record.E, peerInstall: record.install },
    ...{ DHs, DHr: record.SPK, RK, CKs: CK, CKr: null, Ns: 0, Nr: 0, PN: 0 },
    ...{ HKs: k3.slice(0, 32), HKr: null, NHKs: NHK, NHKr: k3.slice(32), pending: false },
    ...{ kemSelf: null, kemPeer: null, kemCt: null, since: 0, skipped: [] },
  };
}

function secret(own: KeyPair, key: Uint8Array): Uint8Array {
  const shared = exchange(own.privateKey, key);
  if (!shared) throw new TypeError('a weak key');
  return shared;
}

export interface FalseBody {
  readonly flags?: number;
  readonly dh?: Uint8Array;
  readonly pn?: number;
  readonly n?: number;
  readonly ext?: Uint8Array; // before it is sealed
  readonly padded?: Uint8Array; // what is inside
  readonly hn?: Uint8Array;
}

/** The next envelope of a session (after its step), with lies in header, ext or padding. */
export function forgeBody(s: Session, lie: FalseBody): Uint8Array {
  const { CKs, HKs } = s;
  if (!CKs || !HKs || s.pending) throw new TypeError('no sending chain');
  const hn = lie.hn ?? Uint8Array.from({ length: 24 }, (_, i) => i + 1);
  const { dh = s.DHs.publicKey, flags = 0, pn = s.PN, n = s.Ns } = lie;
  const header = concat(Uint8Array.of(flags), dh, u32(pn), u32(n));
  const eh = aeadSeal({ key: HKs, nonce: hn, ad: s.h1 }, header);
  const sealed = { key: HKs, nonce: flipped(hn, 23), ad: s.h1 };
  const ext = lie.ext ? aeadSeal(sealed, lie.ext) : new Uint8Array(0);
  const mk = KDF(CKs, 'fe1.ck').subarray(32);
  const o = KDF(mk, 'fe1.mk', hn);
  const ad = concat(s.h1, hn, eh, ext);
  const inside = lie.padded ?? Uint8Array.of(1, 0x6f, 0x6b, 0x80);
  const eb = aeadSeal({ key: o.subarray(0, 32), nonce: o.subarray(32, 56), ad }, inside);
  return concat(s.init ?? Uint8Array.of(0x46, 0x45, 0x31, 2), hn, eh, ext, eb);
}
