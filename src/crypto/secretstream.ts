// crypto_secretstream_xchacha20poly1305, one direction at either end. Short messages go through libsodium;
// long ones through node:crypto, some ten times as fast, where that is the same construction: libsodium pads
// behind the message by its length modulo 16, which is what ChaCha20-Poly1305 does for 0 and 8 only. The
// state is libsodium's own either way: key (32), counter (u32, little-endian), nonce (8). Slow twin:
// test/protocols/commstream/second.ts.

import { createCipheriv, createDecipheriv, getCiphers } from 'node:crypto';
import { streamEngine, streamState } from './sodium.ts';

export const STREAM_OVERHEAD = 17; // a tag and a MAC
/** What a message is: one of many, the last under its key, or the last of all. */
export const STREAM_TAG = { message: 0, rekey: 2, final: 3 } as const;
/** From here on node:crypto pays, which takes a while to begin. */
export const LONG_MESSAGE = 4_096;

const STATE_BYTES = 52;
const KEY_BYTES = 32;
const COUNTER_BYTES = 4;
const NONCE_END = 44;
const MAC_BYTES = 16;
const BLOCK_BYTES = 64; // in which the tag is encrypted, and of which only that byte is sent
const CIPHER = 'chacha20-poly1305';
const NEEDED = [CIPHER, 'chacha20'];
const hasNative = NEEDED.every((name) => getCiphers().includes(name));

const scratch = { size: 0, message: 0, box: 0, tag: streamEngine._malloc(1) };

/** Makes room for a message and its box in libsodium's memory. */
function makeRoom(length: number): void {
  const wanted = length + STREAM_OVERHEAD;
  if (wanted <= scratch.size) return;
  if (scratch.size > 0) streamEngine._free(scratch.message);
  if (scratch.size > 0) streamEngine._free(scratch.box);
  scratch.size = Math.max(2 * LONG_MESSAGE, wanted);
  scratch.message = streamEngine._malloc(scratch.size);
  scratch.box = streamEngine._malloc(scratch.size);
  if (scratch.message === 0 || scratch.box === 0) throw new RangeError('no memory for a message');
}

/** Whether node:crypto's construction is the same for a message of this length. */
const isNative = (length: number): boolean =>
  hasNative && length >= LONG_MESSAGE && length % 8 === 0;

class StreamEnd {
  #address: number;

  constructor(header: Uint8Array, key: Uint8Array) {
    this.#address = streamState(header, key);
  }

  protected get state(): number {
    if (this.#address === 0) throw new TypeError('this stream was freed');
    return this.#address;
  }

  /** Copies of key and nonce as they are now. */
  protected secrets() {
    const { HEAPU8 } = streamEngine;
    const at = this.state;
    const key = HEAPU8.slice(at, at + KEY_BYTES);
    return { key, nonce: HEAPU8.slice(at + KEY_BYTES, at + NONCE_END) };
  }

  /** As libsodium goes on to the next message. */
  protected advance(mac: Uint8Array, tag: number): void {
    const { HEAPU8 } = streamEngine;
    const counter = this.state + KEY_BYTES;
    const nonce = counter + COUNTER_BYTES;
    for (let i = 0; i < NONCE_END - KEY_BYTES - COUNTER_BYTES; i++)
      HEAPU8[nonce + i] = (HEAPU8[nonce + i] as number) ^ (mac[i] as number);
    let carry = 1;
    for (let i = 0; i < COUNTER_BYTES; i++) {
      carry += HEAPU8[counter + i] as number;
      HEAPU8[counter + i] = carry;
      carry >>= 8;
    }
    const isRekey = (tag & STREAM_TAG.rekey) !== 0 || carry > 0;
    if (isRekey) streamEngine._crypto_secretstream_xchacha20poly1305_rekey(this.state);
  }

  /** Overwrites the state, which holds the key, and gives it back. The second time it does nothing. */
  free(): void {
    const at = this.#address;
    if (at === 0) return;
    this.#address = 0;
    streamEngine.HEAPU8.fill(0, at, at + STATE_BYTES);
    streamEngine._free(at);
  }
}

export interface Sealing {
  readonly tag: number;
  /** Bytes left free in front, for whatever is to stand there. */
  readonly room: number;
}

/** The sender's end. */
export class StreamSealer extends StreamEnd {
  /** The message is `first` and the body behind it. */
  seal(first: number, body: Uint8Array, { tag, room }: Sealing): Buffer {
    if (!(body instanceof Uint8Array)) throw new TypeError('a message must be a Uint8Array');
    const length = 1 + body.length;
    const out = Buffer.allocUnsafe(room + length + STREAM_OVERHEAD);
    if (isNative(length)) this.#native(first, body, { tag, out: out.subarray(room) });
    else this.#short(first, body, { tag, out: out.subarray(room) });
    return out;
  }

