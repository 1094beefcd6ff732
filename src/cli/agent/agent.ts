// The seam between a person's commands and his messenger. One process of a profile owns store and
// connection; every other one asks it. Commands and screens see an Agent and need not know which they are.

import type { MessengerEvent } from '../../client/events.ts';
import type { ArgsOf, ResultOf, VerbName } from './verbs.ts';

export interface Agent {
  readonly me: { readonly name: string; readonly key: string };
  /** Does a verb of the table, wherever the messenger is. Throws what the verb throws. */
  ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>>;
  /** All that happens from this call on; each caller has a stream of his own. It ends with `close`. */
  events(): AsyncIterableIterator<AgentEvent>;
  /** What was accepted stays in the store; if this process is the owner, another one takes over. */
  close(): Promise<void>;
}

export type AgentEvent =
  | MessengerEvent
  /** Another process is the owner now: what was read before may be out of date. */
  | { readonly kind: 'moved' };
