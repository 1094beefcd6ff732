// Who listens to an agent: each has a stream of his own, and none waits for another.

import { AsyncQueue } from '../../lib/queue.ts';
import type { AgentEvent } from './agent.ts';

const MOST = 10_000; // events that wait for one listener

export class Listeners {
  readonly #queues = new Set<AsyncQueue<AgentEvent>>();
  #end: { readonly error: Error | null } | null = null;

  /** All that is told from now on. */
  events(): AsyncIterableIterator<AgentEvent> {
    const queue = new AsyncQueue<AgentEvent>();
    if (this.#end) queue.end(this.#end.error);
    else this.#queues.add(queue);
    return {
      next: () => queue.next(),
      return: () => {
        this.#queues.delete(queue);
        return queue.return();
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Who does not listen for long is told only that he missed something: the history has it. */
  tell(event: AgentEvent): void {
    for (const queue of this.#queues)
      if (queue.length < MOST) queue.push(event);
      else if (queue.length === MOST) queue.push({ kind: 'missed', count: 1 });
  }

  end(error: Error | null): void {
    this.#end ??= { error };
    for (const queue of this.#queues) queue.end(error);
    this.#queues.clear();
  }
}
