// Sessions in the store, by peer: docs/protocols/fe1.md §10. Decoded once, kept by their bytes.

import type { Plaintext } from '../fe1/envelope.ts';
import { encrypt, type Session } from '../fe1/ratchet.ts';
import { activeSession, type Peer, used } from '../fe1/sessions.ts';
import { decodeSession, encodeSession } from '../fe1/state.ts';
import { toHex } from '../lib/bytes.ts';
import { type Core, next } from './core.ts';
import type { PeerRow, SessionRow } from './records.ts';

const decoded = new WeakMap<Uint8Array, Session>();
const NEW: PeerRow = { maxGen: 0, E: null, seen: null, heardAt: 0 };

export function sessionOf({ bytes }: SessionRow): Session {
  const session = decoded.get(bytes) ?? decodeSession(bytes);
  decoded.set(bytes, session);
  return session;
}

/** His sessions, the one used last first. */
export function peerOf({ state }: Core, X: string): Peer {
  const rows = state.by.sessions.rows(X).reverse();
  return { maxGen: state.peers.get(X)?.maxGen ?? 0, sessions: rows.map(sessionOf) };
}

/** The session that the next message to this peer goes out on. */
export function activeOf(core: Core, X: string): Session | null {
  return activeSession(peerOf(core, X).sessions);
}

export function peerRow({ state }: Core, X: string): PeerRow {
  return state.peers.get(X) ?? NEW;
}

/** Keeps a peer whose first session was just used. */
export function keep(core: Core, X: string, { maxGen, sessions }: Peer): void {
  const { state, host } = core;
  state.peers.set(X, { ...peerRow(core, X), maxGen });
  const kept = new Set(sessions.map(({ sid }) => toHex(sid)));
  for (const [sid] of state.by.sessions.entries(X)) if (!kept.has(sid)) forget(core, sid);
  const senior = activeSession(sessions);
  for (const session of sessions) {
    const sid = toHex(session.sid);
    const row = state.sessions.get(sid);
    const isSame = row !== undefined && sessionOf(row) === session;
    const supersededAt = session === senior ? null : (row?.supersededAt ?? host.now());
    const isFirst = session === sessions[0];
    if (isSame && !isFirst && row.supersededAt === supersededAt) continue;
    const bytes = isSame ? row.bytes : encodeSession(session);
    decoded.set(bytes, session);
    const usedAt = isFirst ? next(core) : (row?.usedAt ?? 0);
    const fresh = { peer: X, openedAt: host.now(), heardAt: 0 };
    state.sessions.set(sid, { ...(row ?? fresh), bytes, usedAt, supersededAt });
  }
}

/** A session goes; that its INIT was opened stays known. */
export function forget({ state, host }: Core, sid: string): void {
  state.sessions.delete(sid);
  host.count('session dropped');
  for (const [iid, row] of state.inits.entries())
    if (row.sid === sid) state.inits.set(iid, { ...row, sid: null });
}

/** The one place where a message key is used; the session's next state is kept with the envelope. */
export function seal(core: Core, session: Session, plaintext: Plaintext): Uint8Array {
  const sealed = encrypt(session, plaintext, core.host.random);
  core.host.sealed?.(sealed.session, sealed.envelope);
  const X = toHex(session.peerX);
  keep(core, X, used(peerOf(core, X), sealed.session));
  return sealed.envelope;
}
