// Contacts in the store: docs/protocols/fe1.md §12.1. Who may be written to is decided here alone.

import { parseAddress, parseKey } from '../lib/address.ts';
import { foldAlias } from '../lib/alias.ts';
import { type ErrorCode, FleximError } from '../lib/errors.ts';
import { printable } from '../lib/text.ts';
import { type Core, tell } from './core.ts';
import type { Contact } from './events.ts';
import type { ContactRow } from './records.ts';
import type { State } from './state.ts';

/** Somebody's contact, made at first sight. */
export function meet(core: Core, X: string): ContactRow {
  const present = core.state.contacts.get(X);
  if (present) return present;
  const made: ContactRow = {
    ...{ key: X, name: '', alias: null, added: false, firstSeen: core.host.now() },
    ...{ verified: false, blocked: false, changedTo: null },
  };
  core.state.contacts.set(X, made);
  return made;
}

/** Nothing new is encrypted for somebody who is blocked, or whose alias has another key now. */
export function isHalted({ state }: Core, X: string): boolean {
  const contact = state.contacts.get(X);
  return contact !== undefined && (contact.blocked || contact.changedTo !== null);
}

export function isBlocked({ state }: Core, X: string): boolean {
  return state.contacts.get(X)?.blocked === true;
}

/** Throws what keeps a message from being accepted. */
export function mayWrite(core: Core, X: string): void {
  const contact = core.state.contacts.get(X);
  const name = nameOf(contact, X);
  if (X === core.identity.hex)
    throw new FleximError('bad-input', 'that is your own key: there is nobody to send to');
  if (contact?.blocked)
    throw new FleximError('contact-blocked', `${name} is blocked; unblock first, then send`);
  if (contact && contact.changedTo !== null)
    throw new FleximError(
      'contact-changed',
      `the relay now gives another key for ${name}; nothing is sent until it was accepted (trust)`,
    );
}

export function nameOf(contact: ContactRow | undefined, X: string): string {
  return contact?.name || X.slice(0, 8);
}

/** The key that a text names by itself: hex, or the person of a flexim:// address. */
export function keyIn(who: string): string | null {
  return parseKey(who) ?? (who.startsWith('flexim://') ? parseAddress(who).person : null);
}

/** The contact of that name or alias. */
export function byName(state: State, who: string): ContactRow | null {
  const wanted = fold(who);
  const all = state.contacts.values();
  const named = all.find(({ name }) => name !== '' && fold(name) === wanted);
  return named ?? all.find(({ alias }) => alias !== null && fold(alias) === wanted) ?? null;
}

/** A name that no other contact has; throws `alias-invalid` and `contact-exists`. */
export function freeName(state: State, name: string, X: string): string {
  foldAlias(name);
  const other = byName(state, name);
  if (other && other.key !== X)
    throw fail('contact-exists', `${printable(name)} is another contact already`);
  return name;
}

export function add(core: Core, X: string, name: string, alias: string | null): ContactRow {
  if (X === core.identity.hex) throw fail('bad-input', 'that is your own key');
  const before = meet(core, X);
  const row = {
    ...before,
    name: name ? freeName(core.state, name, X) : before.name,
    alias: alias ?? before.alias,
    added: true,
  };
  core.state.contacts.set(X, row);
  return row;
}

/** What the relay says now for a pinned alias. */
export function lookedUp(core: Core, X: string, found: string | null): void {
  const row = core.state.contacts.get(X);
  if (!row || found === null) return;
  const changedTo = found === X ? null : found;
  if (row.changedTo === changedTo) return;
  core.state.contacts.set(X, { ...row, changedTo });
  if (changedTo === null) return;
  core.host.count('contact changed');
  tell(core, { kind: 'contact-changed', key: X });
}

/**
 * The user accepts the new key: the name goes over to it, and the old one keeps its history under a name
 * of its own. After a comparison the new key needs one, too.
 */
export function accept(core: Core, X: string, compared: boolean): ContactRow {
  const { state } = core;
  const row = state.contacts.get(X);
  if (!row?.changedTo) throw fail('bad-input', 'there is no changed key to accept');
  if (row.verified && !compared)
    throw fail(
      'contact-changed',
      `${row.name} was verified: compare the safety number of the new key first`,
    );
  const { changedTo, alias, name } = row;
  const retired = name && oldName(state, name);
  state.contacts.set(X, { ...row, name: retired, alias: null, changedTo: null });
  const fresh = meet(core, changedTo);
  const made = { ...fresh, name: name || fresh.name, alias, added: true, verified: compared };
  state.contacts.set(changedTo, made);
  return made;
}

function oldName(state: State, name: string): string {
  for (let n = 1; ; n++) {
    const candidate = `${[...name].slice(0, 26).join('')}.old${n === 1 ? '' : n}`;
    if (!byName(state, candidate)) return candidate;
  }
}

export function change(core: Core, X: string, part: Partial<ContactRow>): ContactRow {
  const row = { ...meet(core, X), ...part };
  core.state.contacts.set(X, row);
  return row;
}

/** Those who may be met directly, for the link. */
export function places(core: Core): void {
  for (const row of core.state.contacts.values()) place(core, row);
}

export function place(core: Core, { key, name, at, blocked }: ContactRow): void {
  if (at === undefined) return;
  core.effects.push({ kind: 'know', place: { key, name, at: (!blocked && at) || null } });
}

export function shown({ by }: State, row: ContactRow): Contact {
  let firstUnread: number | null = null;
  for (const { order } of by.unread.each(row.key)) {
    firstUnread = order;
    break;
  }
  return { ...row, unread: by.unread.size(row.key), firstUnread };
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function fail(code: ErrorCode, message: string): FleximError {
  return new FleximError(code, message);
}
