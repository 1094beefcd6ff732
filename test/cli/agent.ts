// Somebody with an agent in the test's process, at a relay of the test.

import { LocalAgent } from '../../src/cli/agent/local.ts';
import { Watch } from '../../src/cli/agent/watch.ts';
import { openMessenger } from '../../src/client/messenger.ts';
import { type Identity, newIdentity } from '../../src/crypto/identity.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { MemoryStore } from '../client/memory.ts';
import { dialRelay, memoryPins } from '../relay.ts';

export class Someone {
  readonly identity: Identity = newIdentity();
  readonly #storeKey = randomBytes(32);
  readonly #disk = new MemoryStore();
  readonly #pins = memoryPins();
  port: number;
  alias: string;
  #agent: LocalAgent | null = null;
  #watch: Watch | null = null;

  constructor(port: number, alias: string) {
    this.port = port;
    this.alias = alias;
  }

  get key(): string {
    return this.identity.hex;
  }

  get agent(): LocalAgent {
    if (!this.#agent) throw new Error('not there');
    return this.#agent;
  }

  /** Made with the agent, so that it misses nothing. */
  get watch(): Watch {
    if (!this.#watch) throw new Error('not there');
    return this.#watch;
  }

  async open(): Promise<this> {
    const { identity } = this;
    const messenger = await openMessenger({
      ...{ identity, storeKey: this.#storeKey, store: this.#disk },
      dial: (signal) =>
        dialRelay(this.port, {
          ...{ identity, pins: this.#pins, alias: this.alias, signal },
          reconnect: { minMs: 1, maxMs: 20 },
        }),
      again: { minMs: 1, maxMs: 20 },
      sizes: { otkBatch: 4, otkLow: 2 },
    });
    this.#agent = new LocalAgent({ name: this.alias, key: this.key }, messenger, async () => {});
    this.#watch = new Watch(this.#agent);
    return this;
  }

  /** Connected, and others can write to him. */
  async up(): Promise<this> {
    await this.watch.connected(Number.POSITIVE_INFINITY);
    while (!(await this.agent.ask('status')).published)
      await new Promise((resolve) => setImmediate(resolve));
    return this;
  }

  async close(): Promise<void> {
    const agent = this.#agent;
    this.#agent = null;
    await agent?.close();
  }
}

/** Two people who are there, gone when the test ends. */
export async function withTwo(
  port: number,
  body: (alice: Someone, bob: Someone) => Promise<void>,
): Promise<void> {
  const [alice, bob] = [new Someone(port, 'alice'), new Someone(port, 'bob')];
  try {
    await Promise.all([alice.open(), bob.open()]);
    await Promise.all([alice.up(), bob.up()]);
    await body(alice, bob);
  } finally {
    await Promise.all([alice.close(), bob.close()]);
  }
}
