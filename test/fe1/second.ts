// A second implementation of FE1, of the responder's side: prekeys, the answer to an INIT, the ratchet
// both ways. Written from the text of docs/protocols/fe1.md on other primitives (noble), slow and
// obvious, without a line of src/: what the two agree on is the protocol. A state here is changed in
// place, after a copy was tried.

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';

export type Bytes = Uint8Array;
export type Draw = (length: number) => Bytes;

// ---- bytes ----

const ascii = (text: string): Bytes => Uint8Array.from([...text].map((c) => c.charCodeAt(0)));
const join = (...parts: Bytes[]): Bytes => Uint8Array.from(parts.flatMap((part) => [...part]));
const same = (a: Bytes, b: Bytes) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const NONE = new Uint8Array(0);

/** An unsigned number in so many bytes, big-endian. */
function number(value: number, width: number): Bytes {
  const out = new Uint8Array(width);
  let rest = BigInt(value);
  for (let i = width - 1; i >= 0; i--) {
    out[i] = Number(rest % 256n);
    rest /= 256n;
  }
  return out;
}

function readNumber(bytes: Bytes, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}

// ---- functions of 3.0 ----

const label = (l: string) => join(number(l.length, 1), ascii(l));

export function H(l: string, ...data: Bytes[]): Bytes {
  return blake2b(join(label(l), ...data), { dkLen: 64 });
}

export function KDF(k: Bytes, l: string, ...data: Bytes[]): Bytes {
  if (k.length !== 32 && k.length !== 64) throw new Error('KDF key');
  return blake2b(join(label(l), ...data), { dkLen: 64, key: k });
}

const DH = (sk: Bytes, pk: Bytes): Bytes => x25519.getSharedSecret(sk, pk);

const SEAL = (k: Bytes, n: Bytes, ad: Bytes, m: Bytes): Bytes =>
  xchacha20poly1305(k, n, ad).encrypt(m);

function OPEN(k: Bytes, n: Bytes, ad: Bytes, c: Bytes): Bytes | null {
  try {
    return xchacha20poly1305(k, n, ad).decrypt(c);
  } catch {
    return null;
  }
}

const SIGN = (seed: Bytes, ctx: string, m: Bytes): Bytes =>
  ed25519.sign(join(ascii(ctx), number(0, 1), m), seed);

const Z24 = new Uint8Array(24);

export const KEM = {
  pair: (seed: Bytes): Bytes => xwing.keygen(seed).publicKey,
  enc: (pk: Bytes, seed: Bytes) => xwing.encapsulate(pk, seed),
  dec: (ct: Bytes, seed: Bytes): Bytes => xwing.decapsulate(ct, seed),
};

// ---- 3.1 identity, 3.2 prekeys ----

export interface Person {
  seed: Bytes;
  E: Bytes;
  X: Bytes;
  x: Bytes;
}

export function person(seed: Bytes): Person {
  const E = ed25519.getPublicKey(seed);
  return { seed, E, X: ed25519.utils.toMontgomery(E), x: ed25519.utils.toMontgomerySecret(seed) };
}

export interface Spr {
  bytes: Bytes;
  id: number;
  spk: Bytes;
  kemSeed: Bytes;
}

export function makeSpr(
  me: Person,
  about: { install: Bytes; seq: number; expires: number; spkId: number },
  draw: Draw,
): Spr {
  const spk = draw(32);
  const kemSeed = draw(32);
  const body = join(
    ascii('FE1P'),
    number(1, 4),
    me.X,
    me.E,
    about.install,
    number(about.seq, 8),
    number(about.expires, 8),
    number(about.spkId, 4),
    x25519.getPublicKey(spk),
    KEM.pair(kemSeed),
  );
  const bytes = join(body, SIGN(me.seed, 'flexim/fe1/spr', body));
  return { bytes, id: about.spkId, spk, kemSeed };
}

export interface Otk {
  bytes: Bytes;
  id: number;
  kemSeed: Bytes;
}

