// The agent that commands and screens get. It has a seat: the messenger in this process, or an owner in
// another one. When that owner ends, it takes the next seat, asks again what had no answer, and tells
// who listens that things have moved.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Contact } from '../../client/events.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { type PromiseWithResolvers, withResolvers } from '../../lib/queue.ts';
import { AGAIN, byKey, unanswered, wasDone } from './again.ts';
import type { Agent, AgentEvent } from './agent.ts';
import { Listeners } from './listeners.ts';
import { OwnerGone } from './remote.ts';
import type { ArgsOf, ResultOf, VerbName } from './verbs.ts';

const AGAIN_MS = 1_000;
/** These pass by themselves, or when somebody does something. */
const PASSING = ['store-busy', 'store-full', 'passphrase-needed'];

/** Finds the next seat: attaches to an owner or becomes it. */
export type FindSeat = (signal: AbortSignal) => Promise<Agent>;

export class House implements Agent {
  readonly me: Agent['me'];
  readonly #find: FindSeat;
  readonly #listeners = new Listeners();
  readonly #leaving = new AbortController();
  #seat: Agent | null = null;
  #next: PromiseWithResolvers<Agent> = withResolvers();
  #failure: Error | null = null;
  #moving: Promise<void> = Promise.resolve();

  constructor(seat: Agent, find: FindSeat) {
    this.me = seat.me;
    this.#find = find;
    this.#sit(seat);
  }

  async ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>> {
    if (AGAIN[verb] !== 'keyed') return this.#ask(verb, args, null);
    const before = await this.#ask('contact', [args[0] as string], null);
    return this.#ask(verb, before ? byKey(before, args) : args, before);
  }

  events(): AsyncIterableIterator<AgentEvent> {
    return this.#listeners.events();
  }

  async close(): Promise<void> {
    const closed = new FleximError('closed', 'this agent was closed');
    this.#leaving.abort(closed);
    this.#failure ??= closed;
    this.#refuse(closed);
    await this.#moving;
    await this.#seat?.close();
    this.#listeners.end(null);
  }

  async #ask<N extends VerbName>(
    verb: N,
    args: ArgsOf<N>,
    before: Contact | null,
  ): Promise<ResultOf<N>> {
    for (let isAgain = false; ; isAgain = true) {
      if (this.#failure) throw this.#failure;
      const seat = this.#seat ?? (await this.#next.promise);
      try {
        return await seat.ask(verb, ...args);
      } catch (error) {
        if (error instanceof OwnerGone) {
          this.#lost(seat);
          if (AGAIN[verb] !== 'never') continue;
          if (verb === 'sign') return false as ResultOf<N>;
          throw unanswered(verb);
        }
        if (!isAgain || !before || !wasDone(verb, before, error)) throw error;
        return this.#done(verb, before, error);
      }
    }
  }

  /** What a request that was done before would have given; `error` is what it gives now. */
  async #done<N extends VerbName>(verb: N, before: Contact, error: unknown): Promise<ResultOf<N>> {
    if (verb === 'remove') return undefined as ResultOf<N>;
    const now = await this.#ask('contact', [before.changedTo as string], null);
    if (now?.alias !== before.alias) throw error;
    return now as ResultOf<N>;
  }

  #sit(seat: Agent): void {
    this.#seat = seat;
    void this.#listen(seat, seat.events());
  }

  async #listen(seat: Agent, events: AsyncIterableIterator<AgentEvent>): Promise<void> {
    try {
      for await (const event of events) this.#listeners.tell(event);
    } catch (error) {
      if (error instanceof OwnerGone) this.#lost(seat);
      else this.#listeners.end(error as Error); // the store of this process failed
    }
  }

  #lost(seat: Agent): void {
    if (this.#seat !== seat || this.#leaving.signal.aborted) return;
    this.#seat = null;
    this.#moving = this.#move();
  }

  async #move(): Promise<void> {
    const { signal } = this.#leaving;
    let told: string | null = null;
    while (!signal.aborted)
      try {
        const seat = await this.#find(signal);
        this.#sit(seat);
        this.#listeners.tell({ kind: 'moved' });
        this.#next.resolve(seat);
        this.#next = withResolvers();
        return;
      } catch (reason) {
        if (signal.aborted) return;
        const error = reason as Error;
        if (!isFleximError(error) || !PASSING.includes(error.code)) return this.#fail(error);
        this.#refuse(error);
        if (told !== error.code) this.#listeners.tell({ kind: 'down', error, retryMs: AGAIN_MS });
        told = error.code;
        await sleep(AGAIN_MS, null, { signal }).catch(() => {});
      }
  }

  /** Who waits for a seat hears why there is none. */
  #refuse(error: Error): void {
    this.#next.promise.catch(() => {}); // perhaps nobody waits
    this.#next.reject(error);
    this.#next = withResolvers();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#refuse(error);
    this.#listeners.end(error);
  }
}
