// A relay, bob, and the profile of alice, which any number of agents and processes may open.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent, AgentEvent } from '../../../src/cli/agent/agent.ts';
import { openAgent } from '../../../src/cli/agent/open.ts';
import type { OwnerOptions } from '../../../src/cli/agent/owning.ts';
import type { Common } from '../../../src/cli/command.ts';
import { identityFromSeed } from '../../../src/crypto/identity.ts';
import { Keys, newContent } from '../../../src/keystore/keys.ts';
import { parseOwner } from '../../../src/store/marker.ts';
import { Person } from '../../client/person.ts';
import { startRelay, type TestRelay, temporaryDirectory } from '../../relay.ts';
import { until } from '../../scene.ts';

export interface WorldOptions {
  readonly passphrase?: string;
  /** Below the temporary directory; for paths of any length. */
  readonly data?: string;
}

export class World {
  readonly relay: TestRelay;
  readonly bob: Person;
  readonly home: string;
  readonly data: string;
  key = '';
  readonly #opened: Agent[] = [];

  private constructor(relay: TestRelay, data: string) {
    this.relay = relay;
    this.bob = new Person({ port: relay.port, tickMs: 200 });
    this.home = temporaryDirectory();
    this.data = join(this.home, data);
  }

  static async make({ passphrase, data = 'data' }: WorldOptions = {}): Promise<World> {
    const world = new World(await startRelay(), data);
    mkdirSync(world.data, { recursive: true, mode: 0o700 });
    mkdirSync(world.keys, { mode: 0o700 });
    const content = newContent('alice');
    world.key = identityFromSeed(content.seed).hex;
    await new Keys(world.keys).create('alice', content, passphrase ?? null, { log2N: 15 });
    await world.bob.open();
    await world.bob.up();
    return world;
  }

  get keys(): string {
    return join(this.home, 'keys');
  }

  get profile(): string {
    return join(this.data, this.key.slice(0, 32));
  }

  get place(): string {
    return `127.0.0.1:${this.relay.port}`;
  }

  settings(some: Partial<Common> = {}): Common {
    return {
      ...{ as: 'alice', keys: this.keys, data: this.data, relay: this.place },
      ...{ 'passphrase-fd': null, json: false, transport: null, 'insecure-plaintext': false },
      ...some,
    };
  }

  async open(some: Partial<Common> = {}, options: OwnerOptions = {}): Promise<Agent> {
    const agent = await openAgent(this.settings(some), options);
    this.#opened.push(agent);
    return agent;
  }

  /** The process that has the store, by the marker beside it; null while there is none. */
  get owner(): number | null {
    try {
      return parseOwner(readFileSync(join(this.profile, 'client.lmdb.open'), 'utf8'))?.pid ?? null;
    } catch {
      return null;
    }
  }

  async end(): Promise<void> {
    for (const agent of this.#opened) await agent.close();
    await this.bob.close();
    await this.relay.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}

export function inWorld(
  body: (world: World) => Promise<void>,
  options: WorldOptions = {},
): () => Promise<void> {
  return async () => {
    const world = await World.make(options);
    try {
      await body(world);
    } finally {
      await world.end();
    }
  };
}

/** Notes what an agent tells, from now on. */
export function heard(agent: Agent): AgentEvent[] {
  const events: AgentEvent[] = [];
  const listen = async () => {
    for await (const event of agent.events()) events.push(event);
  };
  listen().catch((error) => events.push({ kind: 'down', error, retryMs: null }));
  return events;
}

let ids = 0;
export const newId = (): string => (++ids).toString(16).padStart(32, '0');

export async function up(agent: Agent): Promise<void> {
  for (;;) {
    const { relay, published } = await agent.ask('status');
    if (relay !== null && published) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The texts of `messages` that came from somebody. */
export const texts = (events: readonly AgentEvent[]): unknown[] =>
  events.flatMap((event) =>
    event.kind === 'message' && !event.message.outgoing ? [event.message.body] : [],
  );

export { until };
