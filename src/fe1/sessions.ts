// Which session to send on, and where an envelope belongs: docs/protocols/fe1.md §9 and §10. Pure: the
// caller keeps what comes out, in one transaction, and only then acknowledges or transmits.

import type { Identity } from '../crypto/identity.ts';
import { hash } from '../crypto/sodium.ts';
import { sameBytes, toHex } from '../lib/bytes.ts';
import { MAX_GEN, MAX_SESSIONS, MAX_UNANSWERED, RELAY_TTL } from './constants.ts';
import { type Plaintext, parseEnvelope } from './envelope.ts';
import { type RespondOptions, respond } from './handshake.ts';
import { decrypt, rejected, type Session } from './ratchet.ts';

/** Before all others is the one with the highest generation, then the smallest id. */
export function bySeniority(a: Session, b: Session): number {
  return b.gen - a.gen || Buffer.compare(a.sid, b.sid);
}

/** The one to send on; both sides choose the same. Null: open one. */
export function activeSession(sessions: readonly Session[]): Session | null {
  return sessions.toSorted(bySeniority)[0] ?? null;
}

/**
 * The one for a receipt (§8.4): the active one, but while its INIT is unanswered the one that the message
 * came on. The peer certainly holds that; a receipt on a session that he could not open would be lost
 * for ever, since nothing tells us so when we have no message of our own under way.
 */
export function receiptSession(sessions: readonly Session[], arrivedOn: Session): Session {
  const active = activeSession(sessions);
  return active && !active.init ? active : arrivedOn;
}

/** The generation of the next INIT to a peer. */
export function nextGen(peer: Peer): number {
  if (!canOpen(peer)) throw rejected();
  return peer.maxGen + 1;
}

/** Whether there is a generation left. */
export function canOpen({ maxGen }: Peer): boolean {
  return maxGen + 1 < MAX_GEN;
}

/**
 * No session has the highest generation: the peer named it in GEN, so what we have is not what he
 * sends on. One is to be opened before more is sent. It follows from what is stored, so a crash
 * between hearing GEN and getting a bundle forgets nothing.
 */
export function isDue({ maxGen, sessions }: Peer): boolean {
  return sessions.every(({ gen }) => gen !== maxGen);
}

/**
 * Whether a session may take one more message. The chain turns when the other side answers; until
 * then its length is what might be missing at once, and that must stay below MAX_SKIP (§10.5).
 */
export function hasRoom({ pending, Ns }: Session, limit: number = MAX_UNANSWERED): boolean {
  return pending || Ns < limit;
}

/** A peer's sessions with one more: so many at most, the junior ones go first, the new one stays. */
export function joined(sessions: readonly Session[], session: Session): readonly Session[] {
  const others = sessions.filter(({ sid }) => !sameBytes(sid, session.sid));
  return [session, ...others.toSorted(bySeniority).slice(0, MAX_SESSIONS - 1)];
}

/** Receive-only sessions are forgotten this long after a senior one took over. */
export function isStale(supersededAt: number, now: number): boolean {
  return now - supersededAt > RELAY_TTL;
}

/** The name under which an INIT is remembered, so that no replay opens a second session. */
export function initId(prefix: Uint8Array): string {
  return toHex(hash(32, prefix.subarray(4), null));
}

export interface Receiver {
  readonly identity: Identity;
  readonly spr: RespondOptions['spr'];
  readonly otk: RespondOptions['otk'];
  /** Candidates, the most recently used first. */
  readonly sessions: Iterable<Session>;
  /** The session that an INIT opened: undefined for one never seen, null when it was deleted. */
  readonly byInit: (iid: string) => Session | null | undefined;
}

export interface Received {
  readonly before: Session | null; // null: the envelope opened a new session
  readonly session: Session;
  readonly plaintext: Plaintext;
  /** Of a new session: what must be remembered and deleted with it. */
  readonly opened: { readonly iid: string; readonly otkId: number; readonly spkId: number } | null;
}

/** Opens an envelope, whoever it is from. Throws `envelope-rejected` or `envelope-duplicate`. */
export function receive(envelope: Uint8Array, receiver: Receiver, now: number): Received {
  const parsed = parseEnvelope(envelope);
  if (!parsed) throw rejected();
  const { init, body } = parsed;
  if (!init) {
    for (const before of receiver.sessions) {
      const result = decrypt(before, body, now);
      if (result) return { before, ...result, opened: null };
    }
    throw rejected();
  }
  const iid = initId(init.prefix);
  const before = receiver.byInit(iid);
  if (before === null) throw rejected();
  if (before) {
    const result = decrypt(before, body, now);
    if (!result) throw rejected();
    return { before, ...result, opened: null };
  }
  const { session, otkId, spkId } = respond(init, receiver);
  const result = decrypt(session, body, now);
  if (!result) throw rejected();
  return { before: null, ...result, opened: { iid, otkId, spkId } };
}

// ---- a peer: generations, and what follows from what was received ----

export interface Peer {
  /** The highest generation heard of; 0 for none. It outlives the sessions. */
  readonly maxGen: number;
  readonly sessions: readonly Session[];
}

export const NO_PEER: Peer = { maxGen: 0, sessions: [] };

export interface Admitted {
  readonly peer: Peer;
  /** To be sent once, as GEN on the session just received on: the peer lost its state and counts anew. */
  readonly answerGen: number | null;
}

/** The peer after an envelope of his was opened. */
export function admit(peer: Peer, { before, session }: Received): Admitted {
  const behind = !before && session.gen < peer.maxGen;
  return { peer: used(peer, session), answerGen: behind ? peer.maxGen : null };
}

/** The peer after a session of our own was opened or has sent. */
export function used(peer: Peer, session: Session): Peer {
  const maxGen = Math.max(peer.maxGen, session.gen);
  return { maxGen, sessions: joined(peer.sessions, session) };
}

/** GEN was received: the peer after it when a new session is due (of `nextGen`), else null. */
export function heardGen(peer: Peer, gen: number): Peer | null {
  return gen > peer.maxGen ? { ...peer, maxGen: gen } : null;
}

/** Whether a peer's signed record says that he lost the state which a session counts on. */
export function lostItsState(session: Session, install: Uint8Array): boolean {
  return !sameBytes(session.peerInstall, install);
}
