// The relay's limits as clients meet them: docs/protocols/flexim.md §3.3, §5.7, §6.4, §8.1 and §11. Each is set
// so low that ignoring it shows.

import { encode } from '@msgpack/msgpack';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { hostGroup } from '../../../src/lib/address.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { admit } from '../../../src/net/door.ts';
import { Flexim } from '../../../src/protocols/flexim/server.ts';
import { Doors } from '../../../src/relay/doors.ts';
import { DEFAULT_LIMITS, type Limits, STRANGER_BODY } from '../../../src/relay/limits.ts';
import { createRelay } from '../../../src/relay/relay.ts';
import { FakeChannel, turn } from '../../channel.ts';
import { FakeClock } from '../../clock.ts';
import {
  authResponse,
  command,
  counted,
  countOf,
  frame,
  HELLO,
  message,
  newKeys,
  newNonce,
  type Peer,
  statusOf,
  TYPE,
} from '../../peer.ts';
import { mapStore, PAPER } from '../../relay/map-store.ts';
import { dialRelay, memoryPins, withRelay } from '../../relay.ts';
import { scene, until } from '../../scene.ts';
import { codeOf } from './links.ts';

/** A relay without sockets. */
function house(limits: Partial<Limits> = {}) {
  const relay = createRelay({
    name: 'limited',
    roster: 'listed',
    store: mapStore(),
    limits: { ...DEFAULT_LIMITS, ...limits },
    clock: systemClock,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...PAPER,
  });
  const doors = new Doors(relay);
  const flexim = new Flexim(relay, newIdentity(), (remote) => doors.leave(hostGroup(remote)));
  const channels: FakeChannel[] = [];
  const from = (remote: string) => {
    const channel = new FakeChannel();
    channel.remote = remote;
    channel.reset = () => {
      channel.calls.push('reset');
    };
    admit(doors, channel, (admitted) => flexim.accept(admitted));
    if (!wasReset(channel)) channels.push(channel);
    return channel;
  };
  const closeAll = () => {
    for (const channel of channels) channel.handler.closed(null);
  };
  return { relay, doors, from, closeAll };
}

const wasReset = (channel: FakeChannel) => channel.calls.includes('reset');

/** Sends the last step of a login and gives what it is answered with. */
async function respond(peer: Peer, keys = newKeys()) {
  await peer.greet();
  const { challenge } = await peer.challenged(keys);
  peer.write(authResponse(challenge, peer.relayKey, newNonce()));
  return peer.next();
}

// ---- coming in ----

const coming = suite('flexim limits: coming in');

coming('connections beyond a limit are reset before anything is opened for them', () => {
  const { relay, doors, from, closeAll } = house({ connections: 4, connectionsPerAddress: 2 });
  const first = [from('192.0.2.1'), from('::ffff:192.0.2.1')];
  assert.ok(wasReset(from('192.0.2.1')));
  assert.throws(() => from('192.0.2.1').handler, /nobody has opened it/);
  const others = [from('2001:db8:1:1::1'), from('2001:db8:1:1:ffff::2')];
  assert.ok(wasReset(from('2001:db8:1:1::3')), 'of the same /64');
  assert.ok(wasReset(from('2001:db8:1:2::1')), 'the fifth in all');
  assert.not.ok([...first, ...others].some(wasReset));
  assert.equal(relay.drops.totals(), { 'address-full': 3, 'connections-full': 1 });
  first[0]?.handler.closed(null);
  assert.not.ok(wasReset(from('2001:db8:1:2::1')));
  assert.is(doors.connections, 4);
  closeAll();
});

coming('the count is even again when all have gone, however they went', () => {
  const { doors, from } = house();
  const channels = Array.from({ length: 30 }, (_, i) => from(`192.0.2.${i}`));
  assert.is(doors.connections, 30);
  channels.forEach((channel, i) => {
    if (i % 3 === 0) channel.feed(Buffer.from('GET /'));
    if (i % 3 === 1) channel.feed(HELLO, command('BYE'));
    channel.handler.closed(i % 2 ? new Error('gone') : null);
  });
  assert.is(doors.connections, 0);
});

