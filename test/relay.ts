// A real relay in the test's process, on a port of its own and a store in a temporary directory.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Identity, newIdentity } from '../src/crypto/identity.ts';
import { senderTags } from '../src/crypto/tags.ts';
import { type Log, silent } from '../src/lib/log.ts';
import { type Clock, systemClock } from '../src/lib/time.ts';
import { ownDoor } from '../src/net/door.ts';
import { protocols } from '../src/protocols/index.ts';
import type { DialOptions, Link, Pins, RelayProtocol } from '../src/protocols/protocol.ts';
import { Doors } from '../src/relay/doors.ts';
import { DEFAULT_LIMITS, type Limits } from '../src/relay/limits.ts';
import { createRelay, type Relay, type RosterPolicy } from '../src/relay/relay.ts';
import { Store } from '../src/store/store.ts';

/** In tests a crowd comes from one address, and one key does the work of many, as fast as it can. */
export const CROWD: Partial<Limits> = {
  connections: 0,
  connectionsPerAddress: 0,
  connectsPerSecond: 0,
  arrivalsPerSecond: 0,
  strangers: 0,
  loginsPerMinute: 0,
  newKeysPerHour: 0,
  messagesPerSecond: 0,
  bytesPerSecond: 0,
  commandsPerSecond: 0,
};

export interface TestRelay {
  readonly relay: Relay;
  readonly doors: Doors;
  readonly identity: Identity;
  readonly port: number;
  readonly data: string;
  stop(): Promise<void>;
}

export interface TestRelayOptions {
  readonly limits?: Partial<Limits>;
  readonly roster?: RosterPolicy;
  readonly identity?: Identity;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly port?: number;
  readonly durable?: boolean;
  /** What it speaks; bare Flexim unless it is said. */
  readonly protocol?: RelayProtocol;
  /** A store that outlives this relay; else a new one that is removed with it. */
  readonly data?: string;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'flexim-test-'));
}

export async function startRelay(options: TestRelayOptions = {}): Promise<TestRelay> {
  const data = options.data ?? temporaryDirectory();
  const store = new Store(data, 'relay');
  const identity = options.identity ?? newIdentity();
  const relay = createRelay({
    name: 'test relay',
    roster: options.roster ?? 'listed',
    store,
    limits: { ...DEFAULT_LIMITS, ...CROWD, ...options.limits },
    clock: options.clock ?? systemClock,
    log: options.log ?? silent,
    durable: options.durable ?? false,
    tagOf: senderTags(identity),
    broken: (error) => {
      throw error;
    },
  });
  const doors = new Doors(relay);
  const service = await (options.protocol ?? protocols.flexim).serve({
    host: '127.0.0.1',
    port: options.port ?? 0,
    relay,
    identity,
    door: ownDoor(doors),
  });
  return {
    relay,
    doors,
    identity,
    port: service.address.port,
    data,
    stop: async () => {
      await service.stop();
      await store.close();
      if (options.data === undefined) rmSync(data, { recursive: true });
    },
  };
}

export function memoryPins(): Pins & { readonly map: Map<string, string> } {
  const map = new Map<string, string>();
  return {
    map,
    get: (place) => map.get(place) ?? null,
    add: async (place, hex) => {
      if (!map.has(place)) map.set(place, hex);
      return map.get(place) as string;
    },
  };
}

export function dialRelay(
  port: number,
  {
    protocol = protocols.flexim,
    ...options
  }: Partial<DialOptions> & { protocol?: RelayProtocol } = {},
): Promise<Link> {
  return protocol.dial({
    host: '127.0.0.1',
    port,
    identity: newIdentity(),
    pins: memoryPins(),
    reconnect: null,
    ...options,
  });
}

/** Runs a test body with a relay that is stopped whatever happens. */
export async function withRelay(
  body: (relay: TestRelay) => Promise<void>,
  options?: TestRelayOptions,
): Promise<void> {
  const relay = await startRelay(options);
  try {
    await body(relay);
  } finally {
    await relay.stop();
  }
}
