// Under pressure: who does not read, who floods, many who are silent, and the stop of the relay.
// docs/protocols/flexim.md §6.4, §9.4 and §11. Limits are small, the kernel's buffers are not.

import { rmSync } from 'node:fs';
import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { senderTags } from '../../../src/crypto/tags.ts';
import { silent } from '../../../src/lib/log.ts';
import { Flexim } from '../../../src/protocols/flexim/server.ts';
import { DEFAULT_LIMITS } from '../../../src/relay/limits.ts';
import { createRelay } from '../../../src/relay/relay.ts';
import { Store } from '../../../src/store/store.ts';
import { FakeChannel, turn } from '../../channel.ts';
import { count } from '../../count.ts';
import {
  authResponse,
  command,
  counted,
  countOf,
  HELLO,
  type Keys,
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
const small = { waitingBytes: WAITING, replyBytes: 20_000, drainMs: 200, quietMs: 20 };
// What is written is counted as output and as a block, and a block may be half empty.
const WAITING_COUNTED = 3 * WAITING;
const ROWS = 64 * 1024; // so much may come from the queue at once

interface Flooded {
  readonly sent: number;
  readonly queued: number[]; // their numbers
}

/** Sends large Messages to one who does not read until some are queued; numbers as on this connection. */
async function flood(from: Peer, to: string, already = 0): Promise<Flooded> {
  const queued: number[] = [];
  let sent = already;
  while (queued.length < 5) {
    // Two fit at any time, unless earlier ones could not be written.
    for (let i = 0; i < 2; i++) from.write(counted(to, ++sent, LARGE));
    for (const event of await from.settled()) {
      const { status, payload } = statusOf(event);
      const [name, n] = payload.split(' ');
      assert.equal([status, name], [20, to]);
      queued.push(Number(n));
    }
  }
  assert.equal(
    queued,
    queued.map((_, i) => sent + 1 - queued.length + i),
    'from the first one queued on, all are',
  );
  return { sent, queued };
}

/** Takes the Messages from the one number to the other, in order. */
async function takeAll(peer: Peer, first: number, last: number): Promise<void> {
  for (let n = first; n <= last; n++) assert.is(countOf(await peer.next()), n);
}

const paused = async ({ member }: Scene): Promise<Member> => {
  const one = await member();
  one.peer.socket.pause();
  return one;
};

// ---- slow readers ----

const slow = suite('flexim slow readers');

slow(
  'who does not read costs bounded memory; what is too much is queued, and comes in order',
  scene(
    async (stage) => {
      const { relay, member } = stage;
      const bob = await paused(stage);
      const alice = await member();
      const [carol, dave] = [await member(), await member()];
      const { sent } = await flood(alice.peer, bob.hex);
      const { memory } = relay.relay.router;
      assert.ok(memory.used <= WAITING_COUNTED + ROWS, `${memory.used} bytes wait`);
      assert.ok(memory.used > WAITING - LARGE - 1_000);
      for (let n = 0; n < 10; n++) alice.peer.write(message(`${bob.hex}/live`, 'x'.repeat(LARGE)));
      assert.equal(await alice.peer.settled(), [], '/live is dropped without a word');
      assert.is(relay.relay.drops.of('live-away'), 10);
      assert.ok(memory.used <= WAITING_COUNTED + ROWS, `${memory.used} bytes wait`);

      carol.peer.write(message(dave.hex, 'not affected'), message(alice.hex, 'nor is she'));
      assert.equal((await dave.peer.next()).bytes, message(dave.hex, 'not affected'));
      assert.equal((await alice.peer.next()).bytes, message(alice.hex, 'nor is she'));

      bob.peer.socket.resume();
      await takeAll(bob.peer, 1, sent);
      assert.equal(await bob.peer.settled(), []);
      await until(() => memory.used === 0, 'all is written');
      assert.is(relay.relay.queue.of(bob.hex).account.count, 0, 'and off the disk');

      alice.peer.write(counted(bob.hex, sent + 11));
      assert.is(countOf(await bob.peer.next()), sent + 11, 'and it goes on');
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
      const { memory } = relay.relay.router;
      const readers = [await paused(stage), await paused(stage), await paused(stage)];
      const [alice, bob] = [await member(), await member()];
      const ends: number[] = [];
      for (const { hex } of readers) ends.push((await flood(alice.peer, hex, ends.at(-1))).sent);
      // To half of it, and then a Message and a row for each; counted as output and as blocks.
      const most = 3 * (300_000 / 2 + (readers.length + 1) * (LARGE + ROWS));
      assert.ok(memory.used <= most, `${memory.used} wait`);
      assert.ok(memory.isShort);
      for (let n = 0; n < 20; n++) {
        alice.peer.write(counted(bob.hex, n, LARGE));
        assert.is(countOf(await bob.peer.next()), n);
      }
      assert.equal(await alice.peer.settled(), []);
      for (const { peer } of readers) peer.socket.resume();
      let from = 1;
      for (const [i, { peer }] of readers.entries()) {
        await takeAll(peer, from, ends[i] as number);
        from = (ends[i] as number) + 1;
      }
      await until(() => memory.used === 0, 'all is written');
    },
    { limits: { ...small, memoryBytes: 300_000 } },
  ),
);

slow(
  'who does not read his answers is not read from, and goes on when he reads',
  scene(
    async ({ relay, member }) => {
      const { memory } = relay.relay.router;
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
        const other = bob.peer.settled().then(() => memory.used > small.replyBytes);
        blocked = (await other) || !(await taken);
        most = Math.max(most, memory.used);
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
      assert.is(memory.used, 0);
    },
    { limits: { ...small, commandsPerSecond: 0 } },
  ),
);

slow.run();

// ---- many ----

const SILENT = count(80, 500);
const many = suite('flexim many connections');

many(
  `${SILENT} who are silent are no trouble to two who chat`,
  scene(
    async ({ relay }) => {
      const peers = await silentPeers(relay.port, SILENT);
      assert.is(relay.relay.router.online, SILENT);
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

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Logs in without acknowledgements, and reads nothing behind the User. */
async function connectedOnly({ connect }: Scene, keys: Keys): Promise<Peer> {
  const peer = await connect();
  await peer.greet();
  const { challenge } = await peer.challenged(keys);
  peer.write(authResponse(challenge, peer.relayKey));
  assert.is((await peer.next()).type, TYPE.User);
  peer.socket.pause();
  return peer;
}

/** The numbers of the Messages that come before a Status, and its code. */
async function untilStatus(peer: Peer): Promise<{ counts: number[]; status: number }> {
  const counts: number[] = [];
  for (;;) {
    const each = await peer.next();
    if (each.type === TYPE.Status) return { counts, status: statusOf(each).status };
    counts.push(countOf(each));
  }
}

leaving(
  'a Message to somebody who just left is queued, not swallowed: BYE, reset, replaced',
  scene(
    async (stage) => {
      const { relay, member } = stage;
      const alice = await member();
      const isOnline = (key: string) => relay.relay.queue.of(key).reader !== null;

      const byer = await paused(stage);
      const first = await flood(alice.peer, byer.hex);
      byer.peer.write(command('BYE'));
      await until(() => relay.relay.router.online === 1, 'BYE is read');
      alice.peer.write(counted(byer.hex, first.sent + 1)); // his connection still has bytes to take
      const event = { status: 20, payload: `${byer.hex} ${first.sent + 1}` };
      assert.equal(await alice.peer.status(), event);
      byer.peer.socket.resume();
      const got = await untilStatus(byer.peer);
      assert.is(got.status, 0);
      assert.is(await byer.peer.closed, 'end');
      // What was in his output came, the rest is queued: all, once, in order.
      const { queued } = await member(byer.keys);
      assert.equal([...got.counts, ...queued.map(countOf)], range(1, first.sent + 1));
      assert.ok(got.counts.length > 0 && queued.length > 0);

      const dropper = await member();
      dropper.peer.socket.resetAndDestroy();
      await until(() => !isOnline(dropper.hex), 'the reset is seen');
      alice.peer.write(message(dropper.hex));
      assert.is((await alice.peer.status()).status, 20);

      const older = await paused(stage);
      const second = await flood(alice.peer, older.hex, first.sent + 2);
      const newer = await member(older.keys);
      alice.peer.write(counted(older.hex, second.sent + 1));
      const counts = newer.queued.map(countOf);
      while (counts.at(-1) !== second.sent + 1) counts.push(countOf(await newer.peer.next()));
      assert.equal(counts, range(counts[0] as number, second.sent + 1), 'in order, without a gap');
      older.peer.socket.resume();
      const last = await untilStatus(older.peer);
      assert.is(last.status, 5);
      assert.equal(last.counts, range(first.sent + 3, last.counts.at(-1) as number));
      assert.ok(
        (last.counts.at(-1) as number) + 1 >= (counts[0] as number),
        'nothing between them',
      );
      assert.is(await older.peer.closed, 'end');
    },
    { limits: small },
  ),
);

leaving(
  'a queue that its reader had not taken stays, whoever ends the connection, and however often',
  scene(
    async (stage) => {
      const { relay, member } = stage;
      const alice = await member();
      const { keys, hex, peer } = await member();
      await peer.destroy();
      const { queue, router } = relay.relay;
      await until(() => queue.of(hex).reader === null, 'he is gone');
      const last = 320; // more than the system takes
      for (let n = 1; n <= last; n++) alice.peer.write(counted(hex, n, LARGE));
      await alice.peer.settled();
      for (const end of ['cut', 'replaced']) {
        const older = await connectedOnly(stage, keys);
        await until(() => router.memory.used > 0, 'his queue is being sent');
        if (end === 'cut') older.socket.resetAndDestroy();
        else await (await connectedOnly(stage, keys)).destroy();
        await until(() => queue.of(hex).reader === null, `${end}: he is gone again`);
        await older.destroy();
        await until(() => router.memory.used === 0, 'both connections are over');
      }
      const { queued } = await member(keys);
      const counts = queued.map(countOf);
      assert.ok(counts.length > 0, 'most of it is still there');
      assert.equal(counts, range(counts[0] as number, last));
    },
    { limits: { queueShare: 100, messagesPerSecond: 0, bytesPerSecond: 0 } },
  ),
);

leaving(
  'a stranger who takes no answers is told to go at the time limit, and cut 5 s later',
  async () => {
    const data = temporaryDirectory();
    const store = new Store(data, 'relay');
    const clock = { time: 0, now: () => clock.time, wall: () => 0 };
    const limits = DEFAULT_LIMITS;
    const identity = newIdentity();
    const relay = createRelay({
      name: '',
      roster: 'none',
      store,
      limits,
      clock,
      log: silent,
      durable: false,
      tagOf: senderTags(identity),
      broken: assert.unreachable,
    });
    const house = new Flexim(relay, identity);
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
  'everybody gets -7 and what is his, and the end; a stranger without a hello is reset',
  scene(
    async (stage) => {
      const { relay, connect, member } = stage;
      const alice = await member();
      const bob = await member();
      const slowly = await paused(stage);
      const { sent } = await flood(alice.peer, slowly.hex);
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
        assert.match(payload, /^[1-5] ./);
      }
      assert.is(await nobody.closed, 'ECONNRESET');
      assert.is(nobody.received, 0);
      slowly.peer.socket.resume();
      const before = await untilStatus(slowly.peer);
      assert.is(before.status, -7, 'in the middle: what is queued comes all the same');
      assert.equal(before.counts, range(1, before.counts.length));
      await takeAll(slowly.peer, before.counts.length + 1, sent);
      assert.is(await slowly.peer.closed, 'end');
      assert.is(slowly.peer.pending.length, 0);
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
      assert.is(stage.relay.relay.router.memory.used, 0);
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
  'a Message that comes after the stop began is delivered, or queued and said to be so',
  scene(
    async ({ relay, member }) => {
      const alice = await member();
      const bob = await member();
      const away = await member();
      await away.peer.destroy();
      await until(() => relay.relay.router.online === 2, 'he is gone');
      const stopped = relay.stop();
      assert.is((await alice.peer.status()).status, -7);
      alice.peer.write(message(bob.hex, 'late'), message(away.hex, 'late'));
      assert.is((await bob.peer.status()).status, -7);
      assert.equal((await bob.peer.next()).bytes, message(bob.hex, 'late'));
      const last = { status: 20, payload: `${away.hex} 2`, end: 'end' };
      assert.equal(await alice.peer.lastStatus(), last);
      assert.is(await bob.peer.closed, 'end');
      await stopped;
    },
    { limits: { ...small, drainMs: 20_000 } },
  ),
);

stopping.run();