coming(
  'real connections beyond the limit are reset, and come in when others go',
  scene(
    async ({ relay, connect }) => {
      const [a, b] = [await connect(), await connect()];
      await a.greet();
      await b.greet();
      const third = await connect().then(
        (peer) => peer.closed,
        (error: NodeJS.ErrnoException) => error.code, // the reset may be there before the connection
      );
      assert.is(third, 'ECONNRESET');
      await a.destroy();
      await until(() => relay.doors.connections === 1, 'it is seen to be gone');
      await (await connect()).greet();
      assert.is(relay.relay.drops.of('connections-full'), 1);
    },
    { limits: { connections: 2 } },
  ),
);

coming(
  'connections that come too fast are closed before anybody looks, and come in later',
  scene(
    async ({ relay, connect }) => {
      const [a, b] = [await connect(), await connect()];
      await a.greet();
      await b.greet();
      const third = await connect().then(
        (peer) => peer.closed.then(() => peer.received),
        () => 0,
      );
      assert.is(third, 0);
      assert.equal(relay.relay.drops.totals(), { 'connections-fast': 1 });
      assert.is(relay.doors.connections, 2);
    },
    { limits: { arrivalsPerSecond: 0.001, arrivalsBurst: 2 } },
  ),
);

coming(
  'logins of an address: counted at AUTH, refused with the seconds, before any public-key work',
  scene(
    async ({ relay, connect, member }) => {
      await member();
      await member();
      const peer = await connect();
      await peer.greet();
      let jobs = 0;
      const add = relay.relay.turns.add.bind(relay.relay.turns);
      relay.relay.turns.add = (...args) => {
        jobs++;
        return add(...args);
      };
      peer.write(command('AUTH', newKeys().hex));
      const { status, payload, end } = await peer.lastStatus();
      assert.equal([status, end, jobs], [-1, 'end', 0]);
      assert.match(payload, /^login-busy (29|30) too many logins/);
      assert.is(relay.relay.drops.of('login-busy'), 1);
    },
    { limits: { loginsPerMinute: 2 } },
  ),
);

coming(
  'new keys of an address: refused once the response is right, and they stay unknown; known ones log in',
  scene(
    async ({ relay, connect, member }) => {
      const known = newKeys();
      await member(known);
      await member();
      const refused = newKeys();
      const peer = await connect();
      const { status, payload } = statusOf(await respond(peer, refused));
      assert.is(status, -1);
      assert.match(payload, /^login-new-key (1799|1800) too many new keys/);
      assert.is(await peer.closed, 'end');
      assert.not.ok(relay.relay.directory.isKnown(refused.hex));
      assert.is(relay.relay.drops.of('login-new-key'), 1);
      await member(known);

      const guesser = await connect();
      await guesser.greet();
      await guesser.challenged(newKeys());
      guesser.write(authResponse('wrong', guesser.relayKey));
      assert.match((await guesser.lastStatus()).payload, /^login-failed /, 'it does not tell');
    },
    { limits: { newKeysPerHour: 2 } },
  ),
);

coming.run();

// ---- strangers ----

const strangers = suite('flexim limits: strangers');

const large = (type: number, length = STRANGER_BODY + 1) => frame(type, Buffer.alloc(length, 0xc0));

strangers(
  'a body over 4 KiB is answered by its type and passed over; the login goes on',
  async () => {
    await scene(async ({ connect, member }) => {
      const { hex } = await member();
      const peer = await connect();
      await peer.greet();
      const longest = message(hex, 'x'.repeat(65_000));
      const sent = [large(TYPE.Command), large(TYPE.AuthResponse), longest, large(9)];
      peer.write(...sent);
      const answers = (await peer.take(4)).map(statusOf);
      assert.equal(
        answers.map(({ status }) => status),
        [-2, -22, -24, -24],
      );
      for (const { payload } of answers.slice(0, 2)) assert.match(payload, /^too-long 4096 bytes/);
      for (const part of large(TYPE.Message, 5_000)) peer.write(Buffer.from([part]));
      assert.is((await peer.status()).status, -24);
      const keys = newKeys();
      const { challenge } = await peer.challenged(keys);
      peer.write(authResponse(challenge, peer.relayKey));
      assert.is((await peer.next()).type, TYPE.User);
      assert.is((await peer.status()).status, 22);
      peer.write(message(keys.hex, 'y'.repeat(60_000)));
      assert.equal((await peer.next()).bytes, message(keys.hex, 'y'.repeat(60_000)), 'as a user');
    })();
  },
);

