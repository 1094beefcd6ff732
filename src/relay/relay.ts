// A relay without a wire: what every protocol's server.ts serves.

import type { Log } from '../lib/log.ts';
import type { Clock } from '../lib/time.ts';
import { Directory, type DirectoryStore } from './directory.ts';
import { countShut, type Shut } from './doors.ts';
import { Drops } from './drops.ts';
import { Expiry } from './expiry.ts';
import { type Limits, type LiveLimits, liveLimits } from './limits.ts';
import { Logins } from './logins.ts';
import { Paces } from './paces.ts';
import { type PrekeyStore, Prekeys } from './prekeys.ts';
import { Queue, type QueueStore } from './queue.ts';
import { Router } from './router.ts';
import { loginTurns, type Turns } from './turns.ts';

export type RosterPolicy = 'listed' | 'none';

export interface RelayOptions {
  readonly name: string;
  readonly roster: RosterPolicy;
  readonly store: DirectoryStore & PrekeyStore & QueueStore;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  /** Every Message is on the disk before it is delivered. */
  readonly durable: boolean;
  /** Names a sender to a recipient's mailbox, so that nobody without the relay's key can tell who. */
  readonly tagOf: (recipient: string, sender: string) => Buffer;
  /** The store cannot be trusted any more: the relay has to end. */
  readonly broken: (error: Error) => void;
}

export interface Relay {
  name: string; // these two may change while it runs
  roster: RosterPolicy;
  readonly limits: LiveLimits; // these may change, too
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  readonly queue: Queue;
  readonly router: Router;
  readonly expiry: Expiry;
  readonly prekeys: Prekeys;
  readonly drops: Drops;
  /** Hears of everybody whom the door did not let in. */
  readonly shut: Shut;
  readonly logins: Logins;
  readonly paces: Paces;
  readonly turns: Turns;
  /** The store cannot be trusted any more. */
  readonly broken: (error: Error) => void;
}

export function createRelay(options: RelayOptions): Relay {
  const { name, roster, store, clock, log, durable, tagOf, broken } = options;
  const limits = liveLimits(options.limits);
  const drops = new Drops();
  const directory = new Directory(store, clock);
  const queue = new Queue({ store, limits, clock, log, tagOf, broken });
  const router = new Router({ names: directory, queue, limits, drops, clock, durable });
  const expiry = new Expiry({ queue, store, limits, clock, drops, log });
  const prekeys = new Prekeys(store);
  const shut = countShut(drops, log);
  const logins = new Logins(limits, clock);
  const paces = new Paces(limits, clock);
  const turns = loginTurns(limits, clock);
  return {
    ...{ name, roster, limits, clock, log, directory, queue, router, expiry, prekeys },
    ...{ drops, shut, logins, paces, turns, broken },
  };
}

/** Waits until everything that was accepted is on the disk; nobody may be connected any more. */
export async function settleRelay({ queue, expiry, log }: Relay): Promise<void> {
  expiry.stop();
  for (let left = queue.settled(); left; left = queue.settled()) {
    await left; // a disk that was full may have room again
    if (queue.isFull) break;
  }
  queue.stop();
  if (queue.uncommitted > 0)
    log.error({ bytes: queue.uncommitted }, 'the disk is full: Messages in memory are lost');
}
