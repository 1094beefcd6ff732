// Those who came and are in no line of the address book, docs/protocols/enclave.md §5: few at a time, unread,
// and not for long. A person answers, or a policy.

import { FleximError } from '../../lib/errors.ts';
import { printable } from '../../lib/text.ts';
import type { Companion } from './companion.ts';
import type { NodeEvent, Stranger, Verdict } from './queues.ts';
import type { Session } from './session.ts';

export const MAX_STRANGERS = 16;

export interface StrangersOptions {
  readonly policy: 'ask' | 'refuse' | 'accept';
  /** How long one waits for an answer. */
  readonly patienceMs: number;
  readonly put: (event: NodeEvent) => void;
  /** A line of the book for him. Throws when it cannot be. */
  readonly enter: (stranger: Stranger, name: string | null, isBlocked: boolean) => Companion;
  /** He is let in. */
  readonly invite: (session: Session, companion: Companion) => void;
}

interface Waiting {
  readonly stranger: Stranger;
  readonly session: Session;
  readonly timer: NodeJS.Timeout;
}

export class Strangers {
  readonly #options: StrangersOptions;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor(options: StrangersOptions) {
    this.#options = options;
  }

  knock(session: Session): void {
    const { policy, put } = this.#options;
    const stranger = policy === 'refuse' ? null : this.#add(session);
    if (!stranger) return this.#refuse(session);
    if (policy === 'ask') put({ kind: 'stranger', stranger });
    else this.answer(stranger.id, 'accept', null);
  }

  /** Throws `contact-unknown` when he is gone, and what entering him throws. */
  answer(id: number, verdict: Verdict, name: string | null): void {
    const { enter, invite } = this.#options;
    const waiting = this.#take(id);
    if (!waiting) throw new FleximError('contact-unknown', 'he does not wait any more');
    const { session, stranger } = waiting;
    if (verdict === 'ignore') return session.finish();
    try {
      const companion = enter(stranger, name, verdict === 'block');
      if (verdict === 'block') session.finish();
      else invite(session, companion);
    } catch (error) {
      session.finish();
      throw error;
    }
  }

  /** His connection has ended. */
  gone(session: Session): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.session !== session) continue;
      this.#take(id);
      this.#options.put({ kind: 'stranger-gone', id });
    }
  }

  /** Null when there is no place, or the same one waits already. */
  #add(session: Session): Stranger | null {
    const { host, alias, key } = session;
    const isSame = ({ stranger }: Waiting) =>
      stranger.key === key && (key !== null || stranger.host === host);
    if (this.#waiting.size >= MAX_STRANGERS || [...this.#waiting.values()].some(isSame))
      return null;
    const id = ++this.#last;
    const stranger = { id, host, alias, key };
    const timer = setTimeout(() => session.finish(), this.#options.patienceMs);
    this.#waiting.set(id, { stranger, session, timer });
    return stranger;
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting) clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    return waiting;
  }

  #refuse(session: Session): void {
    const { host, alias, key } = session;
    const who = `${printable(alias, 40)} at ${host}${key === null ? '' : `, key ${key}`}`;
    const words = `${who} is not in the address book, and was refused`;
    const error = new FleximError('contact-unknown', words);
    this.#options.put({ kind: 'trouble', error, name: null, id: null });
    session.finish();
  }
}
