// CommStream as the way to a relay (docs/protocols/commstream.md §7 and §8): the limits of the door hold for
// it, the relay's key is pinned, nothing is plain that was not, and who stands in between cannot log in.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { isFleximError } from '../../../src/lib/errors.ts';
import { systemClock } from '../../../src/lib/time.ts';
import type { Channel } from '../../../src/net/channel.ts';
import type { Door } from '../../../src/net/door.ts';
import { dialTcp, listenTcp } from '../../../src/net/tcp.ts';
import { SecureChannel } from '../../../src/protocols/commstream/channel.ts';
import { dialSecure } from '../../../src/protocols/commstream/client.ts';
import { acceptable } from '../../../src/protocols/commstream/schemes.ts';
import { secureDoor } from '../../../src/protocols/commstream/server.ts';
import { protocols } from '../../../src/protocols/index.ts';
import type { DialOptions, RelayProtocol } from '../../../src/protocols/protocol.ts';
import type { DropReason } from '../../../src/relay/drops.ts';
import {
  dialRelay,
  memoryPins,
  startRelay,
  type TestRelay,
  type TestRelayOptions,
  withRelay,
} from '../../relay.ts';
import { until } from '../../scene.ts';
import { Client, join, record, SEALED, SecretStream } from './second.ts';

const test = suite('CommStream to a relay');
const HOST = '127.0.0.1';
const protocol = protocols.commstream;
/** A relay that lets its clients do without encryption … */
const LAX: RelayProtocol = {
  ...protocol,
  serve: (options) => {
    const door = options.door as Door;
    const lax = secureDoor(door, { ...options, insecurePlaintext: true });
    return protocols.flexim.serve({ ...options, door: lax });
  },
};
/** … and one that has nothing else. */
const PLAIN: RelayProtocol = {
  ...protocol,
  serve: (options) => {
    const door = options.door as Door;
    const server = options.identity.exchange;
    const answering = { schemes: ['plain'], draw: randomBytes, server } as const;
    const bare = (channel: Channel) =>
      new SecureChannel(channel, { clock: systemClock, role: { side: 'server', answering } });
    return protocols.flexim.serve({
      ...options,
      door: {
        open: (at, accept) => door.open(at, (channel) => accept(bare(channel))),
        left: (remote) => door.left(remote),
      },
    });
  },
};
const dial = (port: number, options: Partial<DialOptions> = {}) =>
  dialRelay(port, { protocol, ...options });
const relayed = (body: (relay: TestRelay) => Promise<void>, options: TestRelayOptions = {}) =>
  withRelay(body, { protocol, ...options });

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'ok',
    (error: unknown) => {
      if (isFleximError(error)) return error.code;
      throw error;
    },
  );
}

const dropped = ({ relay }: TestRelay, reason: DropReason) =>
  until(() => relay.drops.of(reason) > 0, reason);

/** A client of the second implementation, with a stream that is established. */
class Raw {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #bytes = Buffer.alloc(0);
  #out: SecretStream | null = null;
  #header: Uint8Array = new Uint8Array(0);

