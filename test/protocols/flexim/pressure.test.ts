// Under pressure: who does not read, who floods, many who are silent, and the stop of the relay.
// docs/protocols/flexim.md §6.4, §9.4 and §11. Limits are small, the kernel's buffers are not.

import { rmSync } from 'node:fs';
import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { silent } from '../../../src/lib/log.ts';
import { Flexim } from '../../../src/protocols/flexim/server.ts';
import { DEFAULT_LIMITS } from '../../../src/relay/limits.ts';
import { createRelay } from '../../../src/relay/relay.ts';
import { Store } from '../../../src/store/store.ts';
import { FakeChannel, turn } from '../../channel.ts';
import {
  command,
  counted,
  countOf,
  HELLO,
  message,
  newKeys,
  type Peer,
  statusOf,
  TYPE,
} from '../../peer.ts';
import { temporaryDirectory } from '../../relay.ts';
import { type Member, type Scene, scene, until } from '../../scene.ts';
import { chat, silentPeers } from '../../silent.ts';

const LARGE = 60_000;
const WAITING = 200_000;
const small = { waitingBytes: WAITING, replyBytes: 20_000, drainMs: 200 };

interface Flooded {
  readonly sent: number;
  readonly refused: number[]; // their numbers
}

/** Sends large Messages to one who does not read until some are refused; numbers as on this connection. */
async function flood(from: Peer, to: string, already = 0): Promise<Flooded> {
  const refused: number[] = [];
  let sent = already;
  while (refused.length < 5) {
    // Two fit at any time, unless earlier ones could not be written.
    for (let i = 0; i < 2; i++) from.write(counted(to, ++sent, LARGE));
    for (const event of await from.settled()) {
      const { status, payload } = statusOf(event);
      const [name, n] = payload.split(' ');
      assert.equal([status, name], [-21, to]);
      refused.push(Number(n));
    }
  }
  return { sent, refused };
}

const paused = async ({ member }: Scene): Promise<Member> => {
  const one = await member();
  one.peer.socket.pause();
  return one;
};

// ---- slow readers ----

const slow = suite('flexim slow readers');

slow(
  'who does not read costs bounded memory; each Message is delivered in order or refused by number',
  scene(
    async (stage) => {
      const { relay, member } = stage;
      const bob = await paused(stage);
      const alice = await member();
      const [carol, dave] = [await member(), await member()];
      const { sent, refused } = await flood(alice.peer, bob.hex);
      assert.ok(relay.relay.router.waiting <= WAITING, `${relay.relay.router.waiting} bytes wait`);
      assert.ok(relay.relay.router.waiting > WAITING - LARGE - 1_000);
      assert.is(relay.relay.drops.of('recipient-slow'), refused.length);

      carol.peer.write(message(dave.hex, 'not affected'), message(alice.hex, 'nor is she'));
      assert.equal((await dave.peer.next()).bytes, message(dave.hex, 'not affected'));
      assert.equal((await alice.peer.next()).bytes, message(alice.hex, 'nor is she'));
      carol.peer.write(message(`${bob.hex}/live`, 'x'.repeat(LARGE)));
      assert.equal(await carol.peer.settled(), [], '/live is dropped without a word');

      bob.peer.socket.resume();
      const missing = new Set(refused);
      for (let n = 1; n <= sent; n++)
        if (!missing.has(n)) assert.is(countOf(await bob.peer.next()), n);
      assert.equal(await bob.peer.settled(), []);
      assert.is(relay.relay.router.waiting, 0);

      alice.peer.write(counted(bob.hex, sent + 1));
      assert.is(countOf(await bob.peer.next()), sent + 1, 'and it goes on');
      assert.equal(await alice.peer.settled(), []);
    },
    { limits: small },
  ),
);

slow(
  'several slow readers share one bound, and who reads is served all the same',
  scene(
    async (stage) => {
      const { relay, member } = stage;
      const { router, drops } = relay.relay;
      const readers = [await paused(stage), await paused(stage), await paused(stage)];
      const [alice, bob] = [await member(), await member()];
      let sent = 0;
      for (const { hex } of readers) sent = (await flood(alice.peer, hex, sent)).sent;
      assert.ok(router.waiting <= 300_000 + readers.length * 70_000, `${router.waiting} wait`);
      assert.ok(drops.of('memory-full') > 0);
      for (let n = 0; n < 20; n++) {
        alice.peer.write(counted(bob.hex, n, LARGE));
        assert.is(countOf(await bob.peer.next()), n);
      }
      assert.equal(await alice.peer.settled(), []);
      for (const { peer } of readers) peer.socket.resume();
      await until(() => router.waiting === 0, 'all is written');
    },
    { limits: { ...small, memoryBytes: 300_000, fairBytes: 70_000 } },
  ),
);

