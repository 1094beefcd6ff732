// What can go wrong, one scenario each: who takes part, how long a relay lives, how it ends, and what
// troubles it in between.

import { renameSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Chance } from '../model/chance.ts';
import { type Habits, nap } from './client.ts';
import { diskEnv, diskIsSure, fillDisk } from './disk.ts';
import type { Fate, PipeFate } from './network.ts';
import type { Life } from './relay.ts';

/** 'stop-kill': killed a moment after it was asked to stop. */
export type End = 'kill' | 'stop' | 'stop-kill';

export interface Tools {
  readonly life: Life;
  readonly chance: Chance;
  readonly over: AbortSignal;
  /** Names a file beside the relay's data. */
  file(name: string): string;
  count(): void;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly clients: number;
  /** So many of them, the first, do without acknowledgements. */
  readonly loose?: number;
  /** The bytes of so many, the last, are altered on the way. */
  readonly smudged?: number;
  readonly habits: Habits;
  readonly durable?: boolean;
  readonly args?: readonly string[];
  readonly env?: (file: (name: string) => string) => Readonly<Record<string, string>>;
  /** Clients come by CommStream. */
  readonly streams?: boolean;
  readonly lifeMs: readonly [least: number, most: number];
  readonly ends: readonly End[];
  /** Killed while it starts, once in so many starts. */
  readonly killStartOneIn?: number;
  /** All is quiet and accounts are settled, once in so many lives. */
  readonly calmOneIn: number;
  /** What the network does to a connection; null: nothing. */
  readonly fate?: (chance: Chance, smudged: boolean) => Fate | null;
  /** Last words with which the relay may end by itself. */
  readonly mayEnd?: RegExp;
  /** Whether an answered barrier says that an acknowledgement is kept; else it does. */
  readonly sure?: () => boolean;
  /** Runs beside the clients until it is over. */
  readonly trouble?: (tools: Tools) => Promise<void>;
}

const BUSY: Habits = {
  absentOneIn: 4,
  lateMs: 40,
  burst: 40,
  pauseMs: 10,
  leaveOneIn: 15,
  drowseOneIn: 0,
  crashOneIn: 4,
  bigOneIn: 200,
};
const LONG: Habits = {
  ...BUSY,
  absentOneIn: 8,
  lateMs: 300,
  pauseMs: 30,
  leaveOneIn: 30,
  drowseOneIn: 20,
};

const kill: Scenario = {
  name: 'kill',
  about: 'the relay is killed (SIGKILL) at random moments while its clients are busy',
  clients: 6,
  loose: 1,
  habits: BUSY,
  lifeMs: [0, 150],
  ends: ['kill'],
  killStartOneIn: 15,
  calmOneIn: 30,
};

const YEAR_S = 365 * 86_400;

