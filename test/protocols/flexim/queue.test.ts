// The queue as its users see it, over real sockets: docs/protocols/flexim.md §6.3, §6.4 and §7.

import { rmSync } from 'node:fs';
import { encode } from '@msgpack/msgpack';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../../src/crypto/identity.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { Directory } from '../../../src/relay/directory.ts';
import { Store } from '../../../src/store/store.ts';
import {
  authResponse,
  command,
  counted,
  countOf,
  type Frame,
  frame,
  message,
  newKeys,
  newNonce,
  statusOf,
  TYPE,
} from '../../peer.ts';
import { type TestRelay, temporaryDirectory } from '../../relay.ts';
import { type Member, scene, until } from '../../scene.ts';

const ACKS = { acks: true } as const;

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
const counts = (frames: readonly Frame[]) => frames.map(countOf);
const hexes = (frames: readonly Uint8Array[]) =>
  frames.map((each) => Buffer.from(each).toString('hex'));

/** Leaves in good order. */
async function leave({ peer }: Member): Promise<void> {
  assert.is(statusOf(await peer.ask('BYE')).status, 0);
  await peer.closed;
}

/** The relay has seen that his connection is over, and what he left behind is queued. */
async function gone({ relay }: TestRelay, { hex }: Member): Promise<void> {
  await until(() => relay.queue.of(hex).reader === null, 'he is gone');
}

/** The events as 'code n'. */
const events = (frames: readonly Frame[]) =>
  frames.map((each) => {
    const { status, payload } = statusOf(each);
    return `${status} ${payload.split(' ')[1]}`;
  });

const rowsOf = ({ relay }: TestRelay) => [...relay.queue.tables.rows.entries()].length;

// ---- away, and back ----

const away = suite('flexim queue: away and back');

for (const acks of [false, true])
  away(
    `what comes while he is away waits for him, byte by byte, ${acks ? 'until it is acknowledged' : 'once'}`,
    scene(async ({ relay, member }) => {
      const [alice, carol] = [await member(), await member()];
      const bob = await member(newKeys(), 'bob');
      await leave(bob);
      const odd = frame(TYPE.Message, encode(['BOB', '', [], -1, { a: [null] }, 'more']));
      const large = counted(bob.hex, 3, 60_000);
      const sent = [message(bob.hex, '1'), odd, large, message('bob', '4')];
      alice.peer.write(...sent.slice(0, 3));
      assert.equal(events(await alice.peer.settled()), ['20 1', '20 2', '20 3']);
      carol.peer.write(sent[3] as Buffer);
      assert.equal(await carol.peer.status(), { status: 20, payload: 'bob 1' });

      const back = await member(bob.keys, undefined, { acks });
      assert.equal(hexes(back.queued.map(({ bytes }) => bytes)), hexes(sent));
      alice.peer.write(message(bob.hex, 'live'));
      assert.equal((await back.peer.next()).bytes, message(bob.hex, 'live'));
      assert.equal(await alice.peer.settled(), [], 'and it goes on without events');
      if (acks) {
        back.peer.write(command('ACK', '2'));
        assert.equal(await back.peer.settled(), [], 'ACK has no answer');
      }
      await leave(back);
      const left = acks ? [...sent.slice(2), message(bob.hex, 'live')] : [];
      const again = await member(bob.keys, undefined, { acks });
      assert.equal(hexes(again.queued.map(({ bytes }) => bytes)), hexes(left));
      if (acks) again.peer.write(command('ACK', '3'));
      await again.peer.settled();
      assert.is(rowsOf(relay), 0);
      await leave(again);
      assert.equal((await member(bob.keys, undefined, { acks })).queued, []);
    }),
  );

away(
  '22 comes once on each connection, after what was queued at login',
  scene(async ({ member }) => {
    const alice = await member();
    const bob = await member();
    await leave(bob);
    for (let round = 1; round <= 3; round++) {
      alice.peer.write(...range(1, 50).map((n) => counted(bob.hex, n, 2_000)));
      await alice.peer.settled();
      const back = await member(bob.keys); // takes the first 22
      assert.equal(counts(back.queued), range(1, 50));
      alice.peer.write(...range(51, 60).map((n) => counted(bob.hex, n)));
      await alice.peer.settled();
      const later = await back.peer.settled();
      assert.ok(later.every(({ type }) => type === TYPE.Message));
      assert.equal(counts(later), range(51, 60));
      await leave(back);
    }
  }),
);

