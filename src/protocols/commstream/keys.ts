// Transcript and key schedule: docs/protocols/commstream.md §5. Every key hangs on every byte that both
// sides have sent so far.

import { H, KDF } from '../../crypto/hash.ts';
import { equal, wipe } from '../../crypto/sodium.ts';
import { concat } from '../../lib/bytes.ts';
import { ACK_HEAD, CONFIRM_BYTES } from './wire.ts';

const KEY = 32;

/** The negotiation records so far, of both directions, in order. */
export class Transcript {
  readonly #records: Uint8Array[] = [];

  /** Gives the record back, so that it can be sent. */
  add(record: Uint8Array): Uint8Array {
    this.#records.push(record);
    return record;
  }

  hash(...more: readonly Uint8Array[]): Uint8Array {
    return H('cs1.th', ...this.#records, ...more);
  }
}

/** What both sides computed: ee, es, and the KEM's secret or nothing; null for `plain`. */
export type Secrets = readonly [ee: Uint8Array, es: Uint8Array, ss: Uint8Array] | null;

export interface Keys {
  readonly toServer: Uint8Array;
  readonly toClient: Uint8Array;
}

export interface Schedule {
  /** Shows that the server knows the secrets, and has seen the same bytes. */
  readonly confirmServer: Uint8Array;
  readonly confirmClient: Uint8Array;
  readonly binding: Uint8Array;
  /** Null for `plain`. */
  readonly keys: Keys | null;
}

/** `offer` is the server's ACK or CHG in play, without its confirm. The secrets are used up. */
export function schedule(transcript: Transcript, offer: Uint8Array, secrets: Secrets): Schedule {
  const th1 = transcript.hash(offer);
  if (!secrets) {
    const confirmServer = first(th1);
    const th2 = transcript.hash(offer, confirmServer, ACK_HEAD);
    return {
      confirmServer,
      confirmClient: first(th2),
      binding: first(H('cs1.binding', th2)),
      keys: null,
    };
  }
  const input = concat(...secrets);
  const m = KDF(th1, 'cs1.m', input);
  const confirmServer = first(KDF(m, 'cs1.server', th1));
  const th2 = transcript.hash(offer, confirmServer, ACK_HEAD);
  const k = KDF(m, 'cs1.keys', th2);
  const made = {
    confirmServer,
    confirmClient: first(KDF(m, 'cs1.client', th2)),
    binding: first(KDF(m, 'cs1.binding', th2)),
    keys: { toServer: k.slice(0, KEY), toClient: k.slice(KEY, 2 * KEY) },
  };
  wipe(input, m, k, ...secrets);
  return made;
}

export function isConfirmed(given: Uint8Array, wanted: Uint8Array): boolean {
  return given.length === CONFIRM_BYTES && equal(given, wanted);
}

function first(bytes: Uint8Array): Uint8Array {
  return bytes.slice(0, KEY);
}