  constructor(port: number) {
    this.socket = connect({ port, host: HOST }).on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
    });
  }

  async negotiate(): Promise<this> {
    const client = new Client('x25519-1', {
      ...{ random: randomBytes(32), exchange: randomBytes(32), kem: randomBytes(32) },
    });
    this.socket.write(client.request);
    const size = 5 + 1 + 8 + 128;
    await until(() => this.#bytes.length >= size || this.socket.destroyed, 'an offer');
    if (this.socket.destroyed) return this; // of no use to a test that wants it cut
    const agreed = client.accept(new Uint8Array(this.#bytes.subarray(0, size)));
    this.#header = randomBytes(24);
    this.#out = new SecretStream(agreed.c2s, this.#header);
    this.socket.write(agreed.ack);
    return this;
  }

  send(bytes: Uint8Array): void {
    const sealed = this.#out?.push(join(Uint8Array.of(5), bytes), 0) as Uint8Array;
    this.socket.write(record(SEALED, join(this.#header, sealed)));
    this.#header = new Uint8Array(0);
  }
}

// ---- the door ----

test('the time of the hello runs from the first byte: who does not negotiate is cut', () =>
  relayed(
    async (relay) => {
      const silent = new Raw(relay.port);
      const half = new Raw(relay.port);
      half.socket.write(Uint8Array.of(1, 0, 0));
      const established = await new Raw(relay.port).negotiate();
      await Promise.all([silent.closed, half.closed, established.closed]);
      assert.is(relay.relay.drops.of('hello-timeout'), 3);
    },
    { limits: { helloMs: 60 } },
  ));

test('strangers who negotiate are counted as strangers: the one longest here goes', () =>
  relayed(
    async (relay) => {
      const first = new Raw(relay.port);
      first.socket.write(Uint8Array.of(1));
      await once(first.socket, 'connect');
      const others = [await new Raw(relay.port).negotiate(), await new Raw(relay.port).negotiate()];
      await first.closed;
      assert.is(relay.relay.drops.of('stranger-crowded'), 1);
      for (const { socket } of others) socket.destroy();
    },
    { limits: { strangers: 2 } },
  ));

test('connections of one address are counted as for bare Flexim, and given back', () =>
  relayed(
    async (relay) => {
      const link = await dial(relay.port);
      const second = new Raw(relay.port);
      await second.closed;
      assert.is(relay.relay.drops.of('address-full'), 1);
      await link.close();
      let code = '';
      while (code !== 'ok') code = await codeOf(dial(relay.port).then((again) => again.close()));
    },
    { limits: { connectionsPerAddress: 1 } },
  ));

test('negotiations have the rate of logins, and a login does not count twice', () =>
  relayed(
    async (relay) => {
      await (await dial(relay.port)).close();
      await (await dial(relay.port)).close();
      assert.is(await codeOf(dial(relay.port)), 'bad-handshake');
      assert.is(relay.relay.drops.of('login-busy'), 1);
    },
    { limits: { loginsPerMinute: 2 } },
  ));

test('nonsense, and a scheme that is not accepted, have names', () =>
  relayed(async (relay) => {
    const nonsense = new Raw(relay.port);
    nonsense.socket.write(randomBytes(500));
    await dropped(relay, 'bad-handshake');
    const plain = await dialTcp(
      { host: HOST, port: relay.port },
      { timeoutMs: 5_000, signal: new AbortController().signal },
    );
    const channel = new SecureChannel(plain, {
      clock: systemClock,
      role: {
        side: 'client',
        asking: { schemes: ['plain'], draw: randomBytes, checkServer: () => {} },
      },
    });
    assert.is(await codeOf(channel.begin()), 'unsupported-encryption');
    await dropped(relay, 'unsupported-encryption');
    assert.is(relay.relay.drops.of('connection-error'), 0);
  }));

test('before the login a record has 8 KiB at most; after it 64 KiB of data', () =>
  relayed(async (relay) => {
    const raw = await new Raw(relay.port).negotiate();
    raw.send(new Uint8Array(9_000));
    await raw.closed;
    await dropped(relay, 'bad-record');
    const [a, b] = [await dial(relay.port), await dial(relay.port)];
    const envelope = new Uint8Array(protocol.maxEnvelope).fill(7);
    for (let i = 0; i < 5; i++) a.send(b.self.key, envelope); // one write of more than one record
    const came = b.deliveries();
    for (let i = 0; i < 5; i++)
      assert.is((await came.next()).value.envelope.length, envelope.length);
    await Promise.all([a.close(), b.close()]);
  }));

test('a relay that stops ends its streams in good order', async () => {
  const relay = await startRelay({ protocol });
  const link = await dial(relay.port);
  const stopping = relay.stop();
  assert.is((await link.closed)?.code, 'relay-stopping');
  await stopping;
  assert.equal(relay.relay.drops.totals(), {});
});

// ---- keys ----

test("the relay's key is pinned, and checked before anything is sent", () =>
  relayed(async (relay) => {
    const pins = memoryPins();
    const first = await dial(relay.port, { pins });
    assert.equal([first.relay.firstContact, first.relay.transport], [true, 'commstream']);
    await first.close();
    assert.equal([...pins.map], [[`${HOST}:${relay.port}`, relay.identity.hex]]);
    const again = await dial(relay.port, { pins, relayKey: relay.identity.hex });
    assert.is(again.relay.firstContact, false);
    await again.close();
    const other = toHex(exchangePair(randomBytes(32)).publicKey);
    assert.is(await codeOf(dial(relay.port, { relayKey: other })), 'relay-key-changed');
    pins.map.set(`${HOST}:${relay.port}`, other);
    assert.is(await codeOf(dial(relay.port, { pins })), 'relay-key-changed');
    assert.is(relay.relay.drops.of('hello-timeout'), 0);
  }));

test('a server that offers nothing but plain: refused unless it is allowed, and where its key is known', async () => {
  const { port, close } = await bridge((near) =>
    Promise.resolve(
      new SecureChannel(near, {
        clock: systemClock,
        role: {
          side: 'server',
          answering: {
            schemes: ['plain'],
            draw: randomBytes,
            server: exchangePair(randomBytes(32)),
          },
        },
      }),
    ),
  );
  const to = { host: HOST, port };
  const how = { timeoutMs: 5_000, signal: new AbortController().signal };
  const pins = memoryPins();
  assert.is(await codeOf(dialSecure(to, how, { pins })), 'unsupported-encryption');
  const allowed = await dialSecure(to, how, { pins, insecurePlaintext: true });
  assert.equal([allowed.scheme, allowed.serverKey], ['plain', null]);
  allowed.reset();
  const hex = toHex(exchangePair(randomBytes(32)).publicKey);
  for (const known of [{ pins, relayKey: hex }, { pins: { ...pins, get: () => hex } }])
    assert.is(
      await codeOf(dialSecure(to, how, { ...known, insecurePlaintext: true })),
      'unsupported-encryption',
    );
  await close();
});

test('Flexim over plain works where it is allowed, and pins nothing', () =>
  withRelay(
    async (relay) => {
      const pins = memoryPins();
      assert.is(await codeOf(dial(relay.port, { pins })), 'unsupported-encryption');
      for (let i = 0; i < 2; i++) {
        const link = await dial(relay.port, { pins, insecurePlaintext: true });
        assert.equal([link.relay.key, link.relay.firstContact], [relay.identity.hex, false]);
        await link.close();
      }
      assert.is(pins.map.size, 0);
    },
    { protocol: PLAIN },
  ));

test('a relay that may do without still prefers to encrypt', () =>
  withRelay(
    async (relay) => {
      const pins = memoryPins();
      const how = { timeoutMs: 5_000, signal: new AbortController().signal };
      const to = { host: HOST, port: relay.port };
      const channel = await dialSecure(to, how, { pins, insecurePlaintext: true });
      assert.is(channel.scheme, 'x25519-xwing-1');
      channel.reset();
    },
    { protocol: LAX },
  ));

/** Listens, makes a channel of each connection, and joins it to the relay, if there is one. */
async function bridge(make: (near: Channel) => Promise<Channel>, relay: number | null = null) {
  const open = new Set<Channel>();
  const pass = (from: Channel, to: Channel) => {
    open.add(from);
    from.open({
      data: (chunk) => to.write(Buffer.from(chunk), () => {}),
      closed: () => {
        open.delete(from);
        to.end();
      },
    });
  };
  const listener = await listenTcp(
    { host: HOST, port: 0 },
    {
      isOpen: () => true,
      turnedAway: () => {},
      missed: () => {},
      accept: (near) => {
        void (async () => {
          const channel = await make(near);
          if (relay === null) return channel.open({ data: () => {}, closed: () => {} });
          const how = { timeoutMs: 5_000, signal: new AbortController().signal };
          const to = { host: HOST, port: relay };
          const far = await dialSecure(to, how, { pins: memoryPins() });
          pass(channel, far);
          pass(far, channel);
        })();
      },
    },
  );
  return {
    port: listener.address.port,
    close: async () => {
      for (const channel of open) channel.reset();
      await listener.close();
    },
  };
}

test('who ends the stream himself and passes the login on is found: the key differs, or the binding', () =>
  relayed(async (relay) => {
    const mallory = exchangePair(randomBytes(32));
    const { port, close } = await bridge(
      async (near) =>
        new SecureChannel(near, {
          clock: systemClock,
          role: {
            side: 'server',
            answering: {
              schemes: acceptable('x25519-xwing-1', true),
              draw: randomBytes,
              server: mallory,
            },
          },
        }),
      relay.port,
    );
    assert.is(await codeOf(dial(port)), 'relay-auth-mismatch');
    assert.is(await codeOf(dial(port, { relayKey: relay.identity.hex })), 'relay-key-changed');
    assert.is(relay.relay.router.online, 0);
    await close();
  }));

test.run();
