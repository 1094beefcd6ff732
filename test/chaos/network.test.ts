// The network between clients and relay of the chaos runs: what it is told to do to bytes it does.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chance } from '../model/chance.ts';
import { type Fate, Network } from './network.ts';

interface Ends {
  readonly client: Socket;
  readonly relay: Socket;
  readonly network: Network;
}

/** A connection through a network with this fate; all ends when the test does. */
function through(fate: Fate, test: (ends: Ends) => Promise<void>): () => Promise<void> {
  return async () => {
    const server: Server = createServer({ allowHalfOpen: true });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const network = await Network.listen(new Chance(1));
    network.target = (server.address() as { port: number }).port;
    const client = connect({ port: network.port, host: '127.0.0.1' });
    client.on('error', () => {});
    const [[relay]] = (await Promise.all([
      once(server, 'connection'),
      once(client, 'connect'),
    ])) as unknown as [[Socket]];
    relay.on('error', () => {});
    network.destine(client.localPort as number, fate);
    try {
      await test({ client, relay, network });
    } finally {
      client.destroy();
      relay.destroy();
      await network.close();
      server.close();
    }
  };
}

async function received(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(parts);
}

/** Kept at the end or an error: of a reset that comes with data, libuv makes an end too. */
function over(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('end', resolve).once('error', resolve));
}

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));

const test = suite('the network of the chaos runs');

test(
  'without a fate all passes, both ways and to the end',
  through({}, async ({ client, relay, network }) => {
    const answer = received(client);
    const request = received(relay);
    client.end(BYTES);
    relay.end(BYTES);
    assert.is(Buffer.compare(await request, BYTES), 0);
    assert.is(Buffer.compare(await answer, BYTES), 0);
    assert.equal(network.counts, { connections: 1, cuts: 0, freezes: 0, flips: 0 });
  }),
);

for (const cut of ['fin', 'reset'] as const)
  test(
    `cuts behind the byte it is told to, with ${cut}`,
    through({ up: { cutAt: 12_345, cut } }, async ({ client, relay, network }) => {
      const request = received(relay);
      const broken = over(relay);
      client.write(BYTES);
      await broken;
      relay.end();
      const bytes = await request;
      // With a reset, what was under way may be gone.
      assert.ok(cut === 'fin' ? bytes.length === 12_345 : bytes.length <= 12_345);
      assert.is(Buffer.compare(bytes, BYTES.subarray(0, bytes.length)), 0);
      assert.is(network.counts.cuts, 1);
    }),
  );

test(
  'flips single bits, of one direction, from a byte on',
  through({ up: { flipOneIn: 100, flipFrom: 50_000 } }, async ({ client, relay, network }) => {
    const answer = received(client);
    const request = received(relay);
    client.end(BYTES);
    relay.end(BYTES);
    const bytes = await request;
    const flipped = [...bytes.keys()].filter((i) => bytes[i] !== BYTES[i]);
    assert.is(flipped.length, network.counts.flips);
    assert.ok(flipped.length > 100 && flipped.length < 2_000, `${flipped.length} flips`);
    assert.ok(flipped.every((i) => i >= 50_000));
    for (const i of flipped) {
      const change = (bytes[i] as number) ^ (BYTES[i] as number);
      assert.is(change & (change - 1), 0, 'one bit');
    }
    assert.is(Buffer.compare(await answer, BYTES), 0);
  }),
);

test(
  'freezes and slows, and loses nothing',
  through(
    { up: { freeze: { at: 10, ms: 30 } }, down: { bytesPerSecond: 5_000_000 } },
    async ({ client, relay, network }) => {
      const answer = received(client);
      const request = received(relay);
      client.end(BYTES);
      relay.end(BYTES);
      assert.is(Buffer.compare(await request, BYTES), 0);
      assert.is(Buffer.compare(await answer, BYTES), 0);
      assert.is(network.counts.freezes, 1);
    },
  ),
);

test(
  'ends all connections when it is cleared',
  through({}, async ({ client, relay, network }) => {
    const ended = Promise.all([over(client), over(relay)]);
    client.resume();
    relay.resume();
    network.clear();
    await ended;
  }),
);

test.run();
