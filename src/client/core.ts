// The rules of the messenger as functions over its state: docs/protocols/fe1.md §8 to §11. A rule changes
// rows and leaves effects; whoever runs it keeps all the rows in one transaction and only then carries the
// effects out (runner.ts). So a crash between any two steps finds either nothing or everything of a step.

import type { Identity } from '../crypto/identity.ts';
import { MAX_UNANSWERED, OTK_BATCH, OTK_LOW } from '../fe1/constants.ts';
import type { Random } from '../fe1/random.ts';
import type { Session } from '../fe1/ratchet.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Place } from '../protocols/protocol.ts';
import type { MessengerEvent } from './events.ts';
import type { State } from './state.ts';
import { BLOCK_LINES } from './timeline.ts';

/** To be done when the rows are safe. */
export type Effect =
  | {
      readonly kind: 'transmit';
      readonly key: number | null; // in the outbox; null for /live
      readonly to: string;
      readonly bytes: Uint8Array;
      readonly awaits: string | null; // the message in it, when it has a receipt to come
    }
  /** Beside a relay: for those who are met directly. */
  | { readonly kind: 'show'; readonly spr: Uint8Array }
  | { readonly kind: 'know'; readonly place: Place }
  | { readonly kind: 'answered'; readonly to: string; readonly id: string }
  | { readonly kind: 'fetch' | 'peek'; readonly of: string }
  | { readonly kind: 'publish'; readonly spr: Uint8Array; readonly otks: readonly Uint8Array[] }
  | { readonly kind: 'peek-self' | 'count' }
  /** Something is due in so many seconds: `due` of rounds.ts. */
  | { readonly kind: 'again'; readonly seconds: number }
  | { readonly kind: 'event'; readonly event: MessengerEvent };

export interface Backoff {
  readonly at: number; // not before
  readonly wait: number;
}

export interface Missing extends Backoff {
  readonly isAbsent: boolean; // the relay has none: FE1_PEEK tells when that changes, and takes nothing
}

/** Numbers that a test makes small, so that short runs meet them. */
export interface Sizes {
  readonly room: number; // envelopes in a sending chain
  readonly liveRoom: number; // of them, that may be /live
  readonly otkBatch: number;
  readonly otkLow: number;
  readonly block: number; // lines of the history that are joined
}

export const SIZES: Sizes = {
  room: MAX_UNANSWERED,
  liveRoom: 100,
  otkBatch: OTK_BATCH,
  otkLow: OTK_LOW,
  block: BLOCK_LINES,
};

export interface Host {
  readonly random: Random;
  readonly sizes: Sizes;
  /** Unix seconds. */
  now(): number;
  /** Things worth counting, by name. */
  count(what: string): void;
  /** For tests: an envelope was sealed. */
  sealed?(session: Session, envelope: Uint8Array): void;
}

export interface Core {
  readonly identity: Identity;
  readonly state: State;
  readonly host: Host;
  effects: Effect[];
  /** Whom something may go out to now, once the steps of a batch are done. */
  readonly stirred: Set<string>;
  // What dies with the connection.
  isUp: boolean;
  here: Set<string> | null; // who can be reached, on a direct link; null: a relay takes for everybody
  readonly straight: Set<string>; // to whom things go directly, beside a relay
  readonly asked: Set<string>; // bundles under way
  readonly refused: Map<number, Backoff>; // envelopes that the relay did not take
  // What dies with the process.
  readonly peeks: Map<string, Backoff>;
  readonly warned: Map<string, ErrorCode>; // what was last told about somebody's prekeys
  readonly fetches: Map<string, Missing>; // bundles that could not be had
}

export function newCore(identity: Identity, state: State, host: Host): Core {
  return {
    ...{ identity, state, host, effects: [], isUp: false, here: null },
    stirred: new Set(),
    straight: new Set(),
    asked: new Set(),
    refused: new Map(),
    peeks: new Map(),
    fetches: new Map(),
    warned: new Map(),
  };
}

export const HOUR = 3_600;
export const DAY = 86_400;

/** The next number of the counter that orders everything in this store. */
export function next({ state }: Core): number {
  const own = ownRow(state);
  state.own.set('own', { ...own, next: own.next + 1 });
  return own.next;
}

export function ownRow(state: State) {
  const own = state.own.get('own');
  if (!own) throw new TypeError('the store was not begun');
  return own;
}

/** A new store gets its install id; it is there in every other one. */
export function begin({ state, host }: Core): void {
  if (state.own.get('own')) return;
  state.own.set('own', { install: host.random(16), published: false, next: 1 });
}

export function tell(core: Core, event: MessengerEvent): void {
  core.effects.push({ kind: 'event', event });
}

/** Whether somebody, or a relay for him, would take something now. */
export function reaches({ isUp, here }: Core, X: string): boolean {
  return isUp && (here === null || here.has(X));
}

/** The connection is gone, and with it what was asked for on it. */
export function down(core: Core): void {
  core.isUp = false;
  core.here = null;
  core.straight.clear();
  core.asked.clear();
  core.refused.clear();
}
