// The barrier before an answer (docs/protocols/flexim.md §3.4) when the queue has nothing under way and
// a Message is not settled all the same: without sockets and over Maps. It must not starve the others.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Queue } from '../../../src/relay/queue.ts';
import { command, message } from '../../peer.ts';
import { paperHouse, turns } from './paper-visitors.ts';

const MOST = 100; // times that a barrier may ask the queue; an endless loop ends there

/** Counts how often the queue is asked; the first `empty` times it has nothing under way. */
function watched(queue: Queue, empty = 0): { times: number } {
  const settled = queue.settled.bind(queue);
  const asked = { times: 0 };
  queue.settled = () => {
    if (++asked.times > MOST) throw new Error('the barrier asks without end');
    return asked.times <= empty ? null : settled();
  };
  return asked;
}

const test = suite('the barrier');

test('a Message that was lost on its way to the disk ends its sender, and nobody else', async () => {
  const { relay, store, broken, member } = paperHouse();
  const alice = await member();
  const bob = await member();
  const away = await member();
  away.channel.handler.closed(null);
  await turns();
  await alice.take();
  await bob.take();
  const asked = watched(relay.queue);
  store.fail = new Error('the disk is gone');
  await alice.say(message(away.hex));
  assert.is(broken.length, 1);
  await alice.say(command('PING', '1'));
  assert.ok(asked.times <= 3, `it asked ${asked.times} times`);
  assert.is(alice.channel.calls.at(-1), 'reset');
  assert.is(relay.drops.of('connection-error'), 1);
  await bob.say(command('PING', '2'));
  assert.equal(await bob.hear(), ['0 2']);
});

test('what is kept and not told yet is waited for', async () => {
  const { relay, store, member } = paperHouse();
  const alice = await member();
  const away = await member();
  away.channel.handler.closed(null);
  await turns();
  await alice.take();
  let open = () => {};
  store.gate = new Promise((resolve) => {
    open = resolve;
  });
  watched(relay.queue, 1);
  await alice.say(message(away.hex), command('PING', 'done'));
  assert.equal(await alice.hear(), [], 'it answers before the disk');
  open();
  assert.equal(await alice.hear(), ['20 1', '0 done']);
});

test.run();
