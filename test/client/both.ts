// Somebody with both ways: a messenger over a relay and an Enclave node, each behind a wire that can be cut
// or go silent.

import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { FINAL } from '../../src/client/connection.ts';
import { Ways, type WaysOptions } from '../../src/client/ways.ts';
import { newIdentity } from '../../src/crypto/identity.ts';
import type { EnclaveLink } from '../../src/protocols/enclave/index.ts';
import { protocols } from '../../src/protocols/index.ts';
import { dialRelay, memoryPins, temporaryDirectory } from '../relay.ts';
import { until } from '../scene.ts';
import { Person, type PersonOptions } from './person.ts';

const QUICK = { minMs: 5, maxMs: 40 };

/** Bytes go through it as they are, as long as it likes. */
export class Wire {
  isDumb = false; // connections stay, and nothing goes through
  carried = 0;
  #last = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(to: () => number) {
    this.#server = createServer((client) => this.#join(client, connect(to(), '127.0.0.1')));
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  #join(client: Socket, server: Socket): void {
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('data', (bytes) => {
        if (this.isDumb) return;
        this.carried += bytes.length;
        other.write(bytes);
      });
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** At the port that it had before. */
  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#last, '127.0.0.1', resolve));
    this.#last = this.port;
    return this;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }
}

export class Both extends Person {
  readonly #directory = temporaryDirectory();
  readonly book = join(this.#directory, 'book');
  node: EnclaveLink | null = null;
  /** Where his node listens, the same each time. */
  nodePort = 0;
  relayPort: number;

  constructor(relayPort: number, ways: Partial<WaysOptions> = {}) {
    const identity = newIdentity();
    super({ port: relayPort }, identity);
    this.relayPort = relayPort;
    const dial: PersonOptions['dial'] = async () =>
      new Ways({
        relay: (signal) =>
          dialRelay(this.relayPort, { identity, pins: this.pins, reconnect: QUICK, signal }),
        direct: (signal) => this.#node(signal),
        isFinal: ({ code }) => FINAL.includes(code),
        again: QUICK,
        silenceMs: 3_000, // so that they look often
        ...ways,
      });
    this.options = { ...this.options, dial };
  }

  async #node(signal: AbortSignal): Promise<EnclaveLink> {
    const { identity, book } = this;
    this.node = await protocols.enclave.dial({
      ...{ host: '127.0.0.1', port: this.nodePort, identity, pins: memoryPins(), signal, book },
      ...{ reconnect: QUICK, alias: 'somebody', strangers: 'refuse' },
    });
    this.nodePort = this.node.node.address.port;
    return this.node;
  }

  /** What is for somebody goes straight to him, as far as was told last. */
  isDirectTo(peer: Person): boolean {
    const told = this.events.findLast((each) => each.kind === 'way' && each.peer === peer.key);
    return told?.kind === 'way' && told.isDirect;
  }

  async met(peer: Person): Promise<void> {
    await until(() => this.isDirectTo(peer), 'straight');
  }

  async gone(): Promise<void> {
    await this.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface World {
  readonly alice: Both;
  readonly bob: Both;
  /** Between the two nodes. */
  readonly wire: Wire;
}

/** Both at the relay, and alice knows where bob's node is; not before `meet` do they know that. */
export async function withBoth(
  relayPort: number,
  body: (world: World) => Promise<void>,
  ways: Partial<WaysOptions> = {},
  more: readonly Partial<PersonOptions>[] = [],
): Promise<void> {
  const [alice, bob] = [new Both(relayPort, ways), new Both(relayPort, ways)];
  alice.options = { ...alice.options, ...more[0] };
  bob.options = { ...bob.options, ...more[1] };
  const wire = await new Wire(() => bob.nodePort).open();
  try {
    await Promise.all([alice.open(), bob.open()]);
    await Promise.all([alice.up(), bob.up()]);
    await body({ alice, bob, wire });
  } finally {
    await Promise.all([alice.gone(), bob.gone()]);
    await wire.close();
  }
}

/** They know each other; where bob is, and where alice is, unless she moved: then there is one connection. */
export async function meet(
  { alice, bob, wire }: World,
  { moved = false, away = false } = {},
): Promise<void> {
  await bob.me.contacts.add(alice.key, { name: 'alice' });
  await bob.me.contacts.place('alice', `127.0.0.1:${moved ? 1 : alice.nodePort}`);
  await alice.me.contacts.add(bob.key, { name: 'bob' });
  await alice.me.contacts.place('bob', `127.0.0.1:${away ? 1 : wire.port}`);
}
