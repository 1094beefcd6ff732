// crypto_secretstream_xchacha20poly1305, one direction at either end. Short messages go through streamcode.ts; long
// ones through node:crypto, some four times as fast, where that is the same construction: libsodium pads behind
// the message by its length modulo 16, which is what ChaCha20-Poly1305 does for 0 and 8 only. Libsodium begins
// each stream. Slow twin: test/protocols/commstream/second.ts.

import { createCipheriv, createDecipheriv, getCiphers } from 'node:crypto';
import { sameBytes } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { randomBytes, streamEngine, streamState } from './sodium.ts';
import {
  BOX_AT,
  LONGEST,
  MAC_AT,
  STREAM_BYTES,
  STREAMS_AT,
  type StreamCode,
  streamCode,
  TEXT_AT,
} from './streamcode.ts';

export const STREAM_OVERHEAD = 17; // a tag and a MAC
/** What a message is: one of many, the last under its key, or the last of all. */
export const STREAM_TAG = { message: 0, rekey: 2, final: 3 } as const;
/** From here on node:crypto pays, which takes a while to begin. */
export const LONG_MESSAGE = 4_096;

const KEY_BYTES = 32;
const MAC_BYTES = 16;
const BLOCK_BYTES = 64; // in which the tag is encrypted, and of which only that byte is sent
const CIPHER = 'chacha20-poly1305';
const NEEDED = [CIPHER, 'chacha20'];
const hasNative = NEEDED.every((name) => getCiphers().includes(name));

/** Whether node:crypto's construction is the same for a message of this length. */
const isNative = (length: number): boolean =>
  hasNative && length >= LONG_MESSAGE && length % 8 === 0;

// ---- streams, in the memory of their code ----

const PAGE = 64 * 1024;
const PLACE = 64; // bytes for a stream

class Streams {
  readonly code: StreamCode;
  #bytes: Uint8Array;
  #end = STREAMS_AT; // what lies before it is in use, or free to be used again
  readonly #free: number[] = [];

  constructor() {
    this.code = streamCode(Math.ceil((STREAMS_AT + PLACE) / PAGE));
    this.#bytes = new Uint8Array(this.code.memory.buffer);
  }

  /** Their memory. What was seen of it before it grew is empty. */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.code.memory.buffer);
    return this.#bytes;
  }

  get count(): number {
    return (this.#end - STREAMS_AT) / PLACE - this.#free.length;
  }

  /** A new one. Both ends begin alike. */
  begin(header: Uint8Array, key: Uint8Array): number {
    const at = this.#free.pop() ?? this.#next();
    const begun = streamState(header, key);
    const { HEAPU8 } = streamEngine;
    this.bytes.set(HEAPU8.subarray(begun, begun + STREAM_BYTES), at);
    HEAPU8.fill(0, begun, begun + STREAM_BYTES);
    streamEngine._free(begun);
    return at;
  }

  #next(): number {
    const at = this.#end;
    if (at + PLACE > this.bytes.length) this.code.memory.grow(1);
    this.#end += PLACE;
    return at;
  }

  /** Overwrites it, and what its key made last, and gives its place away. */
  end(at: number): void {
    this.bytes.fill(0, at, at + PLACE);
    this.bytes.fill(0, 0, TEXT_AT);
    this.#free.push(at);
  }
}

let made: Streams | null = null;

/** Made and tried when a stream is wanted: a program that wants none does not wait for it. */
function streams(): Streams {
  made ??= tried(begun());
  return made;
}

/** The same before: throws `crypto-unavailable` when there will be no streams. */
export function prepareStreams(): void {
  streams();
}

function begun(): Streams {
  try {
    return new Streams();
  } catch (error) {
    const why = 'this Node cannot run the code of CommStream: its WebAssembly has no vectors';
    throw new FleximError('crypto-unavailable', why, error);
  }
}

/** Streams that are not freed. */
export const livingStreams = (): number => made?.count ?? 0;

/** Against libsodium: lengths around a block and a pass, new keys, and a box that was changed. */
function tried(streams: Streams): Streams {
  const [header, key] = [randomBytes(24), randomBytes(KEY_BYTES)];
  const [theirs, one, other] = [
    streamState(header, key),
    streams.begin(header, key),
    streams.begin(header, key),
  ];
  const room = streamEngine._malloc(2 * TRIED_BYTES);
  const isRight = TRIED.every(([length, tag]) => {
    const text = randomBytes(length);
    const box = room + TRIED_BYTES;
    streamEngine.HEAPU8.set(text, room);
    const push = streamEngine._crypto_secretstream_xchacha20poly1305_push;
    push(theirs, box, 0, room, length, 0, 0, 0, 0, tag);
    const wanted = streamEngine.HEAPU8.slice(box, box + length + STREAM_OVERHEAD);
    const { bytes, code } = streams;
    bytes.set(text, TEXT_AT);
    code.seal(one, length, tag);
    const isSealed = sameBytes(bytes.slice(BOX_AT, BOX_AT + wanted.length), wanted);
    bytes.set(wanted, BOX_AT);
    bytes[TEXT_AT] = (bytes[TEXT_AT] as number) ^ 1;
    const isRefused = code.open(other, length) === -1;
    bytes.set(wanted, BOX_AT);
    const isOpened = code.open(other, length) === tag;
    return (
      isSealed && isRefused && isOpened && sameBytes(bytes.slice(TEXT_AT, TEXT_AT + length), text)
    );
  });
  for (const stream of [one, other]) streams.end(stream);
  for (const address of [theirs, room]) streamEngine._free(address);
  if (isRight) return streams;
  throw new FleximError('crypto-unavailable', 'CommStream gives a wrong answer. Run npm ci again.');
}

