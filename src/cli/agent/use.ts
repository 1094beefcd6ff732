// A command's time with its agent: opened, used, and given back whatever happens, so that the store is
// closed in good order also after Ctrl-C, and when nobody reads the output any more.

import type { Common } from '../command.ts';
import { outliveReaders } from '../exit.ts';
import type { Agent } from './agent.ts';
import { openAgent } from './open.ts';
import type { OwnerOptions } from './owning.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function withAgent(
  settings: Common,
  work: (agent: Agent) => Promise<void>,
  options: OwnerOptions = {},
): Promise<void> {
  outliveReaders();
  const agent = await openAgent(settings, options);
  const signals = new Signals(agent);
  try {
    await work(agent);
  } finally {
    await signals.ended;
    signals.forget();
    await agent.close();
  }
}

/** The first signal closes the agent and then has its usual effect; a second one does not wait. */
class Signals {
  /** Kept at once, or never once there was a signal: then the process ends by it. */
  ended: Promise<void> = Promise.resolve();
  readonly #listeners = SIGNALS.map((name) => ({ name, heard: () => this.#heard(name) }));
  readonly #agent: Agent;

  constructor(agent: Agent) {
    this.#agent = agent;
    for (const { name, heard } of this.#listeners) process.on(name, heard);
  }

  forget(): void {
    for (const { name, heard } of this.#listeners) process.off(name, heard);
  }

  #heard(name: NodeJS.Signals): void {
    this.forget();
    this.ended = new Promise(() => {});
    const end = () => process.kill(process.pid, name);
    this.#agent.close().then(end, end);
  }
}
