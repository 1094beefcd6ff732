// Two people for the tests of FE1: identities, prekeys, sessions, and what they say to each other.
// `attempt` opens and keeps nothing, `hear` keeps what comes out, as a client does.

import * as assert from 'uvu/assert';
import { type Identity, identityFromSeed } from '../../src/crypto/identity.ts';
import { SPR_LIFE } from '../../src/fe1/constants.ts';
import { parseEnvelope } from '../../src/fe1/envelope.ts';
import { initiate } from '../../src/fe1/handshake.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  makeOneTimePrekey,
  makeSignedPrekey,
  type OwnOneTimePrekey,
  type OwnSignedPrekey,
} from '../../src/fe1/prekeys.ts';
import type { Random } from '../../src/fe1/random.ts';
import { decrypt, encrypt, type Session } from '../../src/fe1/ratchet.ts';
import { type Received, type Receiver, receive } from '../../src/fe1/sessions.ts';
import { utf8 } from '../../src/lib/bytes.ts';
import { type ErrorCode, isFleximError } from '../../src/lib/errors.ts';
import { stream } from './stream.ts';

export const NOW = 1_800_000_000;
export const SPK_ID = 7;
export const OTK_ID = 9;

export interface Person {
  readonly identity: Identity;
  readonly install: Uint8Array;
  readonly spr: OwnSignedPrekey;
  readonly otk: OwnOneTimePrekey;
  readonly otks: Map<number, OwnOneTimePrekey>; // not used up
  readonly random: Random;
}

export function person(name: string): Person {
  const random = stream(name);
  const identity = identityFromSeed(random(32));
  const install = random(16);
  const expires = NOW + SPR_LIFE;
  const spr = makeSignedPrekey(identity, { install, seq: NOW, expires, spkId: SPK_ID }, random);
  const otk = makeOneTimePrekey(identity, { install, otkId: OTK_ID }, random);
  return { identity, install, spr, otk, otks: new Map([[OTK_ID, otk]]), random };
}

export interface Invitation {
  readonly otk?: boolean;
  readonly gen?: number;
}

/** A new session from one to the other, over the other's bundle as a client checks it. */
export function invite(
  from: Person,
  to: Person,
  { otk = true, gen = 1 }: Invitation = {},
): Session {
  const X = to.identity.exchange.publicKey;
  const spr = checkSignedPrekey(to.spr.record.bytes, { X, now: NOW, seen: null });
  const oneTime = otk ? checkOneTimePrekey(to.otk.record.bytes, spr) : null;
  assert.ok(!otk || oneTime);
  const { identity, install, random } = from;
  return initiate({ identity, install, gen, spr, otk: oneTime }, random);
}

/** One person with one session; `inits` are those that opened a session here. */
export interface Side {
  readonly person: Person;
  session: Session | null; // null after an INIT was heard: deleted, a tombstone is kept
  readonly inits: Set<string>;
}

export function side(person: Person, session: Session | null = null): Side {
  return { person, session, inits: new Set() };
}

/** A has a session to B and has sent nothing. */
export function pair(seed: string, options: Invitation = {}): { A: Side; B: Side } {
  const [a, b] = [person(`${seed} A`), person(`${seed} B`)];
  return { A: side(a, invite(a, b, options)), B: side(b) };
}

/** As `pair`, and so many round trips after the INIT was opened. */
export function friends(seed: string, turns = 1): { A: Side; B: Side } {
  const both = pair(seed);
  const { A, B } = both;
  assert.is(hear(B, say(A, 'hello')), 'hello');
  for (let i = 0; i < turns; i++) {
    assert.is(hear(A, say(B, `b${i}`)), `b${i}`);
    assert.is(hear(B, say(A, `a${i}`)), `a${i}`);
  }
  return both;
}

export function session(of: Side): Session {
  assert.ok(of.session);
  return of.session;
}

export function say(from: Side, text: string | Uint8Array, type = 1): Uint8Array {
  const content = typeof text === 'string' ? utf8(text) : text;
  const sent = encrypt(session(from), { type, content }, from.person.random);
  from.session = sent.session;
  return sent.envelope;
}

export function receiver(of: Side): Receiver {
  const { spr, otks, identity } = of.person;
  return {
    identity,
    spr: (id) => (id === SPK_ID ? spr : null),
    otk: (id) => otks.get(id) ?? null,
    sessions: of.session ? [of.session] : [],
    byInit: (iid) => (of.inits.has(iid) ? of.session : undefined),
  };
}

export function attempt(to: Side, envelope: Uint8Array, now = NOW): Received {
  return receive(envelope, receiver(to), now);
}

export function hear(to: Side, envelope: Uint8Array, now = NOW): string {
  const got = attempt(to, envelope, now);
  to.session = got.session;
  if (got.opened) {
    to.inits.add(got.opened.iid);
    to.person.otks.delete(got.opened.otkId);
  }
  return new TextDecoder().decode(got.plaintext.content);
}

/** Whether a session opens it; whatever it throws is "no". */
export function opens(s: Session, envelope: Uint8Array): boolean {
  const parsed = parseEnvelope(envelope);
  assert.ok(parsed);
  try {
    return decrypt(s, parsed.body, 1) !== null;
  } catch {
    return false;
  }
}

/** A copy of a side, as a thief takes it: what happens to either leaves the other alone. */
export function stolen({ person, session, inits }: Side): Side {
  return { person: { ...person, otks: new Map(person.otks) }, session, inits: new Set(inits) };
}

const SAYS: Partial<Record<ErrorCode, string>> = {
  'envelope-rejected': 'this envelope cannot be opened',
  'envelope-duplicate': 'this envelope was opened before',
};

/** The message of what `act` throws: of this code, with its only text and nothing beside it. */
export function refuses(
  act: () => unknown,
  code: ErrorCode = 'envelope-rejected',
  why = '',
): string {
  let error: unknown = null;
  try {
    act();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error, `${why}: taken, want ${code}`);
  if (!isFleximError(error)) throw error;
  assert.is(error.code, code, why);
  if (SAYS[code]) assert.is(error.message, SAYS[code], why);
  assert.is(error.cause, undefined, `${why}: a cause tells too much`);
  assert.equal(Object.keys(error).sort(), ['code', 'name'], why);
  return error.message;
}

export const refusesDuplicate = (act: () => unknown, why = '') =>
  refuses(act, 'envelope-duplicate', why);

export function flipped(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] as number) ^ mask;
  return copy;
}

/** Remembers every byte under `value`; the result fails when one is another, or a field is. */
export function deepFreeze(value: unknown, path = 'it'): () => void {
  if (value === null || typeof value !== 'object') return () => {};
  if (value instanceof Uint8Array) {
    const copy = Uint8Array.from(value);
    return () => assert.equal(Uint8Array.from(value), copy, `${path} was changed`);
  }
  Object.freeze(value);
  const checks = Object.entries(value).map(([name, each]) => deepFreeze(each, `${path}.${name}`));
  return () => {
    for (const check of checks) check();
  };
}
