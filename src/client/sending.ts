// Sending: docs/protocols/fe1.md §8.4, §10.5, §10.6. Plaintext waits until a session has room, is encrypted
// once into the outbox, goes out verbatim until the relay has it, and is encrypted anew, with the same id,
// when no receipt came.

import { RELAY_TTL } from '../fe1/constants.ts';
import { type Content, encodeContent, MAX_IDS } from '../fe1/content.ts';
import type { Plaintext } from '../fe1/envelope.ts';
import type { Session } from '../fe1/ratchet.ts';
import { hasRoom, isDue, receiptSession } from '../fe1/sessions.ts';
import { toHex } from '../lib/bytes.ts';
import { type Core, DAY, type Effect, HOUR, next, reaches, tell } from './core.ts';
import { activeOf, peerOf, seal, sessionOf } from './peers.ts';
import { isBlocked, isHalted } from './people.ts';
import { type DeliveryState, type SentRow, STATES } from './records.ts';
import { bytesOf, pair } from './state.ts';

const LIVE_FRESH = 300;
const TYPE_MESSAGE = 1;
type Sendable = Exclude<Content, { kind: 'unknown' }>;

/** Accepts a message: from here on it is lost no more. `content` is that of a MSG. */
export function say(core: Core, X: string, id: string, content: Uint8Array): number {
  const { state, host } = core;
  const order = next(core);
  const at = host.now();
  state.lines.set(pair(X, String(order)), {
    ...{ peer: X, order, id, out: true, at, state: 'queued', content },
  });
  state.places.set(`out:${pair(X, id)}`, { order, at });
  state.waiting.set(pair(X, id), { to: X, id, order });
  core.stirred.add(X);
  return order;
}

/** Receipts that are owed, then plaintext that waits, as far as the session has room. */
export function pump(core: Core, X: string): void {
  if (isBlocked(core, X) || isDue(peerOf(core, X))) return; // a bundle is fetched first
  receipts(core, X);
  if (isHalted(core, X)) return;
  for (const { id, order } of core.state.by.waiting.each(X)) {
    if (!hasRoom(activeOf(core, X) as Session, core.host.sizes.room)) {
      core.host.count('no room');
      return;
    }
    core.state.waiting.delete(pair(X, id));
    message(core, X, { id, order, tries: 0 });
  }
}

function receipts(core: Core, X: string): void {
  const { state, host } = core;
  const owed = state.by.owed.rows(X);
  for (let at = 0; at < owed.length; at += MAX_IDS) {
    const some = owed.slice(at, at + MAX_IDS);
    const row = state.sessions.get(some.at(-1)?.sid ?? '');
    const active = activeOf(core, X) as Session;
    const { sessions } = peerOf(core, X);
    const session = row ? receiptSession(sessions, sessionOf(row)) : active;
    if (!hasRoom(session, host.sizes.room)) return;
    for (const { id } of some) state.owed.delete(pair(X, id));
    post(core, X, encodeContent({ kind: 'receipt', ids: some.map(({ id }) => bytesOf(id)) }), {
      on: session,
    });
  }
}

export interface Posting {
  readonly on?: Session; // by default the active one
  readonly id?: string; // of the message in it
}

/** Encrypts into the outbox. */
export function post(core: Core, X: string, plaintext: Plaintext, { on, id }: Posting = {}) {
  const session = on ?? (activeOf(core, X) as Session);
  const bytes = seal(core, session, plaintext);
  const key = next(core);
  const logins = reaches(core, X) ? 1 : 0;
  core.state.outbox.set(key, { to: X, bytes, id: id ?? null, logins });
  transmit(core, { key, to: X, bytes, awaits: id ?? null });
  return { key, session };
}

type Transmit = Omit<Extract<Effect, { kind: 'transmit' }>, 'kind'>;

function transmit(core: Core, what: Transmit): void {
  if (reaches(core, what.to)) core.effects.push({ kind: 'transmit', ...what });
}

/** Encrypts a message for the first time or again: a new envelope with the same id. */
function message(core: Core, X: string, row: Pick<SentRow, 'id' | 'order' | 'tries'>): void {
  const { state, host } = core;
  const { id, order, tries } = row;
  const content = state.lines.get(pair(X, String(order)))?.content;
  if (!content) throw new TypeError('a message without its line');
  const { key, session } = post(core, X, { type: TYPE_MESSAGE, content }, { id });
  const install = session.peerInstall;
  const made = { to: X, id, order, tries, install, at: host.now(), heard: null, queuedAt: null };
  state.sent.set(pair(X, id), { ...made, out: key });
}

/** Only to one who was heard on this very session just now, and never kept: §8.6, §10.5. */
export function live(core: Core, X: string, content: Sendable): boolean {
  const session = activeOf(core, X);
  const row = session && core.state.sessions.get(toHex(session.sid));
  if (!reaches(core, X) || !row || isHalted(core, X) || isDue(peerOf(core, X))) return false;
  if (row.heardAt < core.host.now() - LIVE_FRESH) return false;
  if (!hasRoom(session, core.host.sizes.liveRoom)) return false;
  core.host.count('live');
  const bytes = seal(core, session, encodeContent(content));
  transmit(core, { key: null, to: X, bytes, awaits: null });
  return true;
}