strangers('a body of exactly 4 KiB is looked into', async () => {
  const { from, closeAll } = house();
  const channel = from('192.0.2.1');
  const fill = (length: number) => encode({ cmd: 'PING', payload: ['', 'x'.repeat(length)] });
  const body = fill(STRANGER_BODY - fill(1_000).length + 1_000);
  assert.is(body.length, STRANGER_BODY);
  channel.feed(HELLO, frame(TYPE.Command, body));
  await turn();
  assert.match(channel.take()?.toString('latin1') ?? '', /payload\xa0$/);
  closeAll();
});

strangers('half a large frame is not kept, nor gathered while it comes', () => {
  const { from, closeAll } = house();
  const channel = from('192.0.2.1');
  const { allocUnsafeSlow } = Buffer;
  let kept = 0; // allocated for what is kept
  Buffer.allocUnsafeSlow = (size) => {
    kept += size;
    return allocUnsafeSlow(size);
  };
  try {
    channel.feed(HELLO, large(TYPE.Message, 60_000).subarray(0, 20_000));
    for (let i = 0; i < 39; i++) channel.feed(Buffer.alloc(1_000));
  } finally {
    Buffer.allocUnsafeSlow = allocUnsafeSlow;
  }
  assert.ok(kept < 2_000, `${kept} bytes, of which 512 are for answers`);
  closeAll();
});

strangers(
  'what is pipelined behind a login that waits is kept up to 4 KiB, then refused',
  async () => {
    const { relay, from, closeAll } = house();
    const auth = () => command('AUTH', newKeys().hex);
    const ok = from('192.0.2.1');
    ok.feed(HELLO, auth(), Buffer.alloc(3 + STRANGER_BODY));
    assert.not.ok(ok.calls.includes('end'));
    const greedy = from('192.0.2.2');
    greedy.feed(HELLO, auth(), Buffer.alloc(4 + STRANGER_BODY));
    await turn();
    assert.match(greedy.take()?.toString('latin1') ?? '', /login-failed too many bytes/);
    assert.is(relay.drops.of('login-failed'), 1);
    closeAll();
  },
);

strangers('of too many who have not logged in the one that waited longest goes; users stay', () =>
  scene(
    async ({ relay, connect, member }) => {
      const users = [await member(), await member(), await member()];
      const [first, second] = [await connect(), await connect()];
      await first.greet();
      await second.greet();
      const third = await connect();
      assert.is(await first.closed, 'ECONNRESET');
      await third.greet();
      await second.challenged(newKeys());
      const late = await member();
      assert.is(await second.closed, 'ECONNRESET');
      for (const { peer } of [...users, late]) assert.equal(await peer.settled(), []);
      assert.equal(relay.relay.drops.totals(), { 'stranger-crowded': 2 });
      await third.challenged(newKeys());
    },
    { limits: { strangers: 2 } },
  )(),
);

strangers('frames and bytes before the login are counted, and too many end it', async () => {
  const { from, closeAll } = house({ strangerFrames: 5, strangerBytes: 1_000 });
  const frames = from('192.0.2.1');
  frames.feed(HELLO, ...Array.from({ length: 5 }, () => command('PING')));
  assert.not.ok(frames.calls.includes('end'));
  frames.feed(command('PING'));
  await turn();
  assert.match(frames.take()?.toString('latin1') ?? '', /login-failed too many frames/);
  const bytes = from('192.0.2.2');
  bytes.feed(HELLO, large(TYPE.Message).subarray(0, 990));
  assert.not.ok(bytes.calls.includes('end'));
  bytes.feed(Buffer.alloc(10));
  await turn();
  assert.match(bytes.take()?.toString('latin1') ?? '', /login-failed too many bytes/);
  closeAll();
});

strangers('what was gathered is written before the work of logins goes on', async () => {
  const { relay, from, closeAll } = house();
  const channel = from('192.0.2.1');
  let written = -1;
  relay.turns.add('x', () => {
    written = channel.writes.length;
    return false;
  });
  channel.feed(HELLO);
  await turn();
  assert.is(written, 1, 'the greeting');
  closeAll();
});

strangers.run();

// ---- users ----

const users = suite('flexim limits: users');

