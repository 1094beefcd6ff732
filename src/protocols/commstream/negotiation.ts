// The negotiation, both sides, as two straight lines: docs/protocols/commstream.md §3. No socket and no
// clock: a side yields a record to send and is given the next one that came; randomness is drawn where it
// is told.
//
//   client                                    server
//   REQ_ENCRYPT  the scheme it wants  ->
//                                     <-      ACK_ENCRYPT  that one, or CHG_ENCRYPT another, or INV_ENCRYPT none
//   ACK_ENCRYPT  agreed, or INV_ENCRYPT  ->   established, or the next CHG_ENCRYPT until none is left

import {
  type Exchange,
  exchangeOf,
  type Kem,
  type KeySource,
  onceKeys,
  sessionKeys,
} from '../../crypto/once.ts';
import { type KeyPair, wipe } from '../../crypto/sodium.ts';
import { concat, NO_BYTES } from '../../lib/bytes.ts';
import { isConfirmed, type Keys, type Schedule, schedule, Transcript } from './keys.ts';
import { isHybrid, type Scheme } from './schemes.ts';
import {
  ACK_HEAD,
  badHandshake,
  decodeOffer,
  decodeRequest,
  encodeOffer,
  encodeRecord,
  encodeRequest,
  INVALID,
  type Offer,
  offeredName,
  RANDOM_BYTES,
  type Received,
  type Request,
  TYPE,
  unsupported,
} from './wire.ts';

const MAX_OFFERS = 8; // a client refuses no more than so many

/** So many random bytes. */
export type Draw = (length: number) => Uint8Array;

/** What was agreed on. */
export interface Agreement {
  readonly scheme: Scheme;
  /** Null for `plain`. */
  readonly keys: Keys | null;
  readonly binding: Uint8Array;
  /** The key that the server has proven; `plain` proves none. */
  readonly serverKey: Uint8Array | null;
}

// ---- the client's side ----

export interface Asking {
  /** The first one is asked for. */
  readonly schemes: readonly Scheme[];
  readonly draw: Draw;
  readonly keys?: KeySource;
  /** Throws when the server must not have this key, or must not be spoken to without one (null). */
  readonly checkServer: (key: Uint8Array | null) => void;
}

interface Own {
  readonly exchange: Exchange;
  readonly kem: Kem;
}

/** What the client sends last comes with what was agreed on: behind it everything is as negotiated. */
export type Asked = Agreement & { readonly last: Uint8Array };

/** Yields what to send; takes what came for it. */
export function* ask(asking: Asking): Generator<Uint8Array, Asked, Received> {
  const { schemes, draw, keys = onceKeys } = asking;
  const [wanted] = schemes;
  if (wanted === undefined) throw unsupported('no scheme is acceptable here');
  const random = draw(RANDOM_BYTES);
  const own = { exchange: keys.exchange(), kem: keys.kem() };
  const transcript = new Transcript();
  const request = encodeRequest({
    ...{ name: wanted, random },
    exchange: own.exchange.publicKey,
    kem: own.kem.publicKey,
  });
  const seen: string[] = [wanted]; // asked for or refused: never to be offered by CHG
  try {
    let reply = yield transcript.add(request);
    for (;;) {
      const name = nameIn(reply, seen);
      const scheme = schemes.find((each) => each === name);
      if (scheme) return accept({ ...asking, own, transcript }, scheme, reply);
      if (seen.push(name) > MAX_OFFERS) throw badHandshake('the server offers without end');
      transcript.add(reply.bytes);
      reply = yield transcript.add(INVALID);
    }
  } finally {
    own.exchange.forget();
    own.kem.forget();
  }
}

/** The scheme that a reply of the server names, if it may name it now. */
function nameIn({ type, body }: Received, seen: readonly string[]): string {
  if (type === TYPE.invalid) {
    if (body.length > 0) throw badHandshake('INV_ENCRYPT is not empty');
    throw unsupported(
      'the server accepts none of the encryption schemes that are accepted here. Nothing was sent',
    );
  }
  if (type !== TYPE.ack && type !== TYPE.change)
    throw badHandshake('the server sent something else than an answer');
  const name = offeredName(body);
  const [wanted] = seen;
  if (type === TYPE.ack && (name !== wanted || seen.length > 1))
    throw badHandshake('the server acknowledged what was not asked for');
  if (type === TYPE.change && seen.includes(name))
    throw badHandshake('the server offered what was asked for or refused');
  return name;
}

interface Accepting extends Asking {
  readonly own: Own;
  readonly transcript: Transcript;
}

function accept(
  { own, transcript, checkServer }: Accepting,
  scheme: Scheme,
  { type, body }: Received,
): Asked {
  const { confirm, ...offer } = decodeOffer(body);
  const secrets = scheme === 'plain' ? null : clientSecrets(own, offer);
  const made = schedule(transcript, encodeOffer(type, offer), secrets);
  if (!isConfirmed(confirm, made.confirmServer)) {
    forget(made);
    throw badHandshake(
      'the server did not prove that it holds its key, or somebody changed an offer',
    );
  }
  const { keys, binding, confirmClient } = made;
  const serverKey = keys ? offer.server : null;
  try {
    checkServer(serverKey);
  } catch (error) {
    forget(made);
    throw error;
  }
  return { scheme, keys, binding, serverKey, last: encodeRecord(TYPE.ack, confirmClient) };
}

