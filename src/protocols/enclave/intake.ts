// The queue to the frontend. When much is in it nobody is read from, so that who sends more than a frontend
// takes is pushed back by TCP, and costs no memory.

import { AsyncQueue } from '../../lib/queue.ts';
import type { NodeEvent } from './queues.ts';

const HIGH = 1_024; // events not taken yet

export interface Held {
  hold(): void;
  release(): void;
}

export class Intake {
  readonly queue = new AsyncQueue<NodeEvent>((left) => this.#taken(left));
  readonly #open: () => Iterable<Held>;
  #held: Held[] = [];
  #isFull = false;

  /** `open` are the connections that are read from. */
  constructor(open: () => Iterable<Held>) {
    this.#open = open;
  }

  put(event: NodeEvent): void {
    this.queue.push(event);
    if (this.#isFull || this.queue.length < HIGH) return;
    this.#isFull = true;
    for (const each of this.#open()) this.#hold(each);
  }

  /** One more is going to be read from. */
  join(each: Held): void {
    if (this.#isFull) this.#hold(each);
  }

  #hold(each: Held): void {
    each.hold();
    this.#held.push(each);
  }

  #taken(left: number): void {
    if (!this.#isFull || left > HIGH / 2) return;
    this.#isFull = false;
    for (const each of this.#held.splice(0)) each.release();
  }
}