slow(
  'who does not read his answers is not read from, and goes on when he reads',
  scene(
    async ({ relay, member }) => {
      const { router } = relay.relay;
      const alice = await member();
      const bob = await member();
      let asked = 0;
      const batch = Buffer.concat(
        Array.from({ length: 500 }, () => command('PING', '€'.repeat(256))),
      );
      alice.peer.socket.pause();
      let most = 0;
      let blocked = false;
      while (!blocked) {
        asked += 500;
        const taken = new Promise<boolean>((resolve) => {
          alice.peer.socket.write(batch, () => resolve(true));
        });
        // The relay handles others while it does not read from Alice.
        const other = bob.peer.settled().then(() => router.waiting > small.replyBytes);
        blocked = (await other) || !(await taken);
        most = Math.max(most, router.waiting);
      }
      await bob.peer.settled();
      assert.ok(most <= small.replyBytes + 1_000, `${most} bytes of answers wait`);
      alice.peer.write(command('PING', 'last'), message(bob.hex, 'behind all'));
      assert.equal(await bob.peer.settled(), [], 'what stands behind has to wait');
      alice.peer.socket.resume();
      for (const answer of await alice.peer.take(asked))
        assert.is(statusOf(answer).payload.length, 256);
      assert.is((await alice.peer.status()).payload, 'last');
      assert.equal((await bob.peer.next()).bytes, message(bob.hex, 'behind all'));
      assert.is(router.waiting, 0);
    },
    { limits: small },
  ),
);

slow(
  'pipelined ROSTERs do not pile up answers',
  scene(
    async ({ relay, member }) => {
      const { directory, router } = relay.relay;
      await Promise.all(
        Array.from({ length: 400 }, (_, i) => directory.login(newKeys().hex, `u${i}`)),
      );
      const { peer } = await member();
      peer.socket.pause();
      const COUNT = 400; // of 30 KiB each: far more than the kernel takes
      peer.write(...Array.from({ length: COUNT }, () => command('ROSTER')));
      await until(() => router.waiting > small.replyBytes, 'the answers are held back');
      assert.ok(router.waiting <= small.replyBytes + 0xffff + 3, `${router.waiting} bytes wait`);
      peer.socket.resume();
      for (const { type } of await peer.take(COUNT)) assert.is(type, TYPE.Roster);
      assert.is(router.waiting, 0);
    },
    { limits: small },
  ),
);

slow.run();

// ---- many ----

const many = suite('flexim many connections');

many(
  '500 who are silent are no trouble to two who chat',
  scene(
    async ({ relay }) => {
      const peers = await silentPeers(relay.port, 500);
      assert.is(relay.relay.router.online, 500);
      await chat(relay.port, 200);
      for (const peer of peers) peer.socket.destroy();
      await until(() => relay.relay.router.online === 0, 'all are gone');
    },
    { limits: { loginMs: 120_000, helloMs: 120_000 } },
  ),
);

many.run();

// ---- leaving ----

const leaving = suite('flexim leaving');

leaving(
  'a Message to somebody who just left is refused, not swallowed: BYE, reset, replaced',
  scene(
    async (stage) => {
      const { relay, member } = stage;
      const alice = await member();

      const byer = await paused(stage);
      const first = await flood(alice.peer, byer.hex);
      byer.peer.write(command('BYE'));
      await until(() => relay.relay.router.online === 1, 'BYE is read');
      alice.peer.write(counted(byer.hex, first.sent + 1)); // his connection still has bytes to take
      assert.match(
        (await alice.peer.status()).payload,
        new RegExp(`^${byer.hex} ${first.sent + 1} `),
      );
      byer.peer.socket.resume();
      const missing = new Set(first.refused);
      for (let n = 1; n <= first.sent; n++)
        if (!missing.has(n)) assert.is(countOf(await byer.peer.next()), n);
      assert.equal(await byer.peer.lastStatus(), { status: 0, payload: '', end: 'end' });

      const dropper = await member();
      dropper.peer.socket.resetAndDestroy();
      await until(() => relay.relay.router.online === 1, 'the reset is seen');
      alice.peer.write(message(dropper.hex));
      assert.is((await alice.peer.status()).status, -21);

      const older = await paused(stage);
      const second = await flood(alice.peer, older.hex, first.sent + 2);
      const newer = await member(older.keys);
      alice.peer.write(counted(older.hex, second.sent + 1));
      assert.is(countOf(await newer.peer.next()), second.sent + 1, 'to the newer one at once');
      older.peer.socket.resume();
      const lost = new Set(second.refused);
      for (let n = first.sent + 3; n <= second.sent; n++)
        if (!lost.has(n)) assert.is(countOf(await older.peer.next()), n);
      assert.is((await older.peer.lastStatus()).status, 5);
    },
    { limits: small },
  ),
);