users(
  'commands beyond the rate get -6 with the seconds, in their order, and are not carried out',
  scene(
    async ({ relay, member }) => {
      const { peer, hex } = await member();
      peer.write(command('PING', 'a'), command('GETUSER', hex), command('REGISTER', 'me'));
      peer.write(command('PING', 'b'), command('NO'));
      const answers = await peer.take(5);
      assert.equal(statusOf(answers[0] as never), { status: 0, payload: 'a' });
      assert.is(answers[1]?.type, TYPE.User);
      for (const each of answers.slice(2)) {
        const { status, payload } = statusOf(each);
        assert.is(status, -6);
        assert.match(payload, /^(99|100) slow-down too many commands$/);
      }
      assert.is(relay.relay.directory.keyOf('me'), null);
      assert.is(relay.relay.drops.of('command-fast'), 3);
      peer.write(command('BYE'));
      assert.equal(await peer.lastStatus(), { status: 0, payload: '', end: 'end' });
    },
    { limits: { commandsPerSecond: 0.01, commandsBurst: 2 } },
  ),
);

users(
  'a new connection of the key has not more commands left; another key has',
  scene(
    async ({ member }) => {
      const keys = newKeys();
      const first = await member(keys);
      for (let i = 0; i < 3; i++) first.peer.write(command('PING', `${i}`));
      await first.peer.take(3);
      const again = await member(keys);
      assert.is(statusOf(await again.peer.ask('PING', 'x')).status, -6);
      const other = await member();
      assert.is(statusOf(await other.peer.ask('PING', 'x')).status, 0);
    },
    { limits: { commandsPerSecond: 0.01, commandsBurst: 3 } },
  ),
);

users('commands before the login are those of no key', async () => {
  await scene(
    async ({ connect }) => {
      const peer = await connect();
      await peer.greet();
      for (let i = 0; i < 10; i++) assert.is(statusOf(await peer.ask('PING', 'x')).status, 0);
    },
    { limits: { commandsPerSecond: 0.01, commandsBurst: 1 } },
  )();
});

/** Time stands still but for `pass`, so that what is held stays held. */
function held(limits: Partial<Limits>, body: Parameters<typeof scene>[0]) {
  return async () => {
    const clock = new FakeClock();
    await scene((stage) => body({ ...stage, ...{ clock } }), { limits, clock })();
  };
}

users(
  'messages beyond the rate come later, all of them and in order; deliveries and others go on',
  held({ messagesPerSecond: 100, messagesBurst: 10 }, async (stage) => {
    const { clock } = stage as unknown as { clock: FakeClock };
    const { relay, member } = stage;
    const [alice, bob, carol] = [await member(), await member(), await member()];
    const { pauses } = relay.relay.paces;
    alice.peer.write(...Array.from({ length: 12 }, (_, n) => counted(bob.hex, n)));
    for (let n = 0; n < 12; n++) assert.is(countOf(await bob.peer.next()), n);
    await until(() => pauses.size === 1, 'Alice is held');
    alice.peer.write(...Array.from({ length: 5 }, (_, n) => counted(bob.hex, 12 + n)));
    carol.peer.write(message(alice.hex, 'to one who is held'), message(bob.hex, 'from Carol'));
    assert.equal((await alice.peer.next()).bytes, message(alice.hex, 'to one who is held'));
    assert.equal((await bob.peer.next()).bytes, message(bob.hex, 'from Carol'));
    assert.equal(await bob.peer.settled(), [], 'nothing more of Alice');
    clock.pass(30);
    for (let n = 12; n < 17; n++) assert.is(countOf(await bob.peer.next()), n);
    assert.equal(await carol.peer.settled(), []);
  }),
);

for (const [what, one, answers] of [
  ['frames of an unknown type', frame(9, Buffer.alloc(0)), 1],
  ['malformed Commands', frame(TYPE.Command, Buffer.alloc(0)), 1],
  ['Commands that are refused for their rate', command('PING', 'x'), 1],
  ['wrong ACKs', command('ACK', '7'), 1],
  ['ACKs of nothing new', command('ACK', '0'), 0],
] as const)
  users(
    `${what} are no way around the rate of Messages`,
    held(
      { messagesPerSecond: 100, messagesBurst: 10, commandsPerSecond: 1, commandsBurst: 1 },
      async (stage) => {
        const { clock } = stage as unknown as { clock: FakeClock };
        const { relay, member } = stage;
        const { peer } = await member(newKeys(), undefined, { acks: true });
        const { pauses } = relay.relay.paces;
        await peer.ask('PING', 'all that it may');
        peer.write(...Array.from({ length: 15 }, () => one));
        await until(() => pauses.size === 1, 'held');
        await peer.take(15 * answers);
        clock.pass(1_000);
        await until(() => pauses.size === 0, 'read again');
      },
    ),
  );

