// Records of an established stream, one direction at a time: docs/protocols/commstream.md §6. Sealed,
// each direction is one crypto_secretstream; `plain` uses the same records bare.

import { STREAM_TAG, StreamOpener, StreamSealer } from '../../crypto/secretstream.ts';
import { KEY_BYTES, randomBytes, STREAM_HEADER_BYTES, wipe } from '../../crypto/sodium.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Clock } from '../../lib/time.ts';
import type { Draw } from './negotiation.ts';
import { encodeRecord, HEAD, TYPE } from './wire.ts';

export const REKEY_RECORDS = 1_024;
export const REKEY_MS = 600_000;

export type InnerType = typeof TYPE.data | typeof TYPE.close;

/** A record that has come, without its wrapping; the memory may be the reader's. */
export interface Inner {
  readonly type: InnerType;
  readonly body: Uint8Array;
}

/** Makes the records of one direction. */
export interface Outward {
  record(type: InnerType, body: Uint8Array): Uint8Array;
  free(): void;
}

/** Reads those of the other one; throws `bad-record`. */
export interface Inward {
  read(type: number, body: Uint8Array): Inner;
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

  record(type: InnerType, body: Uint8Array): Uint8Array {
    const header = this.#header;
    this.#header = null;
    const room = HEAD + (header?.length ?? 0);
    const record = this.#stream.seal(type, body, { tag: this.#tag(type), room });
    record[0] = TYPE.sealed;
    record.writeUInt32BE(record.length - HEAD, 1);
    if (header) record.set(header, HEAD);
    return record;
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

  read(type: number, body: Uint8Array): Inner {
    if (type !== TYPE.sealed) throw badRecord();
    const opened = this.#opener(body)?.open(this.#key ? body.subarray(STREAM_HEADER_BYTES) : body);
    this.#forgetKey();
    const inner = opened?.message[0];
    if (!opened || (inner !== TYPE.data && inner !== TYPE.close)) throw badRecord();
    const isLast = opened.tag === STREAM_TAG.final;
    const isKnown = isLast || opened.tag === STREAM_TAG.message || opened.tag === STREAM_TAG.rekey;
    if (!isKnown || isLast !== (inner === TYPE.close)) throw badRecord();
    return checked({ type: inner, body: opened.message.subarray(1) });
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
  record: (type, body) => encodeRecord(type, body),
  free: () => {},
};

export const plainInward: Inward = {
  read: (type, body) => {
    if (type !== TYPE.data && type !== TYPE.close) throw badRecord();
    return checked({ type, body });
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
  if (inner.type === TYPE.close && inner.body.length > 0) throw badRecord();
  return inner;
}

function keyOf(key: Uint8Array): Uint8Array {
  if (key.length !== KEY_BYTES) throw new TypeError('a stream key has 32 bytes');
  return key;
}
