// A live relay for fuzzing, without sockets: every input meets a stranger's connection, and one that
// is logged in. What a connection throws it catches and logs, so the log is where failures show.

import { decode } from '@msgpack/msgpack';
import { newIdentity } from '../../src/crypto/identity.ts';
import { senderTags } from '../../src/crypto/tags.ts';
import { type Log, silent } from '../../src/lib/log.ts';
import { systemClock } from '../../src/lib/time.ts';
import { Flexim } from '../../src/protocols/flexim/server.ts';
import { DEFAULT_LIMITS } from '../../src/relay/limits.ts';
import { createRelay } from '../../src/relay/relay.ts';
import { FakeChannel, turn } from '../channel.ts';
import { authResponse, command, frame, HELLO, newKeys, opened, TYPE } from '../peer.ts';
import { mapStore } from '../relay/map-store.ts';
import { CROWD } from '../relay.ts';

const POOL = 8; // members; an input may end one, by chance

let failure: unknown = null;
const log: Log = {
  ...silent,
  error: (fields) => {
    failure = (fields as { err?: unknown }).err ?? 'an error without a cause';
  },
};
const identity = newIdentity();
const relay = createRelay({
  name: 'fuzzed',
  roster: 'listed',
  store: mapStore(),
  limits: { ...DEFAULT_LIMITS, ...CROWD, replyBytes: 0 },
  clock: systemClock,
  log,
  durable: false,
  tagOf: senderTags(identity),
  broken: (error) => {
    failure = error;
  },
});
const house = new Flexim(relay, identity);

function visitor(): FakeChannel {
  const channel = new FakeChannel();
  house.accept(channel);
  channel.feed(HELLO);
  return channel;
}

async function member(): Promise<FakeChannel> {
  const keys = newKeys();
  const channel = visitor();
  await turn();
  channel.take(); // the greeting
  channel.feed(command('AUTH', keys.hex, `m${keys.hex.slice(0, 9)}`));
  while (channel.writes.length === 0) await turn();
  const auth = decode(channel.take()?.subarray(3) ?? []) as { challenge: Uint8Array };
  const challenge = decode(opened(auth.challenge, keys));
  channel.feed(authResponse(challenge, identity.exchange.publicKey));
  while (channel.writes.length === 0) await turn();
  channel.take();
  return channel;
}

const pool = await Promise.all(Array.from({ length: POOL }, member));
if (relay.router.online !== POOL) throw new Error('the members are not logged in');

function check(): void {
  const error = failure;
  failure = null;
  if (error !== null) throw error;
}

/** The input is what a stranger sends behind his hello. */
export function strangerBytes(bytes: Uint8Array): void {
  const channel = visitor();
  channel.feed(bytes);
  channel.handler.closed(null);
  check();
}

/** The input is a frame of a member: its first byte the type, the rest the body. */
export function memberFrame(bytes: Uint8Array): void {
  const type = bytes[0] === TYPE.AuthResponse ? TYPE.Message : (bytes[0] ?? 0);
  const channel = pool[0];
  if (!channel) throw new Error('no member is left');
  channel.feed(frame(type, bytes.subarray(1)));
  if (channel.isPaused || channel.calls.includes('end')) pool.shift();
  check();
}
