// Finding a seat: attach to a living owner, or become the owner. Whoever claims the store is the owner, and
// only he makes the socket, so any number may try at once. Between an owner's end and the next one's
// beginning there is nothing but to look again soon.

import { setTimeout as sleep } from 'node:timers/promises';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Agent } from './agent.ts';
import { OwnerGone } from './remote.ts';
import { takeTurn, turnOf } from './turn.ts';

const PAUSES = { firstMs: 5, mostMs: 50 };
const KEYLESS_MS = 1_000; // for others who have the key to come forward

export interface Doors {
  readonly directory: string;
  /** Null when nobody serves. */
  attach(): Promise<Agent | null>;
  /** Throws `store-busy` while another process has the store. Null: this one has not got the key. */
  readonly own: (() => Promise<Agent>) | null;
}

export interface Waiting {
  readonly signal: AbortSignal;
  /** After so long without an owner that serves, it throws why there is none. */
  readonly patienceMs: number;
}

export async function findSeat(doors: Doors, { signal, patienceMs }: Waiting): Promise<Agent> {
  let began: number | null = null;
  for (let pauseMs = PAUSES.firstMs; ; pauseMs = Math.min(2 * pauseMs, PAUSES.mostMs)) {
    signal.throwIfAborted();
    const seat = (await attach(doors)) ?? (await own(doors));
    if (!(seat instanceof FleximError)) return seat;
    began ??= performance.now(); // not before: Node loads its clock when it is first asked
    const isKeyless = seat.code === 'passphrase-needed';
    if (performance.now() - began > (isKeyless ? KEYLESS_MS : patienceMs)) throw seat;
    await sleep(pauseMs, null, { signal });
  }
}

async function attach(doors: Doors): Promise<Agent | null> {
  try {
    return await doors.attach();
  } catch (error) {
    if (error instanceof OwnerGone) return null; // he ended in this moment
    throw error;
  }
}

/** A seat, or why there is none yet. */
async function own({ directory, own: open }: Doors): Promise<Agent | FleximError> {
  const turn = open && takeTurn(directory);
  const pid = turn ? null : turnOf(directory);
  if (!open && pid === null)
    return new FleximError(
      'passphrase-needed',
      'the process that had unlocked the key has ended. Start another one, or this one anew',
    );
  if (!open || !turn)
    return new FleximError(
      'store-busy',
      `${pid === null ? 'another process' : `process ${pid}`} is opening this profile; try again`,
    );
  try {
    return await open();
  } catch (error) {
    if (isFleximError(error, 'store-busy')) return error;
    throw error;
  } finally {
    turn.leave();
  }
}
