// Receiving: docs/protocols/fe1.md §9. What does not open is counted and answered to nobody.

import { encodeContent, type MessageContent, parseContent } from '../fe1/content.ts';
import type { Plaintext } from '../fe1/envelope.ts';
import type { Session } from '../fe1/ratchet.ts';
import { admit, heardGen, type Received, receive } from '../fe1/sessions.ts';
import { sameBytes, toHex } from '../lib/bytes.ts';
import { isFleximError } from '../lib/errors.ts';
import { type Core, next, tell } from './core.ts';
import { messageOf } from './lines.ts';
import { ownOneTime, ownSigned } from './own.ts';
import { keep, peerOf, peerRow, sessionOf } from './peers.ts';
import { isBlocked, meet } from './people.ts';
import type { Line } from './records.ts';
import { advance, post, receipted } from './sending.ts';
import { lastUsed, pair } from './state.ts';

/**
 * Whatever comes of it, the envelope is done with when this step is kept. Gives the key under which it
 * opened, or null.
 */
export function deliver(core: Core, envelope: Uint8Array): string | null {
  const received = opened(core, envelope);
  if (!received) return null;
  const X = toHex(received.session.peerX);
  const { E } = peerRow(core, X);
  if (E && !sameBytes(E, received.session.peerE)) {
    core.host.count('envelope-rejected');
    return null;
  }
  accept(core, X, received);
  core.stirred.add(X); // receipts for all of a batch together
  return X;
}

function opened(core: Core, envelope: Uint8Array): Received | null {
  const { state, identity, host } = core;
  const sessions = lastUsed(state).map(sessionOf);
  try {
    const byInit = (iid: string) => openedBy(core, iid);
    const spr = (id: number) => ownSigned(state, id);
    const otk = (id: number) => ownOneTime(state, id);
    return receive(envelope, { identity, spr, otk, sessions, byInit }, host.now());
  } catch (error) {
    if (!isFleximError(error, 'envelope-rejected') && !isFleximError(error, 'envelope-duplicate'))
      throw error;
    host.count(error.code);
    return null;
  }
}

function openedBy({ state, host }: Core, iid: string): Session | null | undefined {
  const row = state.inits.get(iid);
  if (!row) return undefined;
  const session = row.sid === null ? undefined : state.sessions.get(row.sid);
  if (!session) host.count('INIT of a dropped session');
  return session ? sessionOf(session) : null;
}

function accept(core: Core, X: string, received: Received): void {
  const { state, host } = core;
  const { session, plaintext, opened: fresh } = received;
  if (fresh) {
    const { iid, otkId, spkId } = fresh;
    state.inits.set(iid, { peer: X, sid: toHex(session.sid), spkId });
    state.otks.delete(otkId);
    host.count(otkId === 0 ? 'INIT without one-time key' : 'INIT');
    if (core.isUp && core.here === null) core.effects.push({ kind: 'count' });
  }
  const { peer, answerGen } = admit(peerOf(core, X), received);
  keep(core, X, peer);
  heard(core, X, session);
  take(core, X, session, plaintext);
  if (answerGen === null || isBlocked(core, X)) return;
  host.count('GEN sent');
  post(core, X, encodeContent({ kind: 'gen', gen: answerGen }), { on: session });
}

function heard(core: Core, X: string, session: Session): void {
  const { state, host } = core;
  const now = host.now();
  const sid = toHex(session.sid);
  const row = state.sessions.get(sid);
  if (row) state.sessions.set(sid, { ...row, heardAt: now });
  state.peers.set(X, { ...peerRow(core, X), E: session.peerE, heardAt: now });
  for (const [id, sent] of state.by.unheard.entries(X)) state.sent.set(id, { ...sent, heard: now });
}

/** Unknown types, and known ones with nonsense inside, are authentic and passed over: §8. */
function take(core: Core, X: string, session: Session, plaintext: Plaintext): void {
  const { host } = core;
  try {
    const content = parseContent(plaintext);
    if (content.kind === 'message') return got(core, session, content.message, plaintext.content);
    if (content.kind === 'receipt') for (const id of content.ids) receipted(core, X, toHex(id));
    if (content.kind === 'read') for (const id of content.ids) read(core, X, toHex(id));
    if (content.kind === 'sign' && core.state.contacts.get(X)?.added && !isBlocked(core, X))
      tell(core, { kind: 'sign', peer: X, sign: content.sign });
    if (content.kind === 'gen') {
      const raised = heardGen(peerOf(core, X), content.gen);
      if (raised) keep(core, X, raised);
      if (raised) host.count('GEN heeded');
    }
  } catch (error) {
    if (!isFleximError(error, 'malformed')) throw error;
    host.count(error.code);
  }
}

/** Who has read a message has it. */
function read(core: Core, X: string, id: string): void {
  receipted(core, X, id);
  advance(core, X, 'read', { id });
}

function got(core: Core, session: Session, message: MessageContent, content: Uint8Array): void {
  const { state, host } = core;
  const X = toHex(session.peerX);
  const id = toHex(message.id);
  // Nothing is kept of who is blocked, and nothing is answered: after that it can still come again.
  if (isBlocked(core, X)) return host.count('blocked');
  state.owed.set(pair(X, id), { peer: X, id, sid: toHex(session.sid) });
  if (state.places.get(`in:${pair(X, id)}`)) return host.count('known id');
  const isNew = !state.contacts.get(X);
  meet(core, X);
  const order = next(core);
  const at = host.now();
  const line: Line = { peer: X, order, id, out: false, at, state: 'delivered', content };
  state.places.set(`in:${pair(X, id)}`, { order, at });
  state.lines.set(pair(X, String(order)), line);
  state.unread.set(pair(X, id), { peer: X, id, order });
  if (isNew) tell(core, { kind: 'contact-new', key: X });
  tell(core, { kind: 'message', message: messageOf(line) });
}
