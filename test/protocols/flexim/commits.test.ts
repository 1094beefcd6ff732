// What a user hears of the disk, and when: docs/protocols/flexim.md §3.4, §6.3, §7.7. The disk are Maps,
// and the test says when they are done.

import { mock } from 'node:test';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../../../src/lib/errors.ts';
import { withResolvers } from '../../../src/lib/queue.ts';
import { command, counted, message } from '../../peer.ts';
import { type PaperHouse, type PaperPeer, paperHouse, turns } from './paper-visitors.ts';

const test = suite('flexim commits');

/** Nothing gets on the disk until it is called. */
function closeGate({ store }: PaperHouse): () => void {
  const { promise, resolve } = withResolvers<void>();
  store.gate = promise;
  return () => {
    store.gate = null;
    resolve();
  };
}

async function leaves(peer: PaperPeer): Promise<void> {
  peer.channel.handler.closed(null);
  await turns();
}

/** Alice is here, Bob was. */
async function pair(it: PaperHouse) {
  const bob = await it.member();
  await leaves(bob);
  const alice = await it.member();
  assert.equal(await alice.hear(), ['User', '22']);
  return { alice, bob };
}

test('event 20 comes when it is on the disk, and PING waits for it', async () => {
  const it = paperHouse();
  const { alice, bob } = await pair(it);
  const open = closeGate(it);
  await alice.say(message(bob.hex, '1'), message('nobody', '2'), message(bob.hex, '3'));
  assert.equal(await alice.hear(), ['-20 2 nobody'], 'what needs no disk does not wait');
  await alice.say(command('PING', 'here'), message(bob.hex, '4'), command('PING', 'there'));
  assert.equal(await alice.hear(), []);
  open();
  assert.equal(await alice.hear(), ['20 1', '20 3', '0 here', '20 4', '0 there']);
});

test('BYE too, and so nothing is left open', async () => {
  const it = paperHouse();
  const { alice, bob } = await pair(it);
  const open = closeGate(it);
  await alice.say(message(bob.hex, '1'), command('BYE'));
  assert.equal(await alice.hear(), []);
  open();
  assert.equal(await alice.hear(), ['20 1', '0']);
  assert.ok(alice.channel.calls.includes('end'));
  await leaves(alice);
});

test('the answer behind an ACK waits until the disk has forgotten', async () => {
  const it = paperHouse();
  const { alice, bob } = await pair(it);
  await alice.say(message(bob.hex, '1'));
  await turns();
  const back = await it.member(bob.keys, { acks: true });
  assert.equal(await back.hear(), ['User', '1', '22']);
  const open = closeGate(it);
  await back.say(command('ACK', '1'));
  await turns();
  await back.say(command('PING', 'a'));
  assert.equal(await back.hear(), []);
  open();
  assert.equal(await back.hear(), ['0 a']);
  assert.equal([...it.relay.queue.tables.rows.entries()], []);
});

test('one who outruns the disk is not read from until it has caught up, and others are', async () => {
  const it = paperHouse({ commitBytes: 1_000 });
  const { alice, bob } = await pair(it);
  const carol = await it.member();
  await carol.hear();
  const open = closeGate(it);
  await alice.say(counted(bob.hex, 1, 700));
  assert.is(alice.channel.isPaused, false);
  await alice.say(counted(bob.hex, 2, 700), counted(bob.hex, 3, 700));
  assert.is(alice.channel.isPaused, true);
  await carol.say(counted(bob.hex, 4), counted(alice.hex, 5));
  assert.is(carol.channel.isPaused, false);
  assert.equal((await alice.hear()).length, 1, 'her own Messages still come');
  const { queue } = it.relay;
  assert.ok(queue.uncommitted < 3_000, 'the third was not looked at');
  open();
  assert.equal(await alice.hear(), ['20 1', '20 2', '20 3']);
  assert.is(alice.channel.isPaused, false);
  assert.equal(await carol.hear(), ['20 1']);
});

