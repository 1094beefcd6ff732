// Opening sessions, and noticing that one is wanted: docs/protocols/fe1.md §4.3, §10.3 to §10.6. A bundle is
// the relay's word until it was checked against the key and what was seen before.

import { encodeContent } from '../fe1/content.ts';
import { type InitiateOptions, initiate } from '../fe1/handshake.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  type SignedPrekey,
  seenBundle,
} from '../fe1/prekeys.ts';
import type { Session } from '../fe1/ratchet.ts';
import { canOpen, hasRoom, isDue, lostItsState, nextGen, used } from '../fe1/sessions.ts';
import { sameBytes, toHex } from '../lib/bytes.ts';
import { FleximError, isFleximError } from '../lib/errors.ts';
import { type Core, DAY, HOUR, ownRow, reaches, tell } from './core.ts';
import { activeOf, keep, peerOf, peerRow } from './peers.ts';
import { isBlocked, nameOf } from './people.ts';
import type { SentRow } from './records.ts';
import { mayResend, post, pump } from './sending.ts';
import { bytesOf, pair } from './state.ts';

const UNANSWERED_INIT = 48 * HOUR;
const SILENCE = 7 * DAY;
const ABSENT_MOST = 60; // seconds between looks for prekeys that nobody has left yet
const FETCH_MOST = HOUR / 2;

/** Why a new session is wanted, or null; `install` is what a verified record says. */
export function reason(core: Core, X: string, install: Uint8Array | null): string | null {
  const { state, host } = core;
  const active = activeOf(core, X);
  if (!canOpen(peerOf(core, X))) return null; // he drove the generations to their end: §10.4
  if (!active) return 'none yet';
  if (isDue(peerOf(core, X))) return 'GEN';
  if (install && lostItsState(active, install)) return 'lost state';
  const all = state.by.sent.rows(X);
  const rows = all.filter((row) => mayResend(core, row));
  const openedAt = state.sessions.get(toHex(active.sid))?.openedAt ?? 0;
  if (active.init && openedAt <= host.now() - UNANSWERED_INIT && rows.length > 0)
    return 'INIT unanswered';
  const isDeaf = ({ tries, heard }: SentRow) =>
    tries > 0 && heard !== null && heard <= host.now() - HOUR;
  if (rows.some(isDeaf)) return 'resend did not help';
  const isBlockedThere = rows.length < all.length;
  if (!hasRoom(active, host.sizes.room) && !isBlockedThere && isStuck(core, X, active, rows))
    return 'full';
  return null;
}

/**
 * A full session whose chain does not turn, though nothing is known to be on its way: the peer may have
 * receipted everything on another session, and receipts themselves are never receipted.
 */
function isStuck(core: Core, X: string, { sid }: Session, rows: readonly SentRow[]): boolean {
  const { state, host } = core;
  if (rows.length > 0) return rows.some(({ at }) => at <= host.now() - DAY);
  const row = state.sessions.get(toHex(sid));
  const isWaiting = state.by.waiting.size(X) + state.by.owed.size(X) > 0;
  return isWaiting && Math.max(row?.openedAt ?? 0, row?.heardAt ?? 0) <= host.now() - HOUR;
}

/** Asks for a bundle when a new session is wanted. */
export function wake(core: Core, X: string): void {
  const { state, host } = core;
  if (!reaches(core, X) || core.asked.has(X) || isBlocked(core, X)) return;
  if (!state.peers.has(X) && state.by.waiting.size(X) === 0) return;
  if ((core.fetches.get(X)?.at ?? 0) > host.now() || !reason(core, X, null)) return;
  ask(core, X, core.fetches.get(X)?.isAbsent ? 'peek' : 'fetch');
}

function ask(core: Core, X: string, kind: 'fetch' | 'peek'): void {
  core.asked.add(X);
  core.effects.push({ kind, of: X });
}

