// Messages on their way to one person: many at once, in order, each followed until the relay has it, or he.

import type { Contact } from '../client/events.ts';
import type { DeliveryState } from '../client/records.ts';
import { randomBytes } from '../crypto/sodium.ts';
import { toHex } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { type PromiseWithResolvers, withResolvers } from '../lib/queue.ts';
import { presentable } from '../lib/text.ts';
import type { AgentEvent } from './agent/agent.ts';
import { before, type Watch } from './agent/watch.ts';
import { nameOf, wordOf } from './people.ts';
import { tell } from './profile.ts';

const IN_FLIGHT = 512; // that are not in the store yet
const ID_BYTES = 16;
const RANK: readonly DeliveryState[] = ['queued', 'accepted', 'delivered', 'read'];

export interface PostingOptions {
  readonly to: Contact;
  readonly flags: readonly string[];
  readonly wait: 'accepted' | 'delivered';
  /** Told when a message is as far as it was waited for; then nothing more is known of it here. */
  readonly settled: (id: string, state: DeliveryState) => void;
}

export class Posting {
  readonly #watch: Watch;
  readonly #options: PostingOptions;
  readonly #open = new Map<string, DeliveryState>(); // by id
  readonly #storing = new Set<Promise<void>>();
  #ending: PromiseWithResolvers<true> | null = null;
  #failure: Error | null = null;
  #count = 0;

  constructor(watch: Watch, options: PostingOptions) {
    this.#watch = watch;
    this.#options = options;
    this.#listen().catch((error) => this.#failed(error));
  }

  /** How many were taken. */
  get count(): number {
    return this.#count;
  }

  /** Those that are not as far as they should be, and how far they are. */
  get open(): ReadonlyMap<string, DeliveryState> {
    return this.#open;
  }

  /** Takes a message; waits while many are being written to the store. Throws what went wrong so far. */
  async post(text: string): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { to, flags } = this.#options;
    const id = toHex(randomBytes(ID_BYTES));
    this.#open.set(id, 'queued');
    this.#count++;
    const done = this.#watch.agent
      .ask('send', to.key, { body: text, flags }, id)
      .catch((error) => {
        this.#open.delete(id);
        this.#count--;
        this.#failed(error);
      })
      .then(() => void this.#storing.delete(done));
    this.#storing.add(done);
    if (this.#storing.size >= IN_FLIGHT) await Promise.race(this.#storing);
  }

  /** All that was taken is on the disk. */
  async stored(): Promise<void> {
    await Promise.all(this.#storing);
    if (this.#failure) throw this.#failure;
  }

  /** Waits until every message is far enough; false when the time was over before. */
  async settled(late: number): Promise<boolean> {
    if (this.#open.size === 0) return true;
    if (this.#failure) throw this.#failure;
    this.#ending = withResolvers();
    return (await before(late, this.#ending.promise)) ?? false;
  }

  async #listen(): Promise<void> {
    for (;;) {
      const event = await this.#watch.next(Number.POSITIVE_INFINITY);
      if (event) await this.#heard(event);
    }
  }

  async #heard(event: AgentEvent): Promise<void> {
    const { to } = this.#options;
    switch (event.kind) {
      case 'state':
        if (event.peer === to.key) this.#reached(event.id, event.state);
        return;
      case 'missed':
      case 'moved':
        return this.#lookAgain();
      case 'contact-changed':
        if (event.key === to.key) throw this.#changed();
        return;
      case 'warning': {
        if (event.peer !== to.key) return;
        if (event.error.code === 'bundle-rejected') throw event.error;
        return tell(presentable(event.error.message));
      }
      case 'down':
        if (event.retryMs === null) throw event.error;
    }
  }

  /** For what was told while nobody listened. */
  async #lookAgain(): Promise<void> {
    const { to } = this.#options;
    for (const id of [...this.#open.keys()]) {
      const state = await this.#watch.agent.ask('state', to.key, id);
      if (state) this.#reached(id, state);
    }
  }

  #reached(id: string, state: DeliveryState): void {
    const before = this.#open.get(id);
    if (before === undefined || RANK.indexOf(state) <= RANK.indexOf(before)) return;
    this.#open.set(id, state);
    if (RANK.indexOf(state) < RANK.indexOf(this.#options.wait)) return;
    this.#open.delete(id);
    this.#options.settled(id, state);
    if (this.#open.size === 0) this.#ending?.resolve(true);
  }

  #failed(error: Error): void {
    this.#failure ??= error;
    this.#ending?.reject(error);
  }

  #changed(): FleximError {
    const { to } = this.#options;
    const name = nameOf(to, to.key);
    return new FleximError(
      'contact-changed',
      `the relay now gives another key for ${name}; nothing goes to either before: flexim trust ${wordOf(to)}`,
    );
  }
}
