// Login, both sides: docs/protocols/flexim.md §5. The challenge has one form, and a client answers no
// other: else a hostile relay could have an honest relay's challenge answered, or use the client to
// open sealed boxes.
//
//   client                                              relay
//   Command AUTH [key, alias?]            ->
//                                         <-            Auth, sealed to key
//   AuthResponse, sealed to the relay     ->            same text, once, in constant time
//                                         <-            User with proof = the nonce

import type { Identity } from '../../crypto/identity.ts';
import { equal, type KeyPair, randomBytes } from '../../crypto/sodium.ts';
import { fromBase64url, toBase64url, toHex, utf8 } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import type { DatumOf } from '../../wire/datum.ts';
import { openField, sealInt64, sealText } from './fields.ts';
import type { AuthResponse, Datums } from './wire.ts';

const PREFIX = 'flexim-auth-1';
const RANDOM_BYTES = 32;

type Auth = DatumOf<Datums, 'Auth'>;

// ---- the relay's side ----

export interface Challenge {
  readonly text: string;
  readonly auth: Auth;
}

export interface ChallengeFor {
  readonly client: Uint8Array;
  readonly relay: Uint8Array;
  readonly binding: Uint8Array;
  readonly date: number;
  readonly lastSeen: number;
}

/**
 * A fresh challenge for the holder of a key, or null when that key is weak. It yields between its
 * public-key operations, so that others need not wait for all of them (§5.7).
 */
export function* makeChallenge(to: ChallengeFor): Generator<void, Challenge | null> {
  const random = toBase64url(randomBytes(RANDOM_BYTES));
  const text = `${PREFIX} ${toHex(to.relay)} ${toBase64url(to.binding)} ${random}`;
  const date = sealInt64(to.date, to.client);
  if (!date) return null;
  yield;
  const challenge = sealText(text, to.client);
  yield;
  const last_seen = sealInt64(to.lastSeen, to.client);
  if (!challenge || !last_seen) return null;
  return { text, auth: { date, challenge, last_seen } };
}

/**
 * The client's nonce ('' if none came), or null when the response does not answer the challenge. Yields
 * as makeChallenge does.
 */
export function* checkResponse(
  response: AuthResponse,
  challenge: string,
  relay: KeyPair,
): Generator<void, string | null> {
  const answer = openField(response.challenge, relay);
  if (typeof answer !== 'string' || !equal(utf8(answer), utf8(challenge))) return null;
  if (response.nonce === undefined) return '';
  yield;
  const nonce = openField(response.nonce, relay);
  const fits = typeof nonce === 'string' && fromBase64url(nonce)?.length === RANDOM_BYTES;
  return fits ? nonce : null;
}

// ---- the client's side ----

export interface Answer {
  readonly response: AuthResponse;
  readonly nonce: string; // must come back as the proof
  readonly lastSeen: number;
}

export interface AnswerFrom {
  readonly identity: Identity;
  readonly relay: Uint8Array;
  readonly binding: Uint8Array;
}

/** Answers an Auth that has the one form and names this relay and this channel; else throws. */
export function answerChallenge(auth: Auth, { identity, relay, binding }: AnswerFrom): Answer {
  const challenge = openField(auth.challenge, identity.exchange);
  const lastSeen = openField(auth.last_seen, identity.exchange);
  const readable = typeof challenge === 'string' && typeof lastSeen === 'number';
  if (!readable || !namesUs(challenge, relay, binding)) throw mismatch();
  const nonce = toBase64url(randomBytes(RANDOM_BYTES));
  const sealedChallenge = sealText(challenge, relay);
  const sealedNonce = sealText(nonce, relay);
  if (!sealedChallenge || !sealedNonce) throw mismatch();
  return {
    response: { challenge: sealedChallenge, nonce: sealedNonce },
    nonce,
    lastSeen,
  };
}

function namesUs(challenge: string, relay: Uint8Array, binding: Uint8Array): boolean {
  const start = `${PREFIX} ${toHex(relay)} ${toBase64url(binding)} `;
  if (!challenge.startsWith(start)) return false;
  return fromBase64url(challenge.slice(start.length))?.length === RANDOM_BYTES;
}

/** Only the holder of the relay's private key can send the nonce back. */
export function checkProof(proof: string | undefined, nonce: string): void {
  if (proof === undefined || !equal(utf8(proof), utf8(nonce))) throw mismatch();
}

export function mismatch(): FleximError {
  return new FleximError(
    'relay-auth-mismatch',
    'the relay did not prove that it holds the key it showed; somebody may stand in between. ' +
      'No message was sent. Ask the operator of the relay for its address with ?relay=KEY.',
  );
}
