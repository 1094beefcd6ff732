// Waiting for what the messenger tells, no longer than the user wants to.

import { FleximError, isFleximError } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';
import { tell } from '../profile.ts';
import { formatDuration } from '../units.ts';
import type { Agent, AgentEvent } from './agent.ts';

const MOST_MS = 2 ** 31 - 1; // of a timer
const CLOCK_OFF = 3_600; // seconds, from which on prekeys suffer
const LOST = ['not-connected', 'connection-lost', 'relay-stopping'];

/** The events of an agent from now on, for one who takes them when he likes. */
export class Watch {
  readonly agent: Agent;
  readonly #events: AsyncIterableIterator<AgentEvent>;
  #next: Promise<IteratorResult<AgentEvent>> | null = null;
  #saidTrouble = false;
  #saidClock = false;

  constructor(agent: Agent) {
    this.agent = agent;
    this.#events = agent.events();
  }

  /** The next event, or null when it is later than `late` (of performance.now). */
  async next(late: number): Promise<AgentEvent | null> {
    this.#next ??= this.#events.next();
    this.#next.catch(() => {}); // it is heard when it is asked for again
    const result = await before(late, this.#next);
    if (result === null) return null;
    this.#next = null;
    if (result.done) throw new FleximError('closed', 'the messenger was closed');
    return result.value;
  }

  /** Waits for the relay; what keeps us from it is told once, and thrown when the time is over. */
  async connected(late: number): Promise<void> {
    const began = performance.now();
    for (;;) {
      const { relay, trouble, clockAhead } = await this.agent.ask('status');
      if (relay) return this.#tellClock(clockAhead);
      if (trouble?.retryMs === null) throw new FleximError(trouble.code, trouble.message);
      if (trouble && !this.#saidTrouble) {
        this.#saidTrouble = true;
        tell(`not connected: ${presentable(trouble.message)}`);
        if (Number.isFinite(late)) tell(`trying for ${shownTime(late - began)}`);
      }
      if ((await this.next(late)) !== null) continue;
      if (trouble) throw new FleximError(trouble.code, trouble.message);
      const time = shownTime(performance.now() - began);
      throw new FleximError('relay-unreachable', `no connection to the relay in ${time}`);
    }
  }

  /** Does what needs the relay, when it is there; again, while there is time, if it goes away. */
  async online<T>(late: number, work: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.connected(late);
      try {
        return await work();
      } catch (error) {
        const isLost = isFleximError(error) && LOST.includes(error.code);
        if (!isLost || performance.now() > late) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await this.#events.return?.();
  }

  #tellClock(ahead: number | null): void {
    if (this.#saidClock || ahead === null || Math.abs(ahead) < CLOCK_OFF) return;
    this.#saidClock = true;
    tell(`${clockWords(ahead)}. Set it: people's keys would be taken for too old, or ours be so`);
  }
}

export function isClockOff(ahead: number): boolean {
  return Math.abs(ahead) >= CLOCK_OFF;
}

export function clockWords(ahead: number): string {
  const hours = Math.round(Math.abs(ahead) / 3_600);
  const much = hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
  return `the clock of this computer is ${much} ${ahead > 0 ? 'ahead of' : 'behind'} the relay's`;
}

export function shownTime(ms: number): string {
  const step = [1, 100, 1_000].findLast((each) => each <= ms) ?? 1;
  return formatDuration(Math.round(ms / step) * step);
}

/** What is kept, or null when it is later than `late`. */
export async function before<T>(late: number, kept: Promise<T>): Promise<T | null> {
  if (late === Number.POSITIVE_INFINITY) return kept;
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    const ms = Math.min(Math.max(0, late - performance.now()), MOST_MS);
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([kept, over]);
  } finally {
    clearTimeout(timer);
  }
}