function clientSecrets({ exchange, kem }: Own, offer: Offer) {
  const ee = sessionKeys('client', exchange, offer.exchange);
  const es = sessionKeys('client', exchange, offer.server);
  const ss = isHybrid(offer.name) ? kem.decapsulate(offer.ciphertext) : NO_BYTES;
  if (!ee || !es || !ss) throw badHandshake('a key of the server is weak');
  return [ee, es, ss] as const;
}

// ---- the server's side ----

export interface Answering {
  /** In the order in which they are offered. */
  readonly schemes: readonly Scheme[];
  readonly draw: Draw;
  readonly keys?: KeySource;
  readonly server: KeyPair;
}

/**
 * Yields what to send, and takes what came for it; yields null between its public-key operations, so that
 * others need not wait for all of them. Null at the end: nothing was acceptable to both, or the client is
 * of another version; the client is to be told by INV_ENCRYPT.
 */
export function* answer(
  first: Received,
  answering: Answering,
): Generator<Uint8Array | null, Agreement | null, Received> {
  if (first.type !== TYPE.request) throw badHandshake('the client did not begin with REQ_ENCRYPT');
  const request = decodeRequest(first.body);
  if (!request) return null;
  const { schemes } = answering;
  const wanted = schemes.find((each) => each === request.name);
  const transcript = new Transcript();
  transcript.add(first.bytes);
  const offering = new Offering(request, answering);
  let unused: Schedule | null = null; // of an offer that was not agreed on
  try {
    for (const scheme of wanted ? [wanted] : schemes) {
      const type = wanted ? TYPE.ack : TYPE.change;
      const offer = yield* offering.offer(scheme, type);
      if (unused) forget(unused);
      unused = schedule(transcript, offer.bytes, offer.secrets);
      const { confirmServer, confirmClient, keys, binding } = unused;
      const reply = yield transcript.add(concat(offer.bytes, confirmServer));
      if (isRefusal(reply, type)) {
        transcript.add(reply.bytes);
        continue;
      }
      if (!isAck(reply) || !isConfirmed(reply.body, confirmClient))
        throw badHandshake('the client did not confirm, or somebody changed an offer');
      unused = null;
      const serverKey = keys ? answering.server.publicKey : null;
      return { scheme, keys, binding, serverKey };
    }
    return null;
  } finally {
    if (unused) forget(unused); // also when the client is gone
    offering.end();
  }
}

/** INV_ENCRYPT answers a CHG_ENCRYPT only: who gets what he asked for cannot refuse it. */
function isRefusal({ type, body }: Received, answered: number): boolean {
  return type === TYPE.invalid && body.length === 0 && answered === TYPE.change;
}

function isAck({ type, bytes }: Received): boolean {
  return type === TYPE.ack && bytes.subarray(0, ACK_HEAD.length).equals(ACK_HEAD);
}

/** One client's offers: the exchange keys and their secrets are the same for all of them. */
class Offering {
  readonly #request: Request;
  readonly #answering: Answering;
  #own: Exchange | null = null;
  #ee: Uint8Array | null = null;
  #es: Uint8Array | null = null;

  constructor(request: Request, answering: Answering) {
    this.#request = request;
    this.#answering = answering;
  }

  *offer(scheme: Scheme, type: number) {
    const { draw, keys = onceKeys, server } = this.#answering;
    const random = draw(RANDOM_BYTES);
    this.#own ??= keys.exchange();
    const own = this.#own;
    yield null;
    let secrets: readonly [Uint8Array, Uint8Array, Uint8Array] | null = null;
    let ciphertext: Uint8Array = NO_BYTES;
    if (scheme !== 'plain') {
      const { exchange, kem } = this.#request;
      this.#ee ??= strong(sessionKeys('server', own, exchange));
      yield null;
      this.#es ??= strong(sessionKeys('server', exchangeOf(server), exchange));
      yield null;
      const sent = isHybrid(scheme) ? strong(keys.encapsulate(kem)) : null;
      ciphertext = sent?.ciphertext ?? NO_BYTES;
      secrets = [this.#ee.slice(), this.#es.slice(), sent?.sharedSecret ?? NO_BYTES];
    }
    const offer = { name: scheme, random, ciphertext, server: server.publicKey };
    const bytes = encodeOffer(type, { ...offer, exchange: own.publicKey });
    return { bytes, secrets };
  }

  end(): void {
    this.#own?.forget();
    for (const secret of [this.#ee, this.#es]) if (secret) wipe(secret);
  }
}

function strong<T>(result: T | null): T {
  if (result === null) throw badHandshake('a key of the client is weak');
  return result;
}

function forget({ keys }: Schedule): void {
  if (keys) wipe(keys.toServer, keys.toClient);
}
