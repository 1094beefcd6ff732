// A friend while the node runs: his connections, how he shows himself, and what waits for him.

import { FleximError } from '../../lib/errors.ts';
import type { Friend } from './book.ts';
import type { FriendView } from './queues.ts';
import { surplus } from './rivals.ts';
import type { Session } from './session.ts';
import { type Packet, STATUS } from './wire.ts';

const MAX_WAITING = 1_000; // plain messages, in memory
const MAX_WAITING_CHARACTERS = 2 ** 20;

export interface PlainMessage {
  readonly id: number;
  readonly text: string;
}

export class Companion {
  friend: Friend;
  /** Oldest first; those that are ending are read to their end. */
  readonly sessions: Session[] = [];
  /** Dials since a connection lasted. */
  attempt = 0;
  retry: NodeJS.Timeout | null = null;
  /** A dial of ours is under way; then it is answered by nobody yet. */
  dialling = false;
  pending: Session | null = null;
  /** The address that answered last, for those whom the book names by a host name. */
  reached: string | null = null;
  /** What was told last about not reaching him. */
  told: string | null = null;
  #waiting: PlainMessage[] = [];
  #alias = '';
  #status: number = STATUS.offline;
  #note = '';
  #shown = '';

  constructor(friend: Friend) {
    this.friend = friend;
  }

  get isHere(): boolean {
    return this.sessions.some(({ isEnding }) => !isEnding);
  }

  /** It is he who is here, as far as can be known: he need not be dialled. */
  get isSettled(): boolean {
    return this.sessions.some(
      ({ isEnding, isDialled, isProven, key }) =>
        !isEnding && (isDialled || isProven || key === null),
    );
  }

  get view(): FriendView {
    const { name, host, port, key, isPlain, isBlocked } = this.friend;
    const status = this.isHere ? this.#status : STATUS.offline;
    const isProven = this.sessions.some((session) => session.isProven);
    return {
      ...{ name, host, port, key, isProven, isPlain, isBlocked },
      ...{ alias: this.#alias, status, note: this.isHere ? this.#note : '' },
    };
  }

  /** How he shows himself from now on; whether the packet says something about that. */
  shows({ alias, status, 'status-message': note }: Packet): boolean {
    if (alias === undefined && status === undefined && note === undefined) return false;
    this.#alias = alias ?? this.#alias;
    this.#status = status ?? this.#status;
    this.#note = note ?? this.#note;
    return true;
  }

  /** Whether a view is news, which it is once. */
  isNews(view: FriendView): boolean {
    const text = JSON.stringify(view);
    const isNew = text !== this.#shown;
    this.#shown = text;
    return isNew;
  }

  /** One connection more; those that are too many now. `ours` is our key. */
  join(session: Session, ours: string | null): Session[] {
    if (!this.isHere) {
      this.#status = STATUS.available; // unless the handshake says something else
      this.#note = '';
    }
    this.sessions.push(session);
    this.told = null;
    if (session.isDialled) this.reached = session.host;
    return this.surplus(ours);
  }

  surplus(ours: string | null): Session[] {
    const live = this.sessions.filter(({ isEnding }) => !isEnding);
    return surplus(live, ours, this.friend.key);
  }

  leave(session: Session): boolean {
    const at = this.sessions.indexOf(session);
    if (at >= 0) this.sessions.splice(at, 1);
    return at >= 0;
  }

  /** Encrypted: to every connection, for a key is only claimed until it is proven; they are few. */
  write(packet: Buffer): void {
    for (const session of [...this.sessions]) session.write(packet);
  }

  /** Plain: to the newest. */
  get newest(): Session | undefined {
    return this.sessions.findLast(({ isEnding }) => !isEnding);
  }

  /** Throws when too much waits. */
  wait(message: PlainMessage): void {
    const characters = this.#waiting.reduce((sum, { text }) => sum + text.length, 0);
    const isFull = this.#waiting.length >= MAX_WAITING;
    if (isFull || characters + message.text.length > MAX_WAITING_CHARACTERS)
      throw new FleximError(
        'not-connected',
        `${this.friend.name} is offline, and no more is kept for him`,
      );
    this.#waiting.push(message);
  }

  takeWaiting(): PlainMessage[] {
    return this.#waiting.splice(0);
  }

  stopDialling(): void {
    if (this.retry) clearTimeout(this.retry);
    this.retry = null;
  }
}
