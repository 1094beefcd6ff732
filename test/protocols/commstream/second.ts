// A second implementation of CommStream, both sides, written from the text of docs/protocols/commstream.md
// on other primitives (noble), slow and obvious, without a line of src/: what the two agree on is the
// protocol. crypto_secretstream is written out, since nobody else has it.

import { poly1305 } from '@noble/ciphers/_poly1305.js';
import { chacha20, hchacha } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';

export type Bytes = Uint8Array;

export const REQ = 1;
export const ACK = 2;
export const CHG = 3;
export const INV = 4;
export const DATA = 5;
export const CLOSE = 6;
export const SEALED = 7;
const HYBRID = 'x25519-xwing-1';

// ---- bytes ----

export const ascii = (text: string): Bytes =>
  Uint8Array.from([...text].map((c) => c.charCodeAt(0)));
export const join = (...parts: Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts));
export const same = (a: Bytes, b: Bytes) => Buffer.compare(a, b) === 0;
export const NONE = new Uint8Array(0);

function be32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function le64(value: number): Bytes {
  const bytes = new Uint8Array(8);
  for (let i = 0, rest = value; i < 8; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

export const record = (type: number, body: Bytes): Bytes =>
  join(Uint8Array.of(type), be32(body.length), body);
const named = (name: string): Bytes => join(Uint8Array.of(name.length), ascii(name));

// ---- H, KDF, kx ----

const label = (l: string) => join(Uint8Array.of(l.length), ascii(l));
const H = (l: string, ...data: Bytes[]): Bytes => blake2b(join(label(l), ...data), { dkLen: 64 });
const KDF = (key: Bytes, l: string, ...data: Bytes[]): Bytes =>
  blake2b(join(label(l), ...data), { dkLen: 64, key });
export const publicOf = (secret: Bytes): Bytes => x25519.getPublicKey(secret);

/** c2s || s2c of crypto_kx: BLAKE2b-512(q || client || server) is the client's rx, then its tx. */
function kx(q: Bytes, client: Bytes, server: Bytes): Bytes {
  const keys = blake2b(join(q, client, server), { dkLen: 64 });
  return join(keys.slice(32), keys.slice(0, 32));
}

// ---- the key schedule ----

export interface Agreed {
  readonly confirmServer: Bytes;
  readonly confirmClient: Bytes;
  readonly binding: Bytes;
  readonly c2s: Bytes;
  readonly s2c: Bytes;
}

/** `before`: the whole records so far; `offer`: the one in play, without its last 32 bytes. */
function agreed(before: Bytes, offer: Bytes, secrets: Bytes | null): Agreed {
  const T1 = join(before, offer);
  const th1 = H('cs1.th', T1);
  const th2of = (confirmServer: Bytes) =>
    H('cs1.th', join(T1, confirmServer, Uint8Array.of(2, 0, 0, 0, 32)));
  if (!secrets) {
    const confirmServer = th1.slice(0, 32);
    const th2 = th2of(confirmServer);
    const binding = H('cs1.binding', th2).slice(0, 32);
    return { confirmServer, confirmClient: th2.slice(0, 32), binding, c2s: NONE, s2c: NONE };
  }
  const m = KDF(th1, 'cs1.m', secrets);
  const confirmServer = KDF(m, 'cs1.server', th1).slice(0, 32);
  const th2 = th2of(confirmServer);
  const k = KDF(m, 'cs1.keys', th2);
  return {
    confirmServer,
    confirmClient: KDF(m, 'cs1.client', th2).slice(0, 32),
    binding: KDF(m, 'cs1.binding', th2).slice(0, 32),
    c2s: k.slice(0, 32),
    s2c: k.slice(32),
  };
}

// ---- the two sides ----

export interface ClientSecrets {
  readonly random: Bytes;
  readonly exchange: Bytes;
  readonly kem: Bytes; // the seed of the X-Wing key
}

export class Client {
  readonly request: Bytes;
  readonly #secrets: ClientSecrets;
  #transcript: Bytes;

  constructor(name: string, secrets: ClientSecrets) {
    this.#secrets = secrets;
    const kem = xwing.keygen(secrets.kem).publicKey;
    const { random, exchange } = secrets;
    this.request = record(REQ, join(ascii('CS1'), named(name), random, publicOf(exchange), kem));
    this.#transcript = this.request;
  }

  refuse(offer: Bytes): Bytes {
    const inv = record(INV, NONE);
    this.#transcript = join(this.#transcript, offer, inv);
    return inv;
  }

  /** What follows from an offer; the client's ACK is `ack`. */
  accept(offer: Bytes): Agreed & { readonly name: string; readonly server: Bytes; ack: Bytes } {
    const length = offer[5] as number;
    const name = Buffer.from(offer.slice(6, 6 + length)).toString('latin1');
    let at = 6 + length + 32;
    const take = (n: number) => {
      at += n;
      return offer.slice(at - n, at);
    };
    const server = take(32);
    const exchange = take(32);
    const ct = take(name === HYBRID ? 1120 : 0);
    const own = publicOf(this.#secrets.exchange);
    const dh = (other: Bytes) =>
      kx(x25519.getSharedSecret(this.#secrets.exchange, other), own, other);
    const ss = name === HYBRID ? xwing.decapsulate(ct, this.#secrets.kem) : NONE;
    const secrets = name === 'plain' ? null : join(dh(exchange), dh(server), ss);
    const made = agreed(this.#transcript, offer.slice(0, -32), secrets);
    if (!same(made.confirmServer, offer.slice(-32))) throw new Error('the server did not confirm');
    return { ...made, name, server, ack: record(ACK, made.confirmClient) };
  }
}

export interface OfferSecrets {
  readonly random: Bytes;
  readonly encapsulation?: Bytes; // 64 bytes, of the hybrid scheme
}

export class Server {
  readonly #static: Bytes;
  readonly #exchange: Bytes;
  readonly #client: Bytes;
  readonly #kem: Bytes;
  readonly asked: string;
  #transcript: Bytes;

  constructor(secrets: { readonly server: Bytes; readonly exchange: Bytes }, request: Bytes) {
    this.#static = secrets.server;
    this.#exchange = secrets.exchange;
    const length = request[8] as number;
    this.asked = Buffer.from(request.slice(9, 9 + length)).toString('latin1');
    this.#client = request.slice(9 + length + 32, 9 + length + 64);
    this.#kem = request.slice(9 + length + 64);
    this.#transcript = request;
  }

  offer(type: number, name: string, { random, encapsulation = NONE }: OfferSecrets) {
    const dh = (own: Bytes) =>
      kx(x25519.getSharedSecret(own, this.#client), this.#client, publicOf(own));
    const sent = name === HYBRID ? xwing.encapsulate(this.#kem, encapsulation) : null;
    const secrets =
      name === 'plain'
        ? null
        : join(dh(this.#exchange), dh(this.#static), sent?.sharedSecret ?? NONE);
    const body = join(
      ...[named(name), random, publicOf(this.#static), publicOf(this.#exchange)],
      ...[sent?.cipherText ?? NONE, new Uint8Array(32)],
    );
    const offer = record(type, body).slice(0, -32);
    const made = agreed(this.#transcript, offer, secrets);
    const bytes = join(offer, made.confirmServer);
    return { ...made, bytes };
  }

  refused(offer: Bytes): void {
    this.#transcript = join(this.#transcript, offer, record(INV, NONE));
  }
}

// ---- crypto_secretstream_xchacha20poly1305 ----

const words = (bytes: Bytes) => new Uint32Array(new Uint8Array(bytes).buffer);

export class SecretStream {
  #key: Bytes;
  #nonce: Bytes; // u32 counter, little-endian, and 8 bytes

  constructor(key: Bytes, header: Bytes) {
    const sigma = words(ascii('expand 32-byte k'));
    const out = new Uint32Array(8);
    hchacha(sigma, words(key), words(header.slice(0, 16)), out);
    this.#key = new Uint8Array(out.buffer);
    this.#nonce = join(Uint8Array.of(1, 0, 0, 0), header.slice(16));
  }

  #stream(length: number, counter: number): Bytes {
    return chacha20(this.#key, this.#nonce, new Uint8Array(length), undefined, counter);
  }

  /** The tag's encrypted block, the message's keystream, and the mac over both. */
  #mac(block: Bytes, box: Bytes): Bytes {
    const pad = new Uint8Array(box.length % 16); // as libsodium pads: not up to a block
    const lengths = join(le64(0), le64(64 + box.length));
    return poly1305(join(block, box, pad, lengths), this.#stream(32, 0));
  }

  #next(mac: Bytes, tag: number): void {
    for (let i = 0; i < 8; i++)
      this.#nonce[4 + i] = (this.#nonce[4 + i] as number) ^ (mac[i] as number);
    for (let i = 0, carry = 1; i < 4; i++) {
      carry += this.#nonce[i] as number;
      this.#nonce[i] = carry & 255;
      carry >>= 8;
    }
    const isWrapped = this.#nonce.slice(0, 4).every((byte) => byte === 0);
    if ((tag & 2) === 0 && !isWrapped) return;
    const old = join(this.#key, this.#nonce.slice(4));
    const fresh = chacha20(this.#key, this.#nonce, old);
    this.#key = fresh.slice(0, 32);
    this.#nonce = join(Uint8Array.of(1, 0, 0, 0), fresh.slice(32));
  }

  push(message: Bytes, tag: number): Bytes {
    const block = this.#stream(64, 1);
    block[0] = (block[0] as number) ^ tag;
    const box = chacha20(this.#key, this.#nonce, message, undefined, 2);
    const mac = this.#mac(block, box);
    this.#next(mac, tag);
    return join(block.slice(0, 1), box, mac);
  }

  pull(sealed: Bytes): { message: Bytes; tag: number } | null {
    const block = this.#stream(64, 1);
    const tag = (block[0] as number) ^ (sealed[0] as number);
    block[0] = sealed[0] as number;
    const box = sealed.slice(1, -16);
    const mac = this.#mac(block, box);
    if (!same(mac, sealed.slice(-16))) return null;
    const message = chacha20(this.#key, this.#nonce, box, undefined, 2);
    this.#next(mac, tag);
    return { message, tag };
  }
}