leaving(
  'a stranger who takes no answers is told to go at the time limit, and cut 5 s later',
  async () => {
    const data = temporaryDirectory();
    const store = new Store(data, 'relay');
    const clock = { time: 0, now: () => clock.time, wall: () => 0 };
    const limits = DEFAULT_LIMITS;
    const options = { name: '', roster: 'none', store, limits, clock, log: silent } as const;
    const relay = createRelay(options);
    const house = new Flexim(relay, newIdentity());
    mock.timers.enable({ apis: ['setTimeout'] });
    const pass = (ms: number) => {
      clock.time += ms;
      mock.timers.tick(ms);
    };
    try {
      const channel = new FakeChannel();
      house.accept(channel);
      channel.feed(HELLO);
      for (let i = 0; i < 100 && !channel.isPaused; i++)
        channel.feed(command('PING', 'x'.repeat(250)));
      await turn();
      assert.ok(channel.isPaused, 'not read from');
      assert.ok((channel.writes[0]?.bytes.length ?? 0) < 6_000);
      pass(limits.loginMs);
      assert.equal(relay.drops.totals(), { 'login-timeout': 1 });
      pass(4_999);
      assert.not.ok(channel.calls.includes('reset'));
      pass(1);
      assert.ok(channel.calls.includes('reset'));
      await house.drain(); // nobody is left
    } finally {
      mock.timers.reset();
      await store.close();
      rmSync(data, { recursive: true });
    }
  },
);

leaving.run();

// ---- the stop ----

const stopping = suite('flexim stop');

stopping(
  'everybody gets -7 behind what waited for him, and the end; a stranger without a hello is reset',
  scene(
    async (stage) => {
      const { relay, connect, member } = stage;
      const alice = await member();
      const bob = await member();
      const slowly = await paused(stage);
      const { sent, refused } = await flood(alice.peer, slowly.hex);
      const greeted = await connect();
      await greeted.greet();
      const challenged = await connect();
      await challenged.greet();
      await challenged.challenged(newKeys());
      const nobody = await connect();
      bob.peer.write(message(alice.hex, 'waits'));
      await bob.peer.settled();

      const stopped = relay.stop();
      assert.equal((await alice.peer.next()).bytes, message(alice.hex, 'waits'));
      for (const peer of [alice.peer, bob.peer, greeted, challenged]) {
        const { status, payload, end } = await peer.lastStatus();
        assert.equal([status, end], [-7, 'end']);
        assert.match(payload, /^5 ./);
      }
      assert.is(await nobody.closed, 'ECONNRESET');
      assert.is(nobody.received, 0);
      const missing = new Set(refused);
      slowly.peer.socket.resume();
      for (let n = 1; n <= sent; n++)
        if (!missing.has(n)) assert.is(countOf(await slowly.peer.next()), n);
      assert.is((await slowly.peer.status()).status, -7);
      await stopped;
      assert.is(relay.relay.router.online, 0);
      assert.is(
        await connect().then(String, (error: NodeJS.ErrnoException) => error.code),
        'ECONNREFUSED',
      );
    },
    { limits: { ...small, drainMs: 20_000 } },
  ),
);

stopping(
  'one who does not read is cut when the time is over',
  scene(
    async (stage) => {
      const bob = await paused(stage);
      const alice = await stage.member();
      await flood(alice.peer, bob.hex);
      await stage.relay.stop();
      assert.is((await alice.peer.lastStatus()).status, -7);
      assert.is(stage.relay.relay.router.waiting, 0);
      bob.peer.socket.resume();
      await bob.peer.closed;
      assert.ok(
        bob.peer.pending.every(({ type }) => type === TYPE.Message),
        'no -7 came',
      );
    },
    { limits: small },
  ),
);

stopping(
  'a Message that comes after the stop began reaches nobody, and its sender is told to come back',
  scene(
    async ({ relay, member }) => {
      const alice = await member();
      const bob = await member();
      const stopped = relay.stop();
      alice.peer.write(message(bob.hex, 'late'));
      assert.is((await alice.peer.lastStatus()).status, -7);
      assert.is((await bob.peer.lastStatus()).status, -7);
      await stopped;
    },
    { limits: small },
  ),
);

stopping.run();
