// The barrier before an answer (docs/protocols/flexim.md §3.4) when the queue has nothing under way and
// a Message is not settled all the same: without sockets and over Maps. It must not starve the others.

import { decode } from '@msgpack/msgpack';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { silent } from '../../../src/lib/log.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { Flexim } from '../../../src/protocols/flexim/server.ts';
import { DEFAULT_LIMITS } from '../../../src/relay/limits.ts';
import { createRelay } from '../../../src/relay/relay.ts';
import { FakeChannel, turn } from '../../channel.ts';
import { authResponse, command, HELLO, message, newKeys, opened } from '../../peer.ts';
import { mapStore, PAPER } from '../../relay/map-store.ts';

const MOST = 100; // times that a barrier may ask the queue, and turns in which something must come

function paper() {
  const identity = newIdentity();
  const store = mapStore();
  const given: Error[] = [];
  const logged: string[] = [];
  const relay = createRelay({
    ...PAPER,
    name: 'paper',
    roster: 'none',
    store,
    limits: DEFAULT_LIMITS,
    clock: systemClock,
    log: { ...silent, error: (fields) => logged.push(String((fields as { err?: unknown }).err)) },
    broken: (error) => given.push(error),
  });
  const house = new Flexim(relay, identity);
  const settled = relay.queue.settled.bind(relay.queue);
  const asked = { times: 0, empty: 0 };
  relay.queue.settled = () => {
    if (++asked.times > MOST) throw new Error('the barrier asks without end');
    return asked.empty-- > 0 ? null : settled();
  };
  const login = async () => {
    const keys = newKeys();
    const channel = new FakeChannel();
    house.accept(channel);
    channel.feed(HELLO);
    await written(channel);
    channel.feed(command('AUTH', keys.hex));
    const auth = decode((await written(channel)).subarray(3)) as { challenge: Uint8Array };
    const challenge = decode(opened(auth.challenge, keys));
    channel.feed(authResponse(challenge, identity.exchange.publicKey));
    await written(channel);
    return { channel, hex: keys.hex };
  };
  return { relay, store, given, logged, asked, login };
}

async function written(channel: FakeChannel): Promise<Buffer> {
  for (let i = 0; i < MOST && channel.writes.length === 0; i++) await turn();
  const bytes = channel.take();
  if (!bytes) throw new Error('nothing was written');
  return bytes;
}

async function someTurns(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}

const test = suite('the barrier');

test('a Message that was lost on its way to the disk ends its sender, and nobody else', async () => {
  const { relay, store, given, logged, asked, login } = paper();
  const alice = await login();
  const away = await login();
  away.channel.handler.closed(null);
  const bob = await login();
  await someTurns();
  store.fail = new Error('the disk is gone');
  alice.channel.feed(message(away.hex));
  await someTurns();
  assert.equal(
    given.map((error) => error.message),
    ['the disk is gone'],
  );
  alice.channel.feed(command('PING', '1'));
  await someTurns();
  assert.ok(asked.times <= 3, `it asked ${asked.times} times`);
  assert.equal(logged, ['Error: what was under way to the disk is lost']);
  assert.is(alice.channel.calls.at(-1), 'reset');
  assert.is(relay.drops.of('connection-error'), 1);
  bob.channel.feed(command('PING', '2'));
  assert.ok((await written(bob.channel)).includes('2'));
});

test('what is kept and not told yet is waited for', async () => {
  const { asked, logged, store, login } = paper();
  const alice = await login();
  const away = await login();
  away.channel.handler.closed(null);
  await someTurns();
  let open = () => {};
  store.gate = new Promise((resolve) => {
    open = resolve;
  });
  asked.empty = 1;
  alice.channel.feed(message(away.hex), command('PING', 'done'));
  await someTurns();
  assert.is(alice.channel.writes.length, 0, 'it answers before the disk');
  open();
  const frames = await written(alice.channel);
  assert.ok(frames.indexOf(`${away.hex} 1`) > 0);
  assert.ok(frames.indexOf('done') > frames.indexOf(`${away.hex} 1`));
  assert.equal(logged, []);
});

test.run();
