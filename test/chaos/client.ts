// A client of the chaos rig: it logs in again and again for as long as a relay lives, sends bursts to the
// others, acknowledges at strides of its own, and leaves in every way there is.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../model/chance.ts';
import type { Peer } from '../peer.ts';
import type { Ledger } from './ledger.ts';
import { type Leaving, type Person, Session } from './session.ts';

export interface Habits {
  /** It stays away for a relay's whole life, once in so many. */
  readonly absentOneIn: number;
  /** It comes so late at most. */
  readonly lateMs: number;
  /** Messages a burst at most, and the pause between two. */
  readonly burst: number;
  readonly pauseMs: number;
  /** It leaves after a burst, once in so many; 0: it stays. */
  readonly leaveOneIn: number;
  /** It stops reading for a while, once in so many bursts; 0: never. */
  readonly drowseOneIn: number;
  /** It crashes, with Messages in the system's buffers that it never reads, once in so many logins. */
  readonly crashOneIn: number;
  /** A Message of up to 60 KB, once in so many; 0: never. */
  readonly bigOneIn: number;
}

/** A relay's life as a client sees it. */
export interface Visit {
  readonly generation: number;
  readonly dial: () => Promise<Peer>;
  /** Somebody is logged in. */
  readonly arrived?: () => void;
  /** Given when it is time to go: 'calm', or 'dead' when the relay is. */
  readonly over: AbortSignal;
}

const OUTSTANDING = 400; // Messages without a barrier behind them
const GONE_MS = 5_000; // a connection that outlives its relay so long is ended here
const DRAIN_TRIES = 20;
const ACK_MS = 10;

/** Waits, but not beyond the signal. */
export async function nap(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

export interface Surroundings {
  readonly people: readonly Person[];
  readonly ledger: Ledger;
  readonly chance: Chance;
  readonly habits: Habits;
  readonly sure: () => boolean;
}

export class Client {
  readonly me: Person;
  readonly #people: readonly Person[];
  readonly #ledger: Ledger;
  readonly #chance: Chance;
  readonly #habits: Habits;
  readonly #sure: () => boolean;
  readonly #open = new Set<Session>();

  constructor(me: Person, others: Surroundings) {
    this.me = me;
    this.#people = others.people;
    this.#ledger = others.ledger;
    this.#chance = others.chance;
    this.#habits = others.habits;
    this.#sure = others.sure;
    if (me.smudged) this.#ledger.smudge(me.index);
    if (!me.acks) this.#ledger.loosen(me.index);
  }

  /** Lives through the life of a relay; comes back when the last of its connections is closed. */
  async visit(visit: Visit): Promise<void> {
    const { absentOneIn, lateMs } = this.#habits;
    if (this.#chance.oneIn(absentOneIn)) return;
    if (this.#chance.oneIn(2)) await nap(this.#chance.below(lateMs + 1), visit.over);
    while (!visit.over.aborted) {
      const session = await this.#login(visit);
      if (session) await this.#work(session, visit);
      await nap(this.#chance.below(lateMs + 5), visit.over);
    }
    for (const each of this.#open)
      if (visit.over.reason === 'calm') each.leave(this.#wayOut());
      else this.#leaveLate(each);
    await Promise.all([...this.#open].map((each) => each.closed));
  }

  /** What the relay wrote before it died is still read. */
  #leaveLate(session: Session): void {
    session.pause(true);
    const late = setTimeout(() => session.leave('reset'), GONE_MS);
    session.closed.finally(() => clearTimeout(late));
  }

  async #login(visit: Visit): Promise<Session | null> {
    const { generation } = visit;
    try {
      const session = await Session.open(await visit.dial(), {
        me: this.me,
        people: this.#people,
        ledger: this.#ledger,
        generation,
        sure: this.#sure,
      });
      visit.arrived?.();
      this.#open.add(session);
      session.closed.finally(() => this.#open.delete(session));
      return session;
    } catch {
      return null; // cut in the middle; refusals are in the ledger
    }
  }

  async #work(session: Session, { over }: Visit): Promise<void> {
    const chance = this.#chance;
    const { pauseMs, leaveOneIn, drowseOneIn } = this.#habits;
    const ackOneIn = chance.pick([1, 1, 2, 4, 1_000]) as number;
    if (chance.oneIn(this.#habits.crashOneIn)) this.#crash(session, over);
    const obeys = !chance.oneIn(6); // else it goes on sending to a relay that stops
    while (session.isOpen && !over.aborted) {
      if (session.isStopping && obeys) return this.#obey(session);
      session.send(this.#burst());
      if (chance.oneIn(ackOneIn))
        session.acknowledge(chance.oneIn(3) ? chance.below(session.unacknowledged + 1) : 0);
      const answered = session.barrier();
      if (drowseOneIn > 0 && chance.oneIn(drowseOneIn)) await this.#drowse(session, over);
      if (session.outstanding > OUTSTANDING || !chance.oneIn(4)) await answered;
      await nap(chance.below(pauseMs + 1), over);
      if (leaveOneIn > 0 && chance.oneIn(leaveOneIn)) return this.#leave(session);
    }
  }

  /** The relay stops: nothing new, what came is acknowledged, and the relay ends the connection. */
  async #obey(session: Session): Promise<void> {
    await session.barrier();
    session.acknowledge();
    await session.barrier();
    await session.closed;
  }

  #burst() {
    const chance = this.#chance;
    const { burst, bigOneIn } = this.#habits;
    // Either one recipient gets it all, or each Message goes to another one.
    const one = chance.oneIn(2) ? chance.pick(this.#people) : undefined;
    return Array.from({ length: 1 + chance.below(burst) }, () => {
      const big = bigOneIn > 0 && chance.oneIn(bigOneIn);
      const padding = chance.below(big ? 60_000 : chance.oneIn(10) ? 4_000 : 200);
      return { to: one ?? (chance.pick(this.#people) as Person), padding };
    });
  }

  async #crash(session: Session, over: AbortSignal): Promise<void> {
    // At once, it is in the middle of what was queued for it.
    if (this.#chance.oneIn(2)) await nap(this.#chance.below(60), over);
    session.pause(false);
    await nap(5 + this.#chance.below(60), over);
    session.leave('reset');
  }

  async #drowse(session: Session, over: AbortSignal): Promise<void> {
    session.pause(false);
    await nap(this.#chance.below(200), over);
    session.pause(true);
  }

  async #leave(session: Session): Promise<void> {
    // Now and then the next login replaces this connection (§5.6).
    if (this.#chance.oneIn(3)) return;
    session.leave(this.#wayOut());
    await session.closed;
  }

  #wayOut(): Leaving {
    return this.#chance.pick<Leaving>(['bye', 'fin', 'reset']) as Leaving;
  }

  /** Logs in, takes and acknowledges all that is queued, and stays; null when it could not. */
  async drain(visit: Visit): Promise<Session | null> {
    for (let tries = 0; tries < DRAIN_TRIES && !visit.over.aborted; tries++) {
      const session = await this.#login(visit);
      if (!session && this.#ledger.counts.violations > 0) return null;
      if (!session) continue;
      const late = () => session.leave('reset');
      visit.over.addEventListener('abort', late);
      // A full window lets nothing more through, not even event 22.
      const acknowledging = setInterval(() => session.acknowledge(), ACK_MS);
      await session.queueSent;
      clearInterval(acknowledging);
      await session.barrier();
      session.acknowledge();
      await session.barrier();
      visit.over.removeEventListener('abort', late);
      if (session.isOpen) return session;
    }
    return null;
  }
}