export function makeOtk(me: Person, install: Bytes, id: number, draw: Draw): Otk {
  const kemSeed = draw(32);
  const body = join(ascii('FE1O'), me.X, install, number(id, 4), KEM.pair(kemSeed));
  return { bytes: join(body, SIGN(me.seed, 'flexim/fe1/otk', body)), id, kemSeed };
}

// ---- the state of a session ----

interface Stored {
  hk: Bytes;
  n: number;
  mk: Bytes;
  at: number;
}

export interface State {
  sid: Bytes;
  h1: Bytes;
  gen: number;
  peerE: Bytes;
  peerX: Bytes;
  peerInstall: Bytes;
  priv: Bytes; // DHs
  pub: Bytes;
  DHr: Bytes | null;
  RK: Bytes;
  CKs: Bytes | null;
  CKr: Bytes | null;
  Ns: number;
  Nr: number;
  PN: number;
  HKs: Bytes | null;
  HKr: Bytes | null;
  NHKs: Bytes;
  NHKr: Bytes;
  pending: boolean;
  kemSelf: { seed: Bytes; pub: Bytes } | null;
  kemPeer: Bytes | null;
  kemCt: Bytes | null;
  since: number;
  stored: Stored[];
}

// ---- 3.3 the responder's half of the handshake ----

/** The session of an INIT; throws when the INIT is no good. Nothing is authentic yet. */
export function respond(me: Person, env: Bytes, sprs: Spr[], otks: Otk[]): State {
  const pre = env.slice(0, 1156);
  const EK = env.slice(4, 36);
  const ct = env.slice(36, 1156);
  const pbox = env.slice(1156, 1180);
  const idbox = env.slice(1180, 1252);

  const d2 = DH(me.x, EK);
  const kp = KDF(H('fe1.p0', me.X, EK), 'fe1.kp', d2).slice(0, 32);
  const ids = OPEN(kp, Z24, pre, pbox);
  if (!ids) throw new Error('pbox');
  const spr = sprs.find(({ id }) => id === readNumber(ids, 0, 4));
  const otkId = readNumber(ids, 4, 4);
  const otk = otks.find(({ id }) => id === otkId);
  if (!spr || (otkId !== 0 && !otk)) throw new Error('unknown prekey');

  const ss = KEM.dec(ct, otk ? otk.kemSeed : spr.kemSeed);
  const h0 = H('fe1.h0', number(otk ? 1 : 0, 1), spr.bytes, otk ? otk.bytes : NONE, EK, ct);
  const k1 = KDF(h0, 'fe1.k1', join(d2, DH(spr.spk, EK), ss));
  const id = OPEN(k1.slice(32, 64), Z24, h0, idbox);
  if (!id) throw new Error('idbox');
  const E_A = id.slice(0, 32);
  const X_A = ed25519.utils.toMontgomery(E_A);
  const gen = readNumber(id, 48, 4);
  if (same(X_A, me.X) || readNumber(id, 52, 4) !== 0 || gen >= 2 ** 31) throw new Error('identity');
  const h1 = H('fe1.h1', h0, pbox, idbox, E_A, X_A, me.E, me.X);
  const k2 = KDF(k1.slice(0, 32), 'fe1.k2', join(DH(spr.spk, X_A), h1));
  const sk = k2.slice(32, 64);
  const k3 = KDF(sk, 'fe1.k3');
  return {
    sid: KDF(sk, 'fe1.sid').slice(0, 32),
    h1,
    gen,
    peerE: E_A,
    peerX: X_A,
    peerInstall: id.slice(32, 48),
    priv: spr.spk,
    pub: x25519.getPublicKey(spr.spk),
    DHr: null,
    RK: k2.slice(0, 32),
    CKs: null,
    CKr: null,
    Ns: 0,
    Nr: 0,
    PN: 0,
    HKs: null,
    HKr: null,
    NHKs: k3.slice(32, 64),
    NHKr: k3.slice(0, 32),
    pending: false,
    kemSelf: null,
    kemPeer: null,
    kemCt: null,
    since: 10,
    stored: [],
  };
}

// ---- 3.4 the ratchet ----

