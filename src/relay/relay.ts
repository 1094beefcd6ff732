// A relay without a wire: what every protocol's server.ts serves.

import type { Log } from '../lib/log.ts';
import type { Clock } from '../lib/time.ts';
import { Directory, type DirectoryStore } from './directory.ts';
import { Doors } from './doors.ts';
import { Drops } from './drops.ts';
import { type Limits, type LiveLimits, liveLimits } from './limits.ts';
import { Paces } from './paces.ts';
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
  readonly limits: LiveLimits; // these may change, too
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  readonly router: Router;
  readonly drops: Drops;
  readonly doors: Doors;
  readonly paces: Paces;
  readonly turns: Turns;
}

export function createRelay(options: RelayOptions): Relay {
  const { name, roster, store, clock, log } = options;
  const limits = liveLimits(options.limits);
  const drops = new Drops();
  const directory = new Directory(store, clock);
  const router = new Router({ names: directory, limits, drops });
  const doors = new Doors({ limits, drops, clock, log });
  const paces = new Paces(limits, clock);
  const turns = new Turns({
    clock,
    get turnMs() {
      return limits.loginTurnMs;
    },
    get waiting() {
      return limits.loginsWaiting;
    },
  });
  return { name, roster, limits, clock, log, directory, router, drops, doors, paces, turns };
}