const TRIED = [
  [1, STREAM_TAG.message],
  [128, STREAM_TAG.rekey],
  [129, STREAM_TAG.message],
  [1_000, STREAM_TAG.final],
] as const;
const TRIED_BYTES = 1_024; // for a message, and for a box

// ---- the two ends ----

class StreamEnd {
  protected readonly streams = streams();
  #at: number;

  constructor(header: Uint8Array, key: Uint8Array) {
    this.#at = this.streams.begin(header, key);
  }

  protected get at(): number {
    if (this.#at === 0) throw new TypeError('this stream was freed');
    return this.#at;
  }

  /** Copies of key and nonce as they are now. */
  protected secrets() {
    const secrets = this.streams.bytes.slice(this.at, this.at + STREAM_BYTES);
    return { secrets, key: secrets.subarray(0, KEY_BYTES), nonce: secrets.subarray(KEY_BYTES) };
  }

  /** Goes on to the next message. */
  protected advance(mac: Uint8Array, tag: number): void {
    this.streams.bytes.set(mac, MAC_AT);
    this.streams.code.advance(this.at, tag);
  }

  /** Overwrites the state, which holds the key, and gives it back. The second time it does nothing. */
  free(): void {
    if (this.#at === 0) return;
    this.streams.end(this.#at);
    this.#at = 0;
  }
}

export interface Sealing {
  readonly tag: number;
  readonly out: Uint8Array;
}

/** The sender's end. */
export class StreamSealer extends StreamEnd {
  /** Writes the box of a message, which is `first` and the body behind it, into `out`, and fills it. */
  seal(first: number, body: Uint8Array, { tag, out }: Sealing): void {
    if (!(body instanceof Uint8Array)) throw new TypeError('a message must be a Uint8Array');
    const length = 1 + body.length;
    if (length > LONGEST || out.length !== length + STREAM_OVERHEAD)
      throw new RangeError('a message or its box has a length that cannot be');
    if (isNative(length)) this.#native(first, body, { tag, out });
    else this.#short(first, body, { tag, out });
  }

  #short(first: number, body: Uint8Array, { tag, out }: Sealing): void {
    const { bytes, code } = this.streams;
    bytes[TEXT_AT] = first;
    bytes.set(body, TEXT_AT + 1);
    code.seal(this.at, 1 + body.length, tag);
    out.set(bytes.subarray(BOX_AT, BOX_AT + out.length));
  }

  #native(first: number, body: Uint8Array, { tag, out }: Sealing): void {
    const { secrets, key, nonce } = this.secrets();
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: MAC_BYTES });
    secrets.fill(0);
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
    this.advance(mac, tag);
  }
}

/** Where in a box its message is once it was opened. */
export const OPENED_AT = 1;

/** The receiver's end. */
export class StreamOpener extends StreamEnd {
  /**
   * Opens a box where it lies, and gives the tag of its message. -1: it is not the next one as it was sent; then
   * nothing has changed.
   */
  open(box: Uint8Array): number {
    if (!(box instanceof Uint8Array)) throw new TypeError('a box must be a Uint8Array');
    const length = box.length - STREAM_OVERHEAD;
    if (length < 0 || length > LONGEST) return -1;
    return isNative(length) ? this.#native(box) : this.#short(box, length);
  }

  #short(box: Uint8Array, length: number): number {
    const { bytes, code } = this.streams;
    bytes.set(box, BOX_AT);
    const tag = code.open(this.at, length);
    if (tag >= 0) box.set(bytes.subarray(TEXT_AT, TEXT_AT + length), OPENED_AT);
    return tag;
  }

  #native(sealed: Uint8Array): number {
    const { secrets, key, nonce } = this.secrets();
    // The block of the tag, as it was encrypted: its other 63 bytes are those of the key stream.
    const counted = Buffer.concat([Uint8Array.of(1, 0, 0, 0), nonce]);
    const block = createCipheriv('chacha20', key, counted).update(Buffer.alloc(BLOCK_BYTES));
    const tag = (block[0] as number) ^ (sealed[0] as number);
    block[0] = sealed[0] as number;
    const mac = sealed.subarray(sealed.length - MAC_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: MAC_BYTES });
    secrets.fill(0);
    decipher.setAuthTag(mac);
    decipher.update(block);
    const message = decipher.update(sealed.subarray(1, sealed.length - MAC_BYTES));
    try {
      decipher.final();
    } catch {
      return -1;
    }
    this.advance(mac, tag);
    sealed.set(message, OPENED_AT);
    return tag;
  }
}
