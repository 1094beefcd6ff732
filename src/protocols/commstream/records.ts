// Records of an established stream, one direction at a time: docs/protocols/commstream.md §6. Sealed,
// each direction is one crypto_secretstream; `plain` uses the same records bare.

import {
  OPENED_AT,
  STREAM_OVERHEAD,
  STREAM_TAG,
  StreamOpener,
  StreamSealer,
} from '../../crypto/secretstream.ts';
import { KEY_BYTES, randomBytes, STREAM_HEADER_BYTES, wipe } from '../../crypto/sodium.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Clock } from '../../lib/time.ts';
import type { Draw } from './negotiation.ts';
import { HEAD, TYPE } from './wire.ts';

export const REKEY_RECORDS = 1_024;
export const REKEY_MS = 600_000;

const INNER_TYPE = 1; // bytes
const MAC_END = STREAM_OVERHEAD - OPENED_AT; // behind a message that was opened

export type InnerType = typeof TYPE.data | typeof TYPE.close;

/** A record that has come, opened where it lies: its body is bytes[start..end). */
export interface Inner {
  readonly type: InnerType;
  readonly start: number;
  readonly end: number;
}

/** Makes the records of one direction. */
export interface Outward {
  /** Bytes of the next record, with a body of this length. */
  size(length: number): number;
  /** Writes it, from this place on. */
  write(type: InnerType, body: Uint8Array, to: Place): void;
  free(): void;
}

export interface Place {
  readonly bytes: Buffer;
  readonly at: number;
}

/** The next record by itself. */
export function recordOf(outward: Outward, type: InnerType, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(outward.size(body.length));
  outward.write(type, body, { bytes, at: 0 });
  return bytes;
}

/** Reads those of the other one, which are bytes[start..end) with their heads; throws `bad-record`. */
export interface Inward {
  read(bytes: Buffer, start: number, end: number): Inner;
  free(): void;
}

export interface SealingOptions {
  readonly clock: Clock;
  readonly draw?: Draw;
}

export class SealedOutward implements Outward {
  readonly #stream: StreamSealer;
  readonly #clock: Clock;
  #header: Uint8Array | null; // until the first record
  #records = 0; // under the present key
  #since: number;

  /** The key is used up. */
  constructor(key: Uint8Array, { clock, draw = randomBytes }: SealingOptions) {
    this.#header = draw(STREAM_HEADER_BYTES);
    this.#stream = new StreamSealer(this.#header, keyOf(key));
    this.#clock = clock;
    this.#since = clock.now();
    wipe(key);
  }

  size(length: number): number {
    return HEAD + (this.#header?.length ?? 0) + INNER_TYPE + length + STREAM_OVERHEAD;
  }

  write(type: InnerType, body: Uint8Array, { bytes, at }: Place): void {
    const length = this.size(body.length) - HEAD;
    const header = this.#header;
    this.#header = null;
    bytes[at] = TYPE.sealed;
    bytes.writeUInt32BE(length, at + 1);
    if (header) bytes.set(header, at + HEAD);
    const box = at + HEAD + (header?.length ?? 0);
    const out = new Uint8Array(bytes.buffer, bytes.byteOffset + box, at + HEAD + length - box);
    this.#stream.seal(type, body, { tag: this.#tag(type), out });
  }

  /** The last record under a key says so: both sides go on with the next one. */
  #tag(type: InnerType): number {
    if (type === TYPE.close) return STREAM_TAG.final;
    const now = this.#clock.now();
    if (++this.#records < REKEY_RECORDS && now - this.#since < REKEY_MS) return STREAM_TAG.message;
    this.#records = 0;
    this.#since = now;
    return STREAM_TAG.rekey;
  }

  free(): void {
    this.#stream.free();
  }
}

export class SealedInward implements Inward {
  #key: Uint8Array | null; // until the first record, which brings the header
  #stream: StreamOpener | null = null;

  constructor(key: Uint8Array) {
    this.#key = keyOf(key);
  }

  read(bytes: Buffer, start: number, end: number): Inner {
    if (bytes[start] !== TYPE.sealed) throw badRecord();
    const body = new Uint8Array(bytes.buffer, bytes.byteOffset + start + HEAD, end - start - HEAD);
    const header = this.#key ? STREAM_HEADER_BYTES : 0;
    const box = header > 0 ? body.subarray(header) : body;
    if (box.length < STREAM_OVERHEAD + INNER_TYPE) throw badRecord();
    const tag = this.#opener(body)?.open(box) ?? -1;
    this.#forgetKey();
    const type = box[OPENED_AT];
    if (tag < 0 || (type !== TYPE.data && type !== TYPE.close)) throw badRecord();
    const isLast = tag === STREAM_TAG.final;
    const isKnown = isLast || tag === STREAM_TAG.message || tag === STREAM_TAG.rekey;
    if (!isKnown || isLast !== (type === TYPE.close)) throw badRecord();
    const at = start + HEAD + header + OPENED_AT + INNER_TYPE;
    return checked({ type, start: at, end: end - MAC_END });
  }

  #opener(body: Uint8Array): StreamOpener | null {
    if (this.#key && body.length >= STREAM_HEADER_BYTES)
      this.#stream ??= new StreamOpener(body.slice(0, STREAM_HEADER_BYTES), this.#key);
    return this.#stream;
  }

  #forgetKey(): void {
    if (this.#key) wipe(this.#key);
    this.#key = null;
  }

  free(): void {
    this.#forgetKey();
    this.#stream?.free();
  }
}

/** `plain`: what is on the wire is what was sent, and nobody can know whether it was. */
export const plainOutward: Outward = {
  size: (length) => HEAD + length,
  write: (type, body, { bytes, at }) => {
    bytes[at] = type;
    bytes.writeUInt32BE(body.length, at + 1);
    bytes.set(body, at + HEAD);
  },
  free: () => {},
};

export const plainInward: Inward = {
  read: (bytes, start, end) => {
    const type = bytes[start];
    if (type !== TYPE.data && type !== TYPE.close) throw badRecord();
    return checked({ type, start: start + HEAD, end });
  },
  free: () => {},
};

/** One thing only is said of whatever is wrong with a record. */
export function badRecord(cause?: unknown): FleximError {
  return new FleximError(
    'bad-record',
    'what came is not what the other side sent: it was changed, repeated, left out or put in on the way',
    cause,
  );
}

/** A CLOSE says nothing but that. */
function checked(inner: Inner): Inner {
  if (inner.type === TYPE.close && inner.end > inner.start) throw badRecord();
  return inner;
}

function keyOf(key: Uint8Array): Uint8Array {
  if (key.length !== KEY_BYTES) throw new TypeError('a stream key has 32 bytes');
  return key;
}