/** It could not be had: later, after 1 s, 2 s, 4 s … The relay may want a longer pause. */
export function notFetched(core: Core, X: string, atLeast = 0, isAbsent = false): void {
  core.asked.delete(X);
  const before = core.fetches.get(X);
  const grown = Math.min((before?.wait ?? 0.5) * 2, isAbsent ? ABSENT_MOST : FETCH_MOST);
  const wait = Math.min(Math.max(grown, atLeast), FETCH_MOST);
  core.fetches.set(X, { at: core.host.now() + wait, wait, isAbsent });
  core.effects.push({ kind: 'again', seconds: wait });
}

/** Whether somebody has left prekeys could not be asked. */
export function notPeeked(core: Core, X: string, atLeast: number): void {
  if (core.asked.has(X) && core.fetches.get(X)?.isAbsent) notFetched(core, X, atLeast, true);
}

/** Asks again for what is due by now, and has itself called for what comes next. */
export function fetchAgain(core: Core): void {
  const now = core.host.now();
  let next = Number.POSITIVE_INFINITY;
  for (const [X, { at }] of core.fetches)
    if (at <= now) wake(core, X);
    else next = Math.min(next, at);
  if (core.isUp && next < Number.POSITIVE_INFINITY)
    core.effects.push({ kind: 'again', seconds: next - now });
}

/** A new connection may be with a relay that knows more. */
export function fetchAtOnce(core: Core): void {
  for (const [X, missing] of core.fetches) core.fetches.set(X, { ...missing, at: 0 });
}

/** A record that passes, or null; then the user is told, for nothing can be sent. */
function check(core: Core, X: string, bytes: Uint8Array): SignedPrekey | null {
  const { E, seen } = peerRow(core, X);
  try {
    const record = checkSignedPrekey(bytes, { X: bytesOf(X), now: core.host.now(), seen });
    if (!E || sameBytes(E, record.E)) return record;
    core.host.count('bundle-rejected');
  } catch (error) {
    if (!isFleximError(error, 'bundle-rejected')) throw error;
    core.host.count(error.code);
  }
  warn(core, X, new FleximError('bundle-rejected', problem(core, X, bytes)));
  return null;
}

/** What is wrong with them; when it is their age alone, a clock may be to blame. */
function problem(core: Core, X: string, bytes: Uint8Array): string {
  const name = nameOf(core.state.contacts.get(X), X);
  const given =
    core.here === null ? `the prekeys that the relay gave for ${name}` : `the prekeys of ${name}`;
  const { seen } = peerRow(core, X);
  try {
    const { expires } = checkSignedPrekey(bytes, { X: bytesOf(X), now: 0, seen });
    return (
      `${given} ended on ${dateOf(expires)}, and this machine says that it is ${dateOf(core.host.now())}: ` +
      'if its clock is right they have not been there for long; nothing was sent with them'
    );
  } catch {
    return `${given} are not valid; nothing was sent with them`;
  }
}

function dateOf(seconds: number): string {
  const date = new Date(seconds * 1_000);
  return Number.isNaN(date.getTime()) ? 'no day at all' : date.toISOString().slice(0, 10);
}

/** Once, until a session could be opened: it is tried again and again. */
function warn(core: Core, peer: string, error: FleximError): void {
  if (core.warned.get(peer) === error.code) return;
  core.warned.set(peer, error.code);
  tell(core, { kind: 'warning', error, peer });
}

export interface Bundle {
  readonly spr: Uint8Array;
  readonly otk: Uint8Array | null;
}

export function bundle(core: Core, X: string, got: Bundle | null): void {
  core.asked.delete(X);
  const spr = got && check(core, X, got.spr);
  if (!spr) {
    notFetched(core, X, 0, got === null);
    if (!got && core.state.by.waiting.size(X) > 0) warn(core, X, noBundle(core, X));
    return;
  }
  const why = reason(core, X, spr.install);
  if (!why) {
    core.fetches.delete(X);
    return pin(core, X, spr);
  }
  core.host.count(`new session: ${why}`);
  const otk = got.otk && checkOneTimePrekey(got.otk, spr);
  if (got.otk && !otk) core.host.count('one-time key rejected');
  open(core, X, spr, otk);
}

