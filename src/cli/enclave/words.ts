// How friends and what a node tells look: texts of others made fit for a terminal.

import { hostAndPort } from '../../lib/address.ts';
import { presentable } from '../../lib/text.ts';
import type { Friend, FriendView, Stranger } from '../../protocols/enclave/index.ts';

const STATES = ['offline', 'available', 'away', 'busy'] as const;
const MAX_SHOWN = 200;

export const HELP = [
  'NAME: TEXT or /msg NAME TEXT   write to a friend',
  '/friends                       who is there',
  '/accept N [NAME]  /ignore N  /block N   answer somebody who knocks',
  '/status available|away|busy [WORDS]   what friends see of you',
  '/alias NAME                    what you call yourself',
  '/help  /quit',
];

export function stateOf(status: number): string {
  return STATES[status] ?? `status ${status}`;
}

/** The state that a word names, or null. */
export function statusNamed(word: string): number | null {
  const at = STATES.indexOf(word as (typeof STATES)[number]);
  return at > 0 ? at : null;
}

export function short(text: string): string {
  return presentable(text, { max: MAX_SHOWN });
}

export function friendText(friend: Friend | FriendView): string {
  const { name, host, port, key, isPlain, isBlocked } = friend;
  const live = 'status' in friend ? friend : null;
  const place = port === 0 ? `${host} (waits for him)` : hostAndPort({ host, port });
  const secrecy = key ? `key ${key}` : isPlain ? 'NOT ENCRYPTED, as you allowed' : 'no key yet';
  return [
    name.padEnd(12),
    ...(live ? [stateOf(live.status).padEnd(9)] : []),
    place,
    isBlocked ? 'blocked' : secrecy,
    ...(live ? [aliasOf(live), short(live.note)] : []),
  ]
    .filter(Boolean)
    .join('  ');
}

/** When something about him has changed. */
export function newsText(friend: FriendView): string {
  const { name, status, note, key, isProven } = friend;
  const secrecy = key === null ? ', NOT ENCRYPTED' : isProven ? ', encrypted' : '';
  const words = note === '' ? '' : `: ${short(note)}`;
  const state = stateOf(status);
  const alias = aliasOf(friend);
  return `${name} is ${state}${status === 0 ? '' : `${secrecy}${words}`}${alias && ` (${alias})`}`;
}

export function strangerText({ id, host, alias, key }: Stranger): string {
  const secrecy = key === null ? 'without a key: NOT ENCRYPTED' : `with the key ${key}`;
  return `somebody knocks from ${host}, ${secrecy}, and calls himself ${short(alias)}: /accept ${id} [NAME], /ignore ${id} or /block ${id}`;
}

export function friendJson(friend: Friend | FriendView): object {
  const { name, host, port, key, isPlain: plain, isBlocked: blocked } = friend;
  const shown = { name, host, port, key, plain, blocked };
  if (!('status' in friend)) return shown;
  const { alias, status, note, isProven: proven } = friend;
  return { ...shown, proven, alias, status, state: stateOf(status), note };
}

function aliasOf({ alias, name }: FriendView): string {
  return alias === '' || alias === name ? '' : `calls himself ${short(alias)}`;
}