away(
  '/live is never queued',
  scene(
    async ({ relay, member }) => {
      const alice = await member();
      const bob = await member(newKeys(), 'bob', ACKS);
      alice.peer.write(message(`${bob.hex}/live`, 'seen'), message('bob/live', 'and this'));
      await bob.peer.take(2);
      alice.peer.write(message(bob.hex, '1'), message(bob.hex, '2')); // the window is full
      await bob.peer.take(2);
      alice.peer.write(message(`${bob.hex}/live`, 'full'), message(bob.hex, '3'));
      alice.peer.write(message(`${bob.hex}/live`, 'behind the queue'));
      assert.equal(events(await alice.peer.settled()), ['20 6']);
      await leave(bob);
      alice.peer.write(message(`${bob.hex}/live`, 'away'), message('bob/live', 'away'));
      assert.equal(await alice.peer.settled(), []);
      const { queued } = await member(bob.keys);
      assert.equal(counts(queued), [1, 2, 3]);
      const { drops } = relay.relay;
      assert.equal([drops.of('live-slow'), drops.of('live-away')], [1, 3]);
    },
    { limits: { windowMessages: 4 } },
  ),
);

away(
  'quotas: refused by name and number, and not a Message more',
  scene(
    async ({ relay, member }) => {
      const [alice, carol] = [await member(), await member()];
      const bob = await member();
      await leave(bob);
      alice.peer.write(...range(1, 4).map((n) => counted(bob.hex, n)));
      const told = (await alice.peer.settled()).map(statusOf);
      assert.equal(
        told
          .toSorted((a, b) => b.status - a.status)
          .map(({ status, payload }) => [status, ...payload.split(' ').slice(1, 3)].join(' ')),
        ['20 1', '20 2', '20 3', '-21 4 share-full'],
      );
      carol.peer.write(...range(5, 6).map((n) => counted(bob.hex, n)));
      assert.equal(events(await carol.peer.settled()), ['20 1', '20 2']);
      carol.peer.write(counted(bob.hex, 7));
      const full = await carol.peer.status();
      assert.is(full.status, -21);
      assert.match(full.payload, new RegExp(`^${bob.hex} 3 mailbox-full .`));
      assert.equal(
        [relay.relay.drops.of('share-full'), relay.relay.drops.of('mailbox-full')],
        [1, 1],
      );
      const back = await member(bob.keys);
      assert.equal(counts(back.queued), [1, 2, 3, 5, 6]);
      carol.peer.write(counted(bob.hex, 8));
      assert.is(countOf(await back.peer.next()), 8);
    },
    { limits: { queueMessages: 5, queueShare: 60 } },
  ),
);

away(
  'quotas in bytes; what a connection gives back is kept whatever they are',
  scene(
    async ({ relay, member }) => {
      const alice = await member();
      const bob = await member(newKeys(), undefined, ACKS);
      alice.peer.write(...range(1, 5).map((n) => counted(bob.hex, n, 1_000)));
      await bob.peer.take(5); // and not acknowledged
      await leave(bob);
      await gone(relay, bob);
      alice.peer.write(counted(bob.hex, 6));
      assert.match((await alice.peer.status()).payload, / 6 mailbox-full /);
      const back = await member(bob.keys);
      assert.equal(counts(back.queued), range(1, 5));
      await back.peer.settled();
      await leave(back);
      alice.peer.write(counted(bob.hex, 7, 1_000));
      assert.equal(events(await alice.peer.settled()), ['20 7']);
    },
    { limits: { queueBytes: 5_000, queueShare: 100 } },
  ),
);

away.run();

// ---- acknowledgements ----

const acks = suite('flexim queue: acknowledgements');

acks(
  'before the login the first Message is number 1, /live and malformed ones count',
  scene(async ({ member }) => {
    const alice = await member();
    const keys = newKeys();
    await leave(await member(keys));
    alice.peer.write(counted(keys.hex, 1));
    await alice.peer.settled();
    const bob = await member(keys, undefined, ACKS);
    const nonsense = frame(TYPE.Message, encode({ to: keys.hex, msg: 7 }));
    alice.peer.write(message(`${keys.hex}/live`, '2'), nonsense, counted(keys.hex, 4));
    await bob.peer.take(3);
    bob.peer.write(command('ACK', '3'));
    await bob.peer.settled();
    await bob.peer.destroy();
    const again = await member(keys, undefined, ACKS);
    assert.equal(counts(again.queued), [4]);
    again.peer.write(command('ACK', '1'));
    assert.equal(await again.peer.settled(), []);
  }),
);

