// Somebody with a messenger, for tests: what he was told is noted, and he can lose power at any point.

import type { MessengerEvent } from '../../src/client/events.ts';
import {
  type Messenger,
  type MessengerOptions,
  openMessenger,
} from '../../src/client/messenger.ts';
import type { Point } from '../../src/client/runner.ts';
import { type Identity, newIdentity } from '../../src/crypto/identity.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { dialRelay, memoryPins } from '../relay.ts';
import { until } from '../scene.ts';
import { MemoryStore } from './memory.ts';

export const START = 1_800_000_000;

export class Power extends Error {}

export interface PersonOptions extends Partial<MessengerOptions> {
  readonly port: number;
}

export class Person {
  readonly identity: Identity;
  readonly storeKey = randomBytes(32);
  readonly pins = memoryPins();
  options: PersonOptions;
  disk = new MemoryStore();
  events: MessengerEvent[] = [];
  /** Points until the power goes; -1 for never. */
  fuse = -1;
  died: Point | null = null;
  broken: unknown = null;
  #messenger: Messenger | null = null;
  #listening: Promise<void> = Promise.resolve();

  constructor(options: PersonOptions, identity: Identity = newIdentity()) {
    this.options = options;
    this.identity = identity;
  }

  get key(): string {
    return this.identity.hex;
  }

  get me(): Messenger {
    if (!this.#messenger) throw new Error('not there');
    return this.#messenger;
  }

  get isThere(): boolean {
    return this.#messenger !== null && this.broken === null;
  }

  async open(options: Partial<MessengerOptions> = {}): Promise<this> {
    this.broken = null;
    this.#messenger = await openMessenger({
      ...{ identity: this.identity, storeKey: this.storeKey, store: this.disk },
      dial: () =>
        dialRelay(this.options.port, {
          ...{ identity: this.identity, pins: this.pins, reconnect: { minMs: 1, maxMs: 20 } },
        }),
      again: { minMs: 1, maxMs: 20 },
      tickMs: null,
      sizes: { otkBatch: 4, otkLow: 2, block: 4 },
      point: (point) => this.#point(point),
      ...this.options,
      ...options,
    });
    this.#listening = this.#listen(this.#messenger);
    return this;
  }

  async #listen(messenger: Messenger): Promise<void> {
    try {
      for await (const event of messenger.events()) this.events.push(event);
    } catch (error) {
      this.broken = error;
      if (!(error instanceof Power) && !isFleximError(error, 'store-failed')) throw error;
    }
  }

  #point(point: Point): void {
    if (this.fuse < 0 || this.fuse-- > 0) return;
    this.died = point;
    throw new Power(point);
  }

  /** Connected, and others can write to him. */
  get isUp(): boolean {
    const status = this.#messenger?.status;
    return status?.relay != null && status.published;
  }

  async up(): Promise<this> {
    await until(() => this.isUp, 'up');
    return this;
  }

  async close(): Promise<void> {
    const messenger = this.#messenger;
    this.#messenger = null;
    await messenger?.close();
    await this.#listening;
  }

  /** What is left is what the store has. */
  async crash(): Promise<void> {
    this.fuse = -1;
    this.disk = this.disk.copy();
    await this.close().catch(() => {});
  }

  /** The texts of what came from somebody, in order, out of the store. */
  got(from: Person): unknown[] {
    const lines = this.me.history(from.key, { limit: Number.POSITIVE_INFINITY });
    return lines.filter(({ outgoing }) => !outgoing).map(({ body }) => body);
  }

  codes(): string[] {
    return this.events.flatMap((event) => ('error' in event ? [event.error.code] : []));
  }
}

/** Two people at one relay, gone when the test ends. */
export async function withPeople(
  port: number,
  body: (alice: Person, bob: Person) => Promise<void>,
  options: Partial<MessengerOptions> = {},
): Promise<void> {
  const [alice, bob] = [new Person({ port, ...options }), new Person({ port, ...options })];
  try {
    await Promise.all([alice.open(), bob.open()]);
    await Promise.all([alice.up(), bob.up()]);
    await body(alice, bob);
  } finally {
    await Promise.all([alice.close(), bob.close()]);
  }
}
