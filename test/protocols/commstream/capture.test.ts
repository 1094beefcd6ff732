// What a capture of a chat over CommStream shows: types and sizes of records, the names of the schemes, the
// relay's public key, and nothing of what is said, to whom, or by whom.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { protocols } from '../../../src/protocols/index.ts';
import { dialRelay, withRelay } from '../../relay.ts';
import { type Chunk, decodeCapture } from './capture.ts';

const test = suite('CommStream captured');
const HOST = '127.0.0.1';

/** Passes everything on and keeps a copy. */
async function tap(port: number) {
  const chunks: Chunk[] = [];
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect({ port, host: HOST });
    sockets.push(near, far);
    near.on('data', (bytes) => {
      chunks.push({ from: 'client', bytes });
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      chunks.push({ from: 'server', bytes });
      near.write(bytes);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => {});
      one.on('end', () => other.end());
    }
  }).listen(0, HOST);
  await once(server, 'listening');
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as { port: number }).port, chunks, close };
}

/** A chat of two by way of the tap: alice says something to bob, who is at the relay already. */
async function chat(protocol: (typeof protocols)['flexim' | 'commstream']) {
  const secrets = { alias: 'alice-in-chains', text: 'the owls are not what they seem' };
  const identity = newIdentity();
  const out = { chunks: [] as Chunk[], secrets: [] as string[] };
  await withRelay(
    async (relay) => {
      const wire = await tap(relay.port);
      const bob = await dialRelay(relay.port, { protocol });
      const alice = await dialRelay(wire.port, { protocol, identity, alias: secrets.alias });
      alice.send(bob.self.key, Buffer.from(secrets.text));
      const came = await bob.deliveries().next();
      assert.is(Buffer.from(came.value.envelope).toString(), secrets.text);
      await Promise.all([alice.close(), bob.close()]);
      out.chunks.push(...wire.chunks);
      out.secrets.push(
        secrets.alias,
        secrets.text,
        bob.self.key,
        identity.hex,
        'FLEX',
        'AUTH',
        'BYE',
      );
      wire.close();
    },
    { protocol },
  );
  return out;
}

test('by CommStream: types, sizes, names of schemes', async () => {
  const { chunks, secrets } = await chat(protocols.commstream);
  const [first, second, third, ...rest] = decodeCapture(chunks);
  assert.equal(
    [first, second, third],
    [
      '> REQ_ENCRYPT 1298, wants "x25519-xwing-1"',
      '< ACK_ENCRYPT 1263, offers "x25519-xwing-1"',
      '> ACK_ENCRYPT 32',
    ],
  );
  assert.ok(rest.length > 8);
  for (const line of rest) assert.match(line, /^[<>] SEALED \d+$/);
  for (const from of ['client', 'server'] as const) {
    const all = Buffer.concat(
      chunks.filter((each) => each.from === from).map(({ bytes }) => bytes),
    );
    for (const secret of secrets) {
      assert.not.ok(all.includes(secret), secret);
      if (/^[0-9a-f]{64}$/.test(secret)) assert.not.ok(all.includes(secret, 0, 'hex'), secret);
    }
  }
});

test('the same by bare Flexim shows all of it: so would a mistake', async () => {
  const { chunks, secrets } = await chat(protocols.flexim);
  const all = Buffer.concat(chunks.map(({ bytes }) => bytes));
  for (const secret of secrets) assert.ok(all.includes(secret), secret);
});

test('plain is shown for what it is, and pieces wait for the rest of their record', () => {
  const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
  assert.equal(
    decodeCapture([
      { from: 'client', bytes: hex('0500') },
      { from: 'server', bytes: hex('0400000000') },
      { from: 'client', bytes: hex('0000026869060000') },
      { from: 'client', bytes: hex('000009') },
    ]),
    [
      '< INV_ENCRYPT 0',
      '> DATA 2, NOT ENCRYPTED: "hi"',
      '> CLOSE 0',
      'client: 1 bytes of no whole record',
    ],
  );
});

test.run();
