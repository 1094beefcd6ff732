// Those who came and are in no line of the address book: few at a time, unread, and not for long.

import type { Stranger } from './queues.ts';
import type { Session } from './session.ts';

export const MAX_STRANGERS = 16;

interface Waiting {
  readonly stranger: Stranger;
  readonly session: Session;
  readonly timer: NodeJS.Timeout;
}

export class Strangers {
  readonly #waiting = new Map<number, Waiting>();
  readonly #patienceMs: number;
  readonly #late: (session: Session) => void;
  #last = 0;

  /** `late` hears of one whom nobody answered in time. */
  constructor(patienceMs: number, late: (session: Session) => void) {
    this.#patienceMs = patienceMs;
    this.#late = late;
  }

  /** Null when there is no place, or the same one waits already. */
  add(session: Session): Stranger | null {
    const { host, alias, key } = session;
    const isSame = ({ stranger }: Waiting) =>
      key === null ? stranger.key === null && stranger.host === host : stranger.key === key;
    if (this.#waiting.size >= MAX_STRANGERS || [...this.#waiting.values()].some(isSame))
      return null;
    const id = ++this.#last;
    const stranger = { id, host, alias, key };
    const timer = setTimeout(() => this.#late(session), this.#patienceMs);
    this.#waiting.set(id, { stranger, session, timer });
    return stranger;
  }

  /** He waits no more; undefined when he did not. */
  take(id: number): { readonly stranger: Stranger; readonly session: Session } | undefined {
    const waiting = this.#waiting.get(id);
    if (!waiting) return undefined;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    return waiting;
  }

  /** The id under which a connection waits, or null. */
  of(session: Session): number | null {
    for (const [id, waiting] of this.#waiting) if (waiting.session === session) return id;
    return null;
  }

  all(): { readonly stranger: Stranger; readonly session: Session }[] {
    return [...this.#waiting.values()];
  }
}