function ROOT(rk: Bytes, dh: Bytes, ss: Bytes | null) {
  const t = KDF(rk, 'fe1.rk', join(dh, ss ?? NONE));
  const u = KDF(t.slice(32, 64), 'fe1.rk2');
  return { RK: t.slice(0, 32), CK: u.slice(0, 32), NHK: u.slice(32, 64) };
}

function CHAIN(ck: Bytes) {
  const o = KDF(ck, 'fe1.ck');
  return { CK: o.slice(0, 32), MK: o.slice(32, 64) };
}

function BODY(mk: Bytes, hn: Bytes) {
  const o = KDF(mk, 'fe1.mk', hn);
  return { K: o.slice(0, 32), N: o.slice(32, 56) };
}

function other(hn: Bytes): Bytes {
  const turned = hn.slice();
  turned[23] = (turned[23] as number) ^ 1;
  return turned;
}

const BUCKETS = [512, 1024, 2048, 4096, 8192, 16384, 32768, 49152, 65024];

function pad(type: number, content: Bytes, around: number): Bytes {
  const plain = join(number(type, 1), content, number(0x80, 1));
  const size = BUCKETS.find((bucket) => bucket >= around + plain.length);
  if (!size || content.length > 61440) throw new Error('too large');
  return join(plain, new Uint8Array(size - around - plain.length));
}

/** An envelope; the responder has received before it sends, so it is a MSG. */
export function send(s: State, type: number, content: Bytes, draw: Draw): Bytes {
  if (s.pending) {
    s.PN = s.Ns;
    s.Ns = 0;
    s.HKs = s.NHKs;
    s.priv = draw(32);
    s.pub = x25519.getPublicKey(s.priv);
    let ss: Bytes | null = null;
    s.kemCt = null;
    if (s.kemPeer) {
      const sent = KEM.enc(s.kemPeer, draw(64));
      s.kemCt = sent.cipherText;
      ss = sent.sharedSecret;
      s.kemPeer = null;
    }
    const root = ROOT(s.RK, DH(s.priv, s.DHr as Bytes), ss);
    s.RK = root.RK;
    s.CKs = root.CK;
    s.NHKs = root.NHK;
    s.pending = false;
    s.kemSelf = null;
    if (!s.kemCt && s.since >= 10) {
      const seed = draw(32);
      s.kemSelf = { seed, pub: KEM.pair(seed) };
      s.since = 0;
    } else {
      s.since += 1;
    }
  }
  const { CK, MK } = CHAIN(s.CKs as Bytes);
  const HKs = s.HKs as Bytes;
  const hn = draw(24);
  const flags = s.kemSelf ? 1 : s.kemCt ? 2 : 0;
  const header = join(number(flags, 1), s.pub, number(s.PN, 4), number(s.Ns, 4));
  const eh = SEAL(HKs, hn, s.h1, header);
  const carried = flags === 1 ? (s.kemSelf?.pub as Bytes) : flags === 2 ? (s.kemCt as Bytes) : null;
  const ext = carried ? SEAL(HKs, other(hn), s.h1, carried) : NONE;
  const { K, N } = BODY(MK, hn);
  const around = 4 + 24 + 57 + ext.length + 16;
  const eb = SEAL(K, N, join(s.h1, hn, eh, ext), pad(type, content, around));
  s.CKs = CK;
  s.Ns += 1;
  return join(ascii('FE1'), number(2, 1), hn, eh, ext, eb);
}

export type Outcome = { type: number; content: Bytes } | 'not mine' | 'duplicate' | 'rejected';

/** Tries an envelope on a copy of the state and keeps the copy only when everything opened. */
export function receive(s: State, env: Bytes, now: number): Outcome {
  const copy: State = { ...s, stored: [...s.stored] };
  try {
    const outcome = open(copy, env, now);
    if (typeof outcome === 'object') Object.assign(s, copy);
    return outcome;
  } catch {
    return 'rejected';
  }
}

