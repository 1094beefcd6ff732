// An agent whose messenger is in this process: the owner of the profile.

import type { Messenger } from '../../client/messenger.ts';
import type { Agent, AgentEvent } from './agent.ts';
import { Listeners } from './listeners.ts';
import { type ArgsOf, type ResultOf, VERBS, type VerbName } from './verbs.ts';

type Call = (messenger: Messenger, ...args: unknown[]) => unknown;

export class LocalAgent implements Agent {
  readonly me: Agent['me'];
  readonly #messenger: Messenger;
  readonly #release: () => Promise<void>;
  readonly #listeners = new Listeners();
  readonly #listening: Promise<void>;

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
    return this.#listeners.events();
  }

  async close(): Promise<void> {
    await this.#messenger.close();
    await this.#listening;
    await this.#release();
  }

  async #listen(): Promise<void> {
    try {
      for await (const event of this.#messenger.events()) this.#listeners.tell(event);
      this.#listeners.end(null);
    } catch (error) {
      this.#listeners.end(error as Error); // the store failed: each listener hears why
    }
  }
}