/**
 * On a direct link: shows somebody who arrived that our key is ours. Never kept, and not when he has left
 * much unanswered: then it may be somebody who only claims to be him.
 */
export function prove(core: Core, X: string): void {
  const session = activeOf(core, X);
  if (!session || isHalted(core, X) || isDue(peerOf(core, X))) return;
  if (!hasRoom(session, core.host.sizes.liveRoom)) return;
  const bytes = seal(core, session, encodeContent({ kind: 'noop' }));
  transmit(core, { key: null, to: X, bytes, awaits: null });
}

// ---- what becomes of it ----

/** The relay has it on its disk. */
export function queued(core: Core, key: number): void {
  const { state, host } = core;
  const row = state.outbox.get(key);
  if (!row) return;
  state.outbox.delete(key);
  core.refused.delete(key);
  if (row.id === null) return;
  const sent = state.sent.get(pair(row.to, row.id));
  if (sent?.out === key) state.sent.set(pair(row.to, row.id), { ...sent, queuedAt: host.now() });
  advance(core, row.to, 'accepted', { id: row.id, order: sent?.order });
}

/** The relay did not take it: later, at growing intervals. */
export function notTaken(core: Core, key: number): void {
  if (!core.state.outbox.has(key)) return;
  const before = core.refused.get(key)?.wait ?? 2.5;
  const wait = Math.min(2 * before, 300);
  core.refused.set(key, { at: core.host.now() + wait, wait });
}

export function transmitRefused(core: Core): void {
  const now = core.host.now();
  for (const [key, { at, wait }] of core.refused) {
    const row = core.state.outbox.get(key);
    if (!row) core.refused.delete(key);
    else if (at <= now) {
      core.refused.set(key, { at: Number.POSITIVE_INFINITY, wait });
      transmit(core, { ...row, key, awaits: row.id });
    }
  }
}

/**
 * The outbox, or somebody's part of it, goes out as it is. Nobody confirms what is passed on to a live connection, and nothing will
 * receipt a receipt: such envelopes go out at two logins. When they are lost all the same, the peer's
 * message comes again, and the receipt with it.
 */
export function transmitOutbox(core: Core, to: string | null = null): void {
  for (const [key, row] of core.state.outbox.entries()) {
    if (to !== null && row.to !== to) continue;
    core.refused.delete(key);
    if (row.id === null && row.logins >= 2) core.state.outbox.delete(key);
    else core.state.outbox.set(key, { ...row, logins: row.logins + 1 });
    transmit(core, { ...row, key, awaits: row.id });
  }
}

/** A receipt ends every copy: in the outbox, and what waits to be encrypted once more. */
export function receipted(core: Core, X: string, id: string): void {
  const { state } = core;
  const message = pair(X, id);
  for (const [key] of state.by.copies.entries(message)) state.outbox.delete(key);
  const row = state.sent.get(message) ?? state.waiting.get(message);
  state.waiting.delete(message);
  state.sent.delete(message);
  core.effects.push({ kind: 'answered', to: X, id });
  advance(core, X, 'delivered', { id, order: row?.order });
}

export interface Known {
  readonly id: string;
  readonly order?: number | undefined; // when it need not be looked up
}

/** States only rise. */
export function advance(core: Core, X: string, to: DeliveryState, { id, order }: Known): void {
  const { lines, places } = core.state;
  const at = order ?? places.get(`out:${pair(X, id)}`)?.order;
  const line = at === undefined ? undefined : lines.get(pair(X, String(at)));
  if (!line || STATES.indexOf(line.state) >= STATES.indexOf(to)) return;
  lines.set(pair(X, String(at)), { ...line, state: to });
  tell(core, { kind: 'state', id, peer: X, state: to });
}

// ---- again ----

/** What may be encrypted again: not what the relay has safely for a peer who was not there since. */
export function mayResend({ host }: Core, { queuedAt, heard }: SentRow): boolean {
  return queuedAt === null || heard !== null || queuedAt <= host.now() - RELAY_TTL;
}

export function resend(core: Core, X: string): void {
  if (!reaches(core, X) || isHalted(core, X)) return;
  const now = core.host.now();
  const isOverdue = ({ at, tries }: SentRow) => now - at >= Math.min(HOUR * 2 ** tries, DAY);
  const rows = core.state.by.sent.rows(X).filter((row) => isOverdue(row) && mayResend(core, row));
  if (rows.length === 0 || isDue(peerOf(core, X))) return;
  for (const row of rows) {
    const active = activeOf(core, X);
    if (!active || !hasRoom(active, core.host.sizes.room)) return;
    core.host.count('resent');
    message(core, X, { ...row, tries: row.tries + 1 });
  }
}