users(
  'ACKs of something new cost nothing',
  held({ messagesPerSecond: 0.001, messagesBurst: 15 }, async ({ relay, member }) => {
    const { peer, hex } = await member(newKeys(), undefined, { acks: true });
    const alice = await member();
    alice.peer.write(...Array.from({ length: 15 }, (_, n) => counted(hex, n)));
    await peer.take(15);
    for (let n = 1; n <= 15; n++) peer.write(command('ACK', `${n}`));
    peer.write(...Array.from({ length: 15 }, () => counted('nobody', 0)));
    await peer.take(15);
    assert.is(relay.relay.paces.pauses.size, 0);
  }),
);

users(
  'everything that is read counts as bytes',
  held({ bytesPerSecond: 1_000, bytesBurst: 5_000 }, async (stage) => {
    const { clock } = stage as unknown as { clock: FakeClock };
    const { relay, member } = stage;
    const alice = await member();
    const { pauses } = relay.relay.paces;
    alice.peer.write(frame(99, Buffer.alloc(5_500)));
    assert.is((await alice.peer.status()).status, -22);
    await until(() => pauses.size === 1, 'held');
    alice.peer.write(command('PING', 'later'));
    const answer = alice.peer.status();
    const first = await Promise.race([answer, turns(50)]);
    assert.is(first, undefined, 'not read');
    clock.pass(700);
    assert.is((await answer).payload, 'later');
  }),
);

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

users(
  'one who is held can be replaced, be told that the relay stops, and leave; nothing stays behind',
  held({ messagesPerSecond: 0.001, messagesBurst: 1 }, async (stage) => {
    const { relay, member } = stage;
    const { pauses } = relay.relay.paces;
    const flood = (peer: Peer) =>
      peer.write(...Array.from({ length: 3 }, (_, n) => counted('nobody', n)));
    const keys = newKeys();
    const older = await member(keys);
    flood(older.peer);
    await until(() => pauses.size === 1, 'the older is held');
    const newer = await member(keys);
    await older.peer.take(3); // events about its Messages
    assert.is((await older.peer.lastStatus()).status, 5);
    assert.is(pauses.size, 0);
    flood(newer.peer);
    await until(() => pauses.size === 1, 'the newer is held: nothing was refilled');

    const leaver = await member();
    flood(leaver.peer);
    await until(() => pauses.size === 2, 'one more is held');
    const closed = leaver.peer.destroy();
    await closed;
    const stopped = relay.stop();
    await newer.peer.take(3);
    assert.is((await newer.peer.lastStatus()).status, -7);
    await stopped;
    assert.is(pauses.size, 0);
    assert.is(relay.doors.connections, 0);
  }),
);

users.run();

// ---- our client ----

const client = suite('flexim limits: our client');

client('turns -6 into slow-down with the seconds, and the link goes on', () =>
  withRelay(
    async ({ port }) => {
      const link = await dialRelay(port);
      await link.ping();
      const error = await link.ping().catch((reason: unknown) => reason);
      assert.is((error as { code: string }).code, 'slow-down');
      assert.ok((error as { cause: { seconds: number } }).cause.seconds >= 99);
      assert.is(await codeOf(link.directory?.find('x') ?? Promise.resolve()), 'slow-down');
      link.send(link.self.key, Buffer.from('still here'));
      for await (const { envelope } of link.deliveries()) {
        assert.is(Buffer.from(envelope).toString(), 'still here');
        break;
      }
      await link.close();
    },
    { limits: { commandsPerSecond: 0.01, commandsBurst: 1 } },
  ),
);

client('so it does with a login that comes too soon', () =>
  withRelay(
    async ({ port }) => {
      const pins = memoryPins();
      await (await dialRelay(port, { pins })).close();
      const error = await dialRelay(port, { pins }).catch((reason: unknown) => reason);
      assert.is((error as { code: string }).code, 'slow-down');
      assert.ok((error as { cause: { seconds: number } }).cause.seconds >= 59);
    },
    { limits: { loginsPerMinute: 1 } },
  ),
);

client.run();
