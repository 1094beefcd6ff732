// What a direct link brings, where no relay keeps anything: somebody arrives, and leaves. Until he arrives all
// that is for him waits in the store, and then it goes out as it would at a login.

import { catchUp } from './clock.ts';
import { type Core, reaches, tell } from './core.ts';
import { peeked, wake } from './opening.ts';
import { show } from './own.ts';
import { add, byName, isBlocked, meet } from './people.ts';
import { prove, pump, resend, transmitOutbox } from './sending.ts';

export interface Arrival {
  readonly key: string;
  /** What the user calls him. */
  readonly name: string;
  readonly spr: Uint8Array | null;
}

export interface Turn {
  readonly key: string;
  readonly isDirect: boolean;
}

/** The link is there; nobody has arrived yet. */
export function begin(core: Core): void {
  core.isUp = true;
  core.here = new Set();
  catchUp(core);
  show(core);
}

/** Beside a relay, too, which takes for everybody. Also when he has one connection more than before, or shows other prekeys: what goes twice opens once. */
export function arrived(core: Core, { key: X, name, spr }: Arrival): void {
  if (!core.isUp || X === core.identity.hex) return;
  core.here?.add(X);
  introduce(core, X, name);
  if (isBlocked(core, X)) return;
  if (core.here === null) {
    prove(core, X);
    if (spr) peeked(core, X, spr);
    return;
  }
  core.asked.delete(X);
  core.fetches.delete(X);
  prove(core, X);
  transmitOutbox(core, X);
  pump(core, X);
  resend(core, X);
  if (spr) peeked(core, X, spr);
  wake(core, X);
}

export function left(core: Core, X: string): void {
  core.here?.delete(X);
  if (!reaches(core, X)) core.asked.delete(X);
}

/** What went the direct way and has no receipt goes by the relay now; what he has opens once. */
export function way(core: Core, { key: X, isDirect }: Turn): void {
  if (!core.isUp) return;
  tell(core, { kind: 'way', peer: X, isDirect });
  if (isDirect) core.straight.add(X);
  else core.straight.delete(X);
  if (core.here === null && !isDirect) transmitOutbox(core, X);
}

/** Whoever is in the user's own address book is a contact, under that name if no other has it. */
function introduce(core: Core, X: string, name: string): void {
  const row = core.state.contacts.get(X);
  if (row?.added && row.name !== '') return;
  const other = byName(core.state, name);
  if (other && other.key !== X) meet(core, X);
  else add(core, X, row?.name || name, null);
}
