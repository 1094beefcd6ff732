// What has come and was not received yet. Anybody may wait for it, several at once; it says when too much
// waits, so that nobody is read from.

import type { Outcome } from './outcome.ts';
import type { Scheme } from './schemes.ts';

const MAX_ITEMS = 1_024;
const MAX_BYTES = 4 * 1024 * 1024;

/** The seed's ReceiveMessage. */
export type Kind =
  | 'message'
  | 'connected' // somebody has come, or we have: everything from here on is as negotiated
  | 'disconnected' // `outcome` says how
  | 'refused' // somebody came, and it could not be negotiated
  | 'closed'; // nothing more comes: the stream is not connected, or closed

export interface Received {
  readonly kind: Kind;
  /** 0: the server that we are connected to; from 1 on: who is connected to us; -1: nobody. */
  readonly id: number;
  readonly message: Uint8Array;
  readonly outcome: Outcome;
  /** What was agreed on, of `connected`. */
  readonly scheme: Scheme | null;
}

export class Inbox {
  readonly #full: (isFull: boolean) => void;
  #items: Received[] = [];
  #takers: ((item: Received) => void)[] = [];
  #bytes = 0;
  #isFull = false;

  /** `full` hears when it becomes so, and when there is room again. */
  constructor(full: (isFull: boolean) => void) {
    this.#full = full;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  put(item: Received): void {
    const taker = this.#takers.shift();
    if (taker) return taker(item);
    this.#items.push(item);
    this.#bytes += item.message.length;
    this.#look();
  }

  take(): Promise<Received> {
    const item = this.#items.shift();
    if (!item) return new Promise((resolve) => this.#takers.push(resolve));
    this.#bytes -= item.message.length;
    this.#look();
    return Promise.resolve(item);
  }

  /** Whoever waits gets this. */
  tell(last: Received): void {
    for (const taker of this.#takers.splice(0)) taker(last);
  }

  #look(): void {
    const isFull = this.#items.length >= MAX_ITEMS || this.#bytes >= MAX_BYTES;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#full(isFull);
  }
}
