// Who is at the other end: docs/protocols/enclave.md §5. An address proves little and a key in a handshake
// is a claim, so both only choose a line of the address book; what opens under a key proves it.

import { isLoopback } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Book, Friend } from './book.ts';

export interface Comer {
  /** As the system names it. */
  readonly host: string;
  readonly key: string | null;
}

/** The friend of somebody who came, or null. `reached` says at which address a name was reached last. */
export function friendOf(
  book: Book,
  { host, key }: Comer,
  reached: (friend: Friend) => string | null = () => null,
): Friend | null {
  const known = key === null ? null : book.withKey(key);
  if (known) return known;
  const there = book.friends.filter(
    (friend) => friend.key === null && (isAt(friend.host, host) || reached(friend) === host),
  );
  const blocked = there.find(({ isBlocked }) => isBlocked);
  if (blocked && key === null) return blocked;
  const free = there.filter(({ isBlocked }) => !isBlocked);
  return free.length === 1 ? (free[0] as Friend) : null;
}

/** Throws `peer-key-changed` when whoever answers at a friend's address is somebody else. */
export function checkAnswer(book: Book, friend: Friend, key: string | null): void {
  if (friend.key === key) return;
  const changed = (what: string) =>
    new FleximError(
      'peer-key-changed',
      `whoever answers at the address of ${friend.name} ${what}. Nothing was sent to him. Ask ` +
        `${friend.name} over another way; then change the line in the address book`,
    );
  if (friend.key !== null)
    throw changed(key === null ? 'shows no key, and he had one' : `has another key: ${key}`);
  const other = key === null ? null : book.withKey(key);
  if (other) throw changed(`has the key of ${other.name}`);
}

/** One spelling of an address that the system gave. */
export function plainHost(remote: string): string {
  return remote.replace(/^::ffff:(?=\d+\.)/i, '').toLowerCase();
}

function isAt(named: string, host: string): boolean {
  return named === host || (named === 'localhost' && isLoopback(host));
}
