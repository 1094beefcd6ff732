// A relay without a wire: what every protocol's server.ts serves.

import type { Log } from '../lib/log.ts';
import type { Clock } from '../lib/time.ts';
import { Directory, type DirectoryStore } from './directory.ts';
import { Drops } from './drops.ts';
import type { Limits } from './limits.ts';
import { Router } from './router.ts';
import { Turns } from './turns.ts';

export type RosterPolicy = 'listed' | 'none';

export interface RelayOptions {
  readonly name: string;
  readonly roster: RosterPolicy;
  readonly store: DirectoryStore;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Relay {
  name: string; // these two may change while it runs
  roster: RosterPolicy;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  readonly router: Router;
  readonly drops: Drops;
  readonly turns: Turns;
}

export function createRelay({ name, roster, store, limits, clock, log }: RelayOptions): Relay {
  const drops = new Drops();
  const directory = new Directory(store, clock);
  const router = new Router({ names: directory, limits, drops });
  const turns = new Turns({ turnMs: limits.loginTurnMs, waiting: limits.loginsWaiting, clock });
  return { name, roster, limits, clock, log, directory, router, drops, turns };
}
