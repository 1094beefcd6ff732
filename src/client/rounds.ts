// What a login and what time brings: docs/protocols/fe1.md §4.4, §10.3, §10.6.

import { expire } from '../fe1/ratchet.ts';
import { isStale } from '../fe1/sessions.ts';
import { encodeSession } from '../fe1/state.ts';
import { catchUp } from './clock.ts';
import { type Core, down } from './core.ts';
import { fetchAgain, fetchAtOnce, peek, wake } from './opening.ts';
import { peekedSelf, rotate, wipeOld } from './own.ts';
import { forget, sessionOf } from './peers.ts';
import { pump, resend, transmitOutbox, transmitRefused } from './sending.ts';

export interface LoggedIn {
  readonly self: Uint8Array | null; // our own record, as the relay has it
  readonly takeOver: boolean;
}

/** The connection is there. Throws `identity-elsewhere`; then nothing has changed. */
export function login(core: Core, { self, takeOver }: LoggedIn): void {
  core.isUp = true;
  try {
    peekedSelf(core, self, takeOver);
  } catch (error) {
    down(core);
    throw error;
  }
  catchUp(core);
  transmitOutbox(core);
  fetchAtOnce(core);
  everybody(core);
}

export function tick(core: Core): void {
  catchUp(core);
  forgetOld(core);
  rotate(core);
  transmitRefused(core);
  everybody(core);
}

/** The last step of every batch: what follows from the others, once for each person. */
export function settle(core: Core): void {
  for (const X of core.stirred) {
    core.stirred.delete(X);
    pump(core, X);
    wake(core, X);
  }
}

/** What cannot wait for the next tick. */
export function due(core: Core): void {
  fetchAgain(core);
}

function everybody(core: Core): void {
  const { peers, by } = core.state;
  for (const X of new Set([...peers.keys(), ...by.waiting.groups()])) {
    pump(core, X);
    resend(core, X);
    wake(core, X);
    peek(core, X);
  }
}

function forgetOld(core: Core): void {
  const { state, host } = core;
  const now = host.now();
  for (const [sid, row] of state.sessions.entries()) {
    if (row.supersededAt !== null && isStale(row.supersededAt, now)) {
      forget(core, sid);
      continue;
    }
    const session = sessionOf(row);
    const without = expire(session, now);
    if (without !== session) state.sessions.set(sid, { ...row, bytes: encodeSession(without) });
  }
  wipeOld(core);
}
