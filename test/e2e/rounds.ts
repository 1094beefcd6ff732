// Traffic both ways while processes are killed: in each round one of those that run, at a moment of chance, the owner
// of a profile as well as its guests, and the relay. The account must stay without a violation.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../model/chance.ts';
import type { Running } from './people.ts';
import type { World } from './world.ts';

const MOST_TEXTS = 15; // of one send
const PAUSE_MS = 120; // at most, between them
const LATEST_MS = 1_800; // a send starts, connects and is about done in that
const SETTLE_EVERY = 25;

export interface RoundsOptions {
  readonly rounds: number;
  readonly chance: Chance;
  readonly progress?: (text: string) => void;
  /** A client that forgets to send an id back. */
  readonly forgets?: (id: string) => boolean;
}

export interface Kills {
  receiver: number;
  send: number;
  relay: number;
  stops: number;
  tooLate: number;
}

/** Ends early at the first violation. */
export async function killRounds(world: World, options: RoundsOptions): Promise<Kills> {
  const { rounds, chance, progress } = options;
  const kills: Kills = { receiver: 0, send: 0, relay: 0, stops: 0, tooLate: 0 };
  for (let round = 1; round <= rounds && world.account.violations.length === 0; round++) {
    // A round begins with receivers that have started, and with such as have not: both are met.
    for (const person of world.people) if (!person.receiver) person.receive(options);
    await killRound(world, { chance, kills });
    if (round % SETTLE_EVERY === 0) await world.settle();
    if (round % 10 === 0) progress?.(`${round} rounds, ${JSON.stringify(world.account.counts)}`);
  }
  return kills;
}

async function killRound(
  world: World,
  { chance, kills }: { readonly chance: Chance; readonly kills: Kills },
): Promise<void> {
  const sends = world.people.map((person) => {
    const texts = world.texts(person, 1 + chance.below(MOST_TEXTS));
    return person.send(world.other(person), texts, () => chance.below(PAUSE_MS));
  });
  const victim = world.people[chance.below(2)] as World['alice'];
  const send = sends[world.people.indexOf(victim)] as Running;
  await sleep(chance.below(LATEST_MS));
  const what = chance.below(10);
  if (what < 4) strike(victim.receiver, 'receiver', kills);
  else if (what < 8) strike(send, 'send', kills);
  else if (what < 9) await world.restartRelay('SIGKILL').then(() => kills.relay++);
  else await world.restartRelay('SIGTERM').then(() => kills.stops++);
  // Sometimes the other side too, at the same moment.
  if (chance.oneIn(5)) strike(world.other(victim).receiver, 'receiver', kills);
  await Promise.all(sends.map(({ ended }) => ended));
}

function strike(target: Running | null, what: 'receiver' | 'send', kills: Kills): void {
  target?.kill();
  if (target?.isKilled) kills[what]++;
  else kills.tooLate++;
}