function open(s: State, env: Bytes, now: number): Outcome {
  const from = env[3] === 1 ? 1252 : 4;
  const hn = env.slice(from, from + 24);
  const eh = env.slice(from + 24, from + 81);
  const tail = env.slice(from + 81);

  let which: 'cur' | 'next' | 'old' | null = null;
  let header: Bytes | null = null;
  let hk: Bytes = NONE;
  const keys: ['cur' | 'next' | 'old', Bytes | null][] = [
    ['cur', s.HKr],
    ['next', s.NHKr],
    ...s.stored.map(({ hk }): ['old', Bytes] => ['old', hk]),
  ];
  for (const [kind, key] of keys) {
    if (header || !key) continue;
    header = OPEN(key, hn, s.h1, eh);
    if (header) [which, hk] = [kind, key];
  }
  if (!header) return 'not mine';
  const flags = header[0] as number;
  const dh = header.slice(1, 33);
  const pn = readNumber(header, 33, 4);
  const n = readNumber(header, 37, 4);
  if (flags > 2) return 'rejected';
  const size = flags === 1 ? 1232 : flags === 2 ? 1136 : 0;
  const ext = tail.slice(0, size);
  const carried = size > 0 ? OPEN(hk, other(hn), s.h1, ext) : NONE;
  if (!carried) return 'rejected';

  if (which === 'next') {
    if (s.pending || (s.DHr && same(dh, s.DHr))) return 'rejected';
    if ((flags === 2) !== (s.kemSelf !== null)) return 'rejected';
    if (s.CKr) store(s, pn, now);
    else if (pn !== 0) return 'rejected';
    const ss = flags === 2 ? KEM.dec(carried, (s.kemSelf as { seed: Bytes }).seed) : null;
    const root = ROOT(s.RK, DH(s.priv, dh), ss);
    s.RK = root.RK;
    s.CKr = root.CK;
    s.HKr = s.NHKr;
    s.NHKr = root.NHK;
    s.DHr = dh;
    s.Nr = 0;
    s.pending = true;
    s.kemSelf = null;
    s.kemPeer = flags === 1 ? carried : null;
  } else if (which === 'cur' && !same(dh, s.DHr as Bytes)) {
    return 'rejected';
  }

  let MK: Bytes;
  if (which === 'old' || n < s.Nr) {
    const at = s.stored.findIndex((each) => same(each.hk, hk) && each.n === n);
    if (at < 0) return 'duplicate';
    MK = (s.stored[at] as Stored).mk;
    s.stored.splice(at, 1);
  } else {
    store(s, n, now);
    const step = CHAIN(s.CKr as Bytes);
    MK = step.MK;
    s.CKr = step.CK;
    s.Nr = n + 1;
  }
  const { K, N } = BODY(MK, hn);
  const plain = OPEN(K, N, join(s.h1, hn, eh, ext), tail.slice(size));
  if (!plain) return 'rejected';
  let end = plain.length - 1;
  while (end > 0 && plain[end] === 0) end--;
  if (end < 1 || plain[end] !== 0x80) return 'rejected';
  limit(s);
  return { type: plain[0] as number, content: plain.slice(1, end) };
}

function store(s: State, upTo: number, now: number): void {
  if (upTo - s.Nr > 1000) throw new Error('MAX_SKIP');
  while (s.Nr < upTo) {
    const { CK, MK } = CHAIN(s.CKr as Bytes);
    s.stored.push({ hk: s.HKr as Bytes, n: s.Nr, mk: MK, at: now });
    s.CKr = CK;
    s.Nr += 1;
  }
}

/** At most 8 old chains, at most 2000 keys; the oldest go. */
function limit(s: State): void {
  const old: Bytes[] = [];
  for (const { hk } of s.stored)
    if (!same(hk, s.HKr as Bytes) && !old.some((each) => same(each, hk))) old.push(hk);
  const dropped = old.slice(0, Math.max(0, old.length - 8));
  s.stored = s.stored.filter(({ hk }) => !dropped.some((each) => same(each, hk)));
  s.stored = s.stored.slice(Math.max(0, s.stored.length - 2000));
}