function open(
  core: Core,
  X: string,
  spr: SignedPrekey,
  otk: ReturnType<typeof checkOneTimePrekey>,
) {
  const { identity, state } = core;
  const peer = peerOf(core, X);
  const { install } = ownRow(state);
  const options = { identity, install, gen: nextGen(peer), spr, otk };
  const session = initiated(core, options);
  if (!session) return notFetched(core, X);
  core.fetches.delete(X);
  core.warned.delete(X);
  keep(core, X, used(peer, session));
  state.peers.set(X, { ...peerRow(core, X), E: spr.E, seen: seenBundle(spr) });
  waitAgain(core, X, spr);
  const before = state.outbox.size;
  pump(core, X);
  if (state.outbox.size === before) post(core, X, encodeContent({ kind: 'noop' }));
}

/** Null: well signed, but of no use. Its owner harms himself alone, so nothing else may stop for it. */
function initiated(core: Core, options: InitiateOptions): Session | null {
  try {
    return initiate(options, core.host.random);
  } catch (error) {
    if (!isFleximError(error, 'bundle-rejected')) throw error;
    core.host.count(error.code);
    warn(core, toHex(options.spr.X), error);
    return null;
  }
}

function noBundle(core: Core, X: string): FleximError {
  const name = nameOf(core.state.contacts.get(X), X);
  const none =
    core.here === null ? `the relay has no prekeys of ${name}` : `${name} has shown no prekeys`;
  return new FleximError(
    'no-bundle',
    `${none}: the message is kept and goes out when there are some`,
  );
}

/** What lacks its receipt goes on the new session, in its old order, but for what is still queued. */
function waitAgain(core: Core, X: string, { install }: SignedPrekey): void {
  for (const row of core.state.by.sent.rows(X)) {
    const { to, id, order } = row;
    if (!mayResend(core, row) && sameBytes(row.install, install)) continue;
    core.state.sent.delete(pair(X, id));
    core.state.waiting.set(pair(X, id), { to, id, order });
  }
}

function pin(core: Core, X: string, spr: SignedPrekey): void {
  const row = peerRow(core, X);
  if (row.seen?.seq === spr.seq) return;
  core.state.peers.set(X, { ...row, E: spr.E, seen: seenBundle(spr) });
}

/** Looks whether a peer lost its state: when a receipt is late, or after long silence. */
export function peek(core: Core, X: string): void {
  const { host } = core;
  if (!reaches(core, X) || isBlocked(core, X) || !activeOf(core, X)) return;
  const now = host.now();
  const late = core.state.by.sent.rows(X).some(({ at, tries }) => tries > 0 || at <= now - HOUR);
  const { heardAt } = peerRow(core, X);
  const { at, wait } = core.peeks.get(X) ?? { at: heardAt, wait: HOUR / 2 };
  if (!(late && at + wait <= now) && Math.max(at, heardAt) > now - SILENCE) return;
  core.peeks.set(X, { at: now, wait: Math.min(wait * 2, DAY) });
  host.count('peek');
  core.effects.push({ kind: 'peek', of: X });
}

export function peeked(core: Core, X: string, bytes: Uint8Array | null): void {
  const wasAbsent = core.asked.has(X) && core.fetches.get(X)?.isAbsent === true;
  const spr = bytes && check(core, X, bytes);
  if (wasAbsent && !spr) notFetched(core, X, 0, bytes === null);
  if (!spr) return;
  if (wasAbsent) {
    core.asked.delete(X);
    core.fetches.delete(X);
  }
  pin(core, X, spr);
  if (reaches(core, X) && !core.asked.has(X) && reason(core, X, spr.install)) ask(core, X, 'fetch');
}