acks(
  'asked for between AUTH and AuthResponse they count from the first one too',
  scene(async ({ connect, member }) => {
    const alice = await member();
    const keys = newKeys();
    await leave(await member(keys));
    alice.peer.write(counted(keys.hex, 1), counted(keys.hex, 2));
    await alice.peer.settled();
    const bob = await connect();
    await bob.greet();
    const { challenge } = await bob.challenged(keys);
    assert.equal(statusOf(await bob.ask('ACKS', 'on')), { status: 0, payload: '' });
    bob.write(authResponse(challenge, bob.relayKey, newNonce()), command('ACK', '1'));
    const frames = await bob.settled();
    assert.equal(
      frames.map(({ type }) => type),
      [TYPE.User, TYPE.Message, TYPE.Message, TYPE.Status],
    );
    await bob.destroy();
    assert.equal(counts((await member(keys)).queued), [2]);
  }),
);

acks(
  'asked for later, number 1 is the first behind the answer',
  scene(async ({ member }) => {
    const alice = await member();
    const bob = await member();
    alice.peer.write(counted(bob.hex, 1));
    await bob.peer.next();
    assert.equal(statusOf(await bob.peer.ask('ACKS', 'on')), { status: 0, payload: '' });
    alice.peer.write(counted(bob.hex, 2), counted(bob.hex, 3));
    await bob.peer.take(2);
    assert.equal(statusOf(await bob.peer.ask('ACKS', 'on')), { status: 0, payload: '' });
    bob.peer.write(command('ACK', '1'));
    await bob.peer.settled();
    await bob.peer.destroy();
    assert.equal(counts((await member(bob.keys)).queued), [3]);
  }),
);

acks(
  'what is no ACK is an event and changes nothing; before the login it is refused',
  scene(async ({ relay, connect, member }) => {
    const stranger = await connect();
    await stranger.greet();
    assert.is(statusOf(await stranger.ask('ACK', '1')).status, -4);
    for (const word of ['off', 'ON', '', 'on '])
      assert.match(statusOf(await stranger.ask('ACKS', word)).payload, /^bad-payload /);
    assert.is(statusOf(await stranger.ask('ACKS')).status, -2);

    const alice = await member();
    const bob = await member();
    const bad = async (...payload: string[]) => {
      const event = statusOf(await bob.peer.ask('ACK', ...payload));
      assert.is(event.status, -22, payload.join());
      assert.match(event.payload, /^bad-ack ./);
    };
    for (const n of ['0', '1']) await bad(n); // they are off
    await bob.peer.ask('ACKS', 'on');
    alice.peer.write(counted(bob.hex, 1), counted(bob.hex, 2));
    await bob.peer.take(2);
    const before = relay.relay.drops.of('malformed');
    const wrong = ['3', '-1', '1.0', '01', '+1', ' 1', '1e0', '0x1', '', 'one', '9'.repeat(16)];
    for (const n of wrong) await bad(n);
    await bad();
    bob.peer.write(command('ACK', '1'), command('ACK', '1'));
    assert.equal(await bob.peer.settled(), []);
    await bad('0');
    assert.is(relay.relay.drops.of('malformed'), before + wrong.length + 2);
    await bob.peer.destroy();
    assert.equal(counts((await member(bob.keys)).queued), [2]);
  }),
);

acks(
  'a connection that breaks: the next one gets what is not acknowledged, first and in order',
  scene(async ({ member }) => {
    const alice = await member();
    const keys = newKeys();
    await leave(await member(keys));
    let sent = 0;
    let acknowledged = 0;
    for (let round = 0; round < 6; round++) {
      const send = (count: number) => {
        for (let i = 0; i < count; i++) alice.peer.write(counted(keys.hex, ++sent, 100));
        return alice.peer.settled();
      };
      await send(7); // away
      const bob = await member(keys, undefined, ACKS);
      assert.equal(counts(bob.queued), range(acknowledged + 1, sent));
      await send(5); // there
      const first = acknowledged;
      assert.equal(counts(await bob.peer.take(5)), range(sent - 4, sent));
      bob.peer.write(command('ACK', '3'), command('ACK', String(6 + round)));
      await bob.peer.settled();
      acknowledged = first + 6 + round;
      if (round % 2) await bob.peer.destroy();
      else await leave(bob);
      await alice.peer.settled();
    }
  }),
);