  #short(first: number, body: Uint8Array, { tag, out }: { tag: number; out: Buffer }): void {
    const length = 1 + body.length;
    makeRoom(length);
    const { message, box } = scratch;
    streamEngine.HEAPU8[message] = first;
    streamEngine.HEAPU8.set(body, message + 1);
    const push = streamEngine._crypto_secretstream_xchacha20poly1305_push;
    if (push(this.state, box, 0, message, length, 0, 0, 0, 0, tag) !== 0)
      throw new RangeError('a message could not be sealed');
    out.set(streamEngine.HEAPU8.subarray(box, box + length + STREAM_OVERHEAD));
  }

  #native(first: number, body: Uint8Array, { tag, out }: { tag: number; out: Buffer }): void {
    const { key, nonce } = this.secrets();
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: MAC_BYTES });
    const head = Buffer.alloc(BLOCK_BYTES + 1);
    head[0] = tag;
    head[BLOCK_BYTES] = first;
    const sealed = cipher.update(head);
    out[0] = sealed[0] as number;
    out[1] = sealed[BLOCK_BYTES] as number;
    out.set(cipher.update(body), 2);
    cipher.final();
    const mac = cipher.getAuthTag();
    out.set(mac, out.length - MAC_BYTES);
    key.fill(0);
    this.advance(mac, tag);
  }
}

export interface Opened {
  readonly message: Buffer;
  readonly tag: number;
}

/** The receiver's end. */
export class StreamOpener extends StreamEnd {
  /** Null: not the next message of this stream as it was sent; then nothing has changed. */
  open(box: Uint8Array): Opened | null {
    if (!(box instanceof Uint8Array)) throw new TypeError('a box must be a Uint8Array');
    const length = box.length - STREAM_OVERHEAD;
    if (length < 0) return null;
    return isNative(length) ? this.#native(box) : this.#short(box, length);
  }

  #short(sealed: Uint8Array, length: number): Opened | null {
    makeRoom(length);
    const { message, box, tag } = scratch;
    streamEngine.HEAPU8.set(sealed, box);
    const pull = streamEngine._crypto_secretstream_xchacha20poly1305_pull;
    if (pull(this.state, message, 0, tag, box, sealed.length, 0, 0, 0, 0) !== 0) return null;
    const { HEAPU8 } = streamEngine;
    const out = Buffer.allocUnsafe(length);
    out.set(HEAPU8.subarray(message, message + length));
    return { message: out, tag: HEAPU8[tag] as number };
  }

  #native(sealed: Uint8Array): Opened | null {
    const { key, nonce } = this.secrets();
    // The block of the tag, as it was encrypted: its other 63 bytes are those of the key stream.
    const counted = Buffer.concat([Uint8Array.of(1, 0, 0, 0), nonce]);
    const block = createCipheriv('chacha20', key, counted).update(Buffer.alloc(BLOCK_BYTES));
    const tag = (block[0] as number) ^ (sealed[0] as number);
    block[0] = sealed[0] as number;
    const mac = sealed.subarray(sealed.length - MAC_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: MAC_BYTES });
    key.fill(0);
    decipher.setAuthTag(mac);
    decipher.update(block);
    const message = decipher.update(sealed.subarray(1, sealed.length - MAC_BYTES));
    try {
      decipher.final();
    } catch {
      return null;
    }
    this.advance(mac, tag);
    return { message, tag };
  }
}