export const SCENARIOS: readonly Scenario[] = [
  kill,
  {
    ...kill,
    name: 'durable',
    about: 'the same with --durable, where an answered barrier is a promise',
    durable: true,
  },
  {
    ...kill,
    name: 'stop',
    about: 'SIGTERM or SIGINT while its clients are busy; one in four is killed while it stops',
    lifeMs: [0, 300],
    ends: ['stop', 'stop', 'stop', 'stop-kill'],
    killStartOneIn: 0,
    calmOneIn: 10,
  },
  {
    ...kill,
    name: 'tight',
    about: 'small queues, windows and memory: refusals, slow readers and spilling; kills and stops',
    habits: { ...BUSY, absentOneIn: 2, drowseOneIn: 10, bigOneIn: 30 },
    args: [
      ...['--queue-messages', '200', '--queue-share', '40', '--window-messages', '30'],
      ...['--waiting-bytes', '32K', '--memory', '1M'],
    ],
    lifeMs: [0, 600],
    ends: ['stop', 'kill'],
    killStartOneIn: 0,
    calmOneIn: 6,
  },
  {
    name: 'net',
    about: 'connections are cut (FIN, RST) at any byte, freeze, and are slow; clients stop reading',
    clients: 6,
    habits: { ...LONG, bigOneIn: 40 },
    lifeMs: [800, 2_500],
    ends: ['stop', 'kill'],
    calmOneIn: 2,
    fate: (chance) => (chance.oneIn(5) ? null : { up: rough(chance), down: rough(chance) }),
  },
  {
    name: 'stall',
    about: 'the relay is stopped (SIGSTOP) and goes on (SIGCONT), and is killed between the two',
    clients: 6,
    loose: 1,
    habits: LONG,
    lifeMs: [300, 2_000],
    ends: ['stop', 'kill'],
    calmOneIn: 3,
    trouble: stall,
  },
  {
    ...kill,
    name: 'workers',
    about:
      'clients come by CommStream, for which two workers encrypt; these are killed and stopped, and so is the relay',
    streams: true,
    loose: 0,
    args: ['--commstream-port', '0', '--workers', '2'],
    habits: LONG,
    lifeMs: [300, 2_500],
    ends: ['stop', 'kill', 'stop-kill'],
    trouble: strike,
  },
  {
    name: 'corrupt',
    about: 'bits of two clients flip in both directions; the others must not notice',
    clients: 7,
    smudged: 2,
    habits: LONG,
    lifeMs: [800, 2_000],
    ends: ['stop', 'kill'],
    calmOneIn: 2,
    fate: (chance, smudged) => (smudged ? { up: noisy(chance), down: noisy(chance) } : null),
  },
  {
    name: 'clock',
    about: "the relay's clock jumps by up to ten years, forward and back, also between two lives",
    clients: 6,
    habits: LONG,
    lifeMs: [300, 1_500],
    ends: ['stop', 'kill'],
    calmOneIn: 3,
    env: (file) => ({
      NODE_OPTIONS: `--import=${pathToFileURL(`${import.meta.dirname}/clock.mjs`)}`,
      CHAOS_CLOCK: file('clock'),
    }),
    trouble: jump,
  },
  {
    name: 'full',
    about:
      'the disk is full from time to time (refusals, not losses), also when the relay is killed',
    clients: 6,
    habits: LONG,
    lifeMs: [300, 2_000],
    ends: ['kill'],
    calmOneIn: 2,
    env: diskEnv,
    sure: diskIsSure,
    mayEnd: /\[store-failed\]\s*$/, // a disk that fills up unforeseen
    trouble: fillDisk,
  },
];

function rough(chance: Chance): PipeFate {
  const kind = chance.below(6);
  if (kind < 3) return { cutAt: chance.below(60_000), cut: chance.oneIn(2) ? 'fin' : 'reset' };
  if (kind === 3) return { freeze: { at: chance.below(20_000), ms: 50 + chance.below(800) } };
  if (kind === 4) return { bytesPerSecond: 20_000 + chance.below(400_000) };
  return {};
}

/** Mostly the login passes unhurt, else there would be nothing but failed logins. */
function noisy(chance: Chance): PipeFate {
  return {
    flipOneIn: 200 + chance.below(20_000),
    flipFrom: chance.oneIn(4) ? 0 : 1_000,
  };
}

async function stall({ life, chance, over, count }: Tools): Promise<void> {
  while (!over.aborted) {
    await nap(chance.below(200), over);
    if (over.aborted) return;
    life.signal('SIGSTOP');
    count();
    await nap(20 + chance.below(500), over);
    life.signal('SIGCONT');
  }
}

/** A worker dies, or does nothing for a while. */
async function strike({ life, chance, over, count }: Tools): Promise<void> {
  while (!over.aborted) {
    await nap(chance.below(300), over);
    const workers = life.workers();
    const pid = workers[chance.below(workers.length)];
    if (over.aborted || pid === undefined) continue;
    count();
    const signal = (name: NodeJS.Signals) => {
      try {
        process.kill(pid, name);
      } catch {
        // it is gone with its relay
      }
    };
    if (chance.oneIn(2)) {
      signal('SIGKILL');
      continue;
    }
    signal('SIGSTOP');
    await nap(20 + chance.below(300), over);
    signal('SIGCONT');
  }
}

async function jump({ chance, over, file, count }: Tools): Promise<void> {
  const path = file('clock');
  while (!over.aborted) {
    await nap(50 + chance.below(400), over);
    const seconds = chance.oneIn(4) ? 0 : chance.below(20 * YEAR_S) - 10 * YEAR_S;
    writeFileSync(`${path}.new`, `${seconds}`);
    renameSync(`${path}.new`, path); // whole or not at all
    count();
  }
}