test('when much of all is on its way, who adds to it waits', async () => {
  const it = paperHouse({ commitBytes: 100_000, commitsBytes: 1_000 });
  const { alice, bob } = await pair(it);
  const carol = await it.member();
  const open = closeGate(it);
  await alice.say(counted(bob.hex, 1, 1_000));
  await carol.say(counted(bob.hex, 1));
  assert.equal([alice.channel.isPaused, carol.channel.isPaused], [true, true]);
  open();
  await turns();
  assert.equal([alice.channel.isPaused, carol.channel.isPaused], [false, false]);
});

test('a full disk: -21 store-full, before the answer to PING, and others go on', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const it = paperHouse();
    const { alice, bob } = await pair(it);
    const carol = await it.member();
    await carol.hear();
    it.store.fail = new FleximError('store-full', 'full');
    for (const n of [1, 3]) {
      await alice.say(message(bob.hex, 'x'), message(carol.hex, 'y'), command('PING', 'p'));
      assert.equal(await alice.hear(), [`-21 ${n} store-full`, '0 p']);
      assert.equal(await carol.hear(), ['y']);
    }
    assert.is(it.relay.drops.of('store-full'), 2);
    it.store.fail = null;
    await alice.say(message(bob.hex, 'z'), command('PING', 'p'));
    assert.equal(await alice.hear(), ['20 5', '0 p']);
    assert.equal(await (await it.member(bob.keys)).hear(), ['User', 'z', '22']);
    assert.equal(it.broken, []);
  } finally {
    mock.timers.reset();
  }
});

test('an event for one who has gone is nothing', async () => {
  const it = paperHouse();
  const { alice, bob } = await pair(it);
  const open = closeGate(it);
  await alice.say(message(bob.hex, '1'));
  await leaves(alice);
  open();
  await turns();
  assert.equal(await (await it.member(bob.keys)).hear(), ['User', '1', '22']);
});

test('when the store has failed, who asks is cut, and the process goes on to its end', async () => {
  const it = paperHouse();
  const { alice, bob } = await pair(it);
  it.store.fail = new FleximError('store-failed', 'an error of the disk');
  await alice.say(message(bob.hex, '1'));
  assert.is(it.broken.length, 1);
  await alice.say(command('PING', 'p'));
  assert.equal(await alice.hear(), [], 'nothing is claimed that is not so');
  assert.ok(alice.channel.calls.includes('reset'));
  await turns();
});

test('a durable relay sends nothing before it is kept, and says nothing of it', async () => {
  const it = paperHouse({}, true);
  const alice = await it.member();
  const bob = await it.member();
  await alice.hear();
  assert.equal(await bob.hear(), ['User', '22']);
  const open = closeGate(it);
  await alice.say(message(bob.hex, '1'), message(`${bob.hex}/live`, 'late'), message(bob.hex, '3'));
  await alice.say(command('PING', 'p'));
  assert.equal([await bob.hear(), await alice.hear()], [[], []]);
  open();
  assert.equal(await bob.hear(), ['1', '3'], 'a /live one would have overtaken');
  assert.equal(await alice.hear(), ['0 p']);
  await alice.say(message(`${bob.hex}/live`, 'now'));
  assert.equal(await bob.hear(), ['now']);
  await leaves(bob);
  await turns();
  await alice.say(message(bob.hex, '5'));
  assert.equal(await alice.hear(), ['20 5'], 'away is away');
  assert.equal(await (await it.member(bob.keys)).hear(), ['User', '5', '22']);
});

test('a durable relay whose disk is full refuses what it would else hand on', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const it = paperHouse({}, true);
    const [alice, bob] = [await it.member(), await it.member()];
    await alice.hear();
    await bob.hear();
    it.store.fail = new FleximError('store-full', 'full');
    await alice.say(message(bob.hex, '1'));
    assert.equal(await alice.hear(), ['-21 1 store-full']);
    assert.equal(await bob.hear(), []);
    it.store.fail = null;
    await alice.say(message(bob.hex, '2'));
    assert.equal(await bob.hear(), ['2']);
  } finally {
    mock.timers.reset();
  }
});

test.run();