acks(
  'a newer login takes over what the older had not acknowledged; his ACK comes too late',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const older = await member(newKeys(), undefined, ACKS);
    alice.peer.write(...range(1, 4).map((n) => counted(older.hex, n)));
    await older.peer.take(4);
    older.peer.write(command('ACK', '1'));
    await older.peer.settled();
    const newer = await member(older.keys, undefined, ACKS);
    assert.equal(counts(newer.queued), [2, 3, 4]);
    assert.is((await older.peer.status()).status, 5);
    older.peer.write(command('ACK', '4'));
    assert.is(await older.peer.closed, 'end');
    alice.peer.write(counted(older.hex, 5));
    assert.is(countOf(await newer.peer.next()), 5);
    newer.peer.write(command('ACK', '2'));
    await newer.peer.settled();
    await newer.peer.destroy();
    assert.equal(counts((await member(older.keys)).queued), [4, 5]);
    assert.is(relay.relay.drops.of('replaced'), 1);
  }),
);

acks(
  'the answer to PING comes when what was acknowledged is off the disk',
  scene(async ({ relay, member }) => {
    const alice = await member();
    const bob = await member();
    await leave(bob);
    for (let round = 0; round < 10; round++) {
      alice.peer.write(...range(1, 20).map((n) => counted(bob.hex, n)));
      assert.is((await alice.peer.settled()).length, 20, 'and alice had all events before');
      assert.ok(rowsOf(relay) > 0);
      const back = await member(bob.keys, undefined, ACKS);
      back.peer.write(command('ACK', '20'), command('PING', 'now'));
      assert.is((await back.peer.status()).payload, 'now');
      assert.is(rowsOf(relay), 0);
      await leave(back);
    }
  }),
);

acks.run();

// ---- slow readers and fast senders ----

const pace = suite('flexim queue: pace');

for (const withAcks of [false, true])
  pace(
    `bursts to one who reads nothing come in order when he reads${withAcks ? ' and acknowledges' : ''}`,
    scene(
      async ({ relay, member }) => {
        const alice = await member();
        const [carol, dave] = [await member(), await member()];
        const bob = await member(newKeys(), undefined, { acks: withAcks });
        bob.peer.socket.pause();
        let sent = 0;
        let queued = 0;
        while (queued < 40) {
          alice.peer.write(...range(sent + 1, sent + 20).map((n) => counted(bob.hex, n, 20_000)));
          sent += 20;
          queued += (await alice.peer.settled()).length;
          carol.peer.write(counted(dave.hex, sent));
          assert.is(countOf(await dave.peer.next()), sent, 'others are served');
        }
        bob.peer.socket.resume();
        let got = 0;
        const read = async (to: number) => {
          while (got < to) {
            assert.is(countOf(await bob.peer.next()), ++got);
            if (withAcks && got % 16 === 0) bob.peer.write(command('ACK', String(got)));
          }
        };
        await read(sent / 2);
        alice.peer.write(...range(sent + 1, sent + 20).map((n) => counted(bob.hex, n))); // meanwhile
        await read(sent + 20);
        if (withAcks) bob.peer.write(command('ACK', String(got)));
        assert.equal(await bob.peer.settled(), []);
        await alice.peer.settled();
        assert.is(rowsOf(relay), 0);
        alice.peer.write(counted(bob.hex, 0));
        assert.is(countOf(await bob.peer.next()), 0);
        assert.equal(await alice.peer.settled(), [], 'at once again');
      },
      { limits: { waitingBytes: 100_000, windowMessages: 64, queueShare: 100 } },
    ),
  );

pace(
  'a sender who floods one who is away is pushed back, and the relay holds little of it',
  scene(
    async ({ relay, member }) => {
      const alice = await member();
      const [carol, dave] = [await member(), await member()];
      const bob = await member();
      await leave(bob);
      const COUNT = 500;
      const all = Buffer.concat(range(1, COUNT).map((n) => counted(bob.hex, n, 8_000)));
      const { queue, router } = relay.relay;
      let most = 0;
      let isOver = false;
      const watching = (async () => {
        while (!isOver) {
          most = Math.max(most, queue.uncommitted + router.memory.used);
          await new Promise(setImmediate);
        }
      })();
      alice.peer.socket.write(all);
      for (let n = 0; n < 20; n++) {
        carol.peer.write(counted(dave.hex, n));
        assert.is(countOf(await dave.peer.next()), n, 'nobody else is held up');
      }
      const told = await alice.peer.settled();
      isOver = true;
      await watching;
      assert.equal(
        events(told),
        range(1, COUNT).map((n) => `20 ${n}`),
      );
      // What one read brought is counted after it was handled: 64 KiB, and a piece of a frame.
      assert.ok(most < 64 * 1024 + 3 * 64 * 1024 + 100_000, `${most} bytes at most`);
      const back = await member(bob.keys);
      assert.equal(counts(back.queued), range(1, COUNT));
    },
    { limits: { commitBytes: 64 * 1024, queueShare: 100 } },
  ),
);

