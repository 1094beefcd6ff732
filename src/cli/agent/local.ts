// An agent whose messenger is in this process: the owner of the profile.

import type { Messenger } from '../../client/messenger.ts';
import { AsyncQueue } from '../../lib/queue.ts';
import type { Agent, AgentEvent } from './agent.ts';
import { type ArgsOf, type ResultOf, VERBS, type VerbName } from './verbs.ts';

const MOST = 10_000; // events that wait for one listener

type Call = (messenger: Messenger, ...args: unknown[]) => unknown;

export class LocalAgent implements Agent {
  readonly me: Agent['me'];
  readonly #messenger: Messenger;
  readonly #release: () => Promise<void>;
  readonly #listeners = new Set<AsyncQueue<AgentEvent>>();
  readonly #listening: Promise<void>;
  #failure: Error | null = null;

  /** `release` gives back what the messenger stood on, after it was closed. */
  constructor(me: Agent['me'], messenger: Messenger, release: () => Promise<void>) {
    this.me = me;
    this.#messenger = messenger;
    this.#release = release;
    this.#listening = this.#listen();
  }

  async ask<N extends VerbName>(verb: N, ...args: ArgsOf<N>): Promise<ResultOf<N>> {
    return (await (VERBS[verb] as Call)(this.#messenger, ...args)) as ResultOf<N>;
  }

  events(): AsyncIterableIterator<AgentEvent> {
    const queue = new AsyncQueue<AgentEvent>();
    if (this.#failure) queue.end(this.#failure);
    else this.#listeners.add(queue);
    return {
      next: () => queue.next(),
      return: () => {
        this.#listeners.delete(queue);
        return queue.return();
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async close(): Promise<void> {
    await this.#messenger.close();
    await this.#listening;
    await this.#release();
  }

  async #listen(): Promise<void> {
    try {
      for await (const event of this.#messenger.events())
        for (const queue of this.#listeners) this.#tell(queue, event);
    } catch (error) {
      this.#failure = error as Error; // the store failed: each listener hears why
    }
    for (const queue of this.#listeners) queue.end(this.#failure);
    this.#listeners.clear();
  }

  /** Who does not listen for long is told only that he missed something: the history has it. */
  #tell(queue: AsyncQueue<AgentEvent>, event: AgentEvent): void {
    if (queue.length < MOST) queue.push(event);
    else if (queue.length === MOST) queue.push({ kind: 'missed', count: 1 });
  }
}