pace.run();

// ---- the relay stops and starts ----

const restart = suite('flexim queue: a restart');

restart(
  'a relay that was stopped in good order has lost nothing, and starts where it was',
  async () => {
    const data = temporaryDirectory();
    const identity = newIdentity();
    const keys = { bob: newKeys(), slow: newKeys(), gone: newKeys() };
    const limits = { waitingBytes: 100_000, drainMs: 300, quietMs: 20, queueShare: 100 };
    let sent = 0;
    let read = 0;
    await scene(
      async ({ relay, member }) => {
        const alice = await member();
        const bob = await member(keys.bob, undefined, ACKS);
        const slow = await member(keys.slow, undefined, ACKS);
        slow.peer.socket.pause();
        await leave(await member(keys.gone));
        alice.peer.write(...range(1, 10).map((n) => counted(keys.gone.hex, n)));
        alice.peer.write(...range(1, 10).map((n) => counted(keys.bob.hex, n)));
        await bob.peer.take(10);
        bob.peer.write(command('ACK', '4'));
        for (let queued = 0; queued < 10; ) {
          alice.peer.write(
            ...range(sent + 1, sent + 10).map((n) => counted(keys.slow.hex, n, 20_000)),
          );
          sent += 10;
          queued = (await alice.peer.settled()).filter((each) =>
            statusOf(each).payload.startsWith(keys.slow.hex),
          ).length;
        }
        await relay.stop();
        slow.peer.socket.resume();
        await slow.peer.closed;
        const frames = slow.peer.pending.filter(({ type }) => type === TYPE.Message);
        read = frames.length;
        assert.equal(counts(frames), range(1, read));
      },
      { data, identity, limits },
    )();
    assert.ok(read < sent);
    await scene(
      async ({ relay, member }) => {
        assert.equal(counts((await member(keys.gone)).queued), range(1, 10));
        assert.equal(counts((await member(keys.bob, undefined, ACKS)).queued), range(5, 10));
        // What he read he has not acknowledged; what he was sent and did not read is not lost either.
        assert.equal(counts((await member(keys.slow)).queued), range(1, sent));
        assert.is(relay.relay.queue.uncommitted, 0);
      },
      { data, identity },
    )();
    rmSync(data, { recursive: true });
  },
);

restart('quotas and shares hold over a start', async () => {
  const data = temporaryDirectory();
  const identity = newIdentity();
  const [alice, bob] = [newKeys(), newKeys()];
  const limits = { queueMessages: 10, queueShare: 20 };
  await scene(
    async ({ member }) => {
      await leave(await member(bob));
      const { peer } = await member(alice);
      peer.write(message(bob.hex));
      assert.equal(events(await peer.settled()), ['20 1']);
    },
    { data, identity, limits },
  )();
  await scene(
    async ({ member }) => {
      const { peer } = await member(alice);
      peer.write(message(bob.hex), message(bob.hex));
      assert.equal(events(await peer.settled()).toSorted(), ['-21 2', '20 1']);
    },
    { data, identity, limits },
  )();
  rmSync(data, { recursive: true });
});

restart('a store from before there was a queue is taken as it is', async () => {
  const data = temporaryDirectory();
  const [bob, alice] = [newKeys(), newKeys()];
  const old = new Store(data, 'relay');
  await new Directory(old, systemClock).login(bob.hex, 'bob');
  await old.close();
  await scene(
    async ({ member }) => {
      const { peer } = await member(alice);
      peer.write(message('bob', '1'));
      assert.equal(await peer.status(), { status: 20, payload: 'bob 1' });
      assert.equal(counts((await member(bob)).queued), [1]);
    },
    { data },
  )();
  rmSync(data, { recursive: true });
});

restart.run();
