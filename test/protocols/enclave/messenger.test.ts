// The same messenger, the same FE1, over nodes alone: nothing leaves the outbox but by a receipt.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { toBase64url } from '../../../src/lib/bytes.ts';
import { systemClock } from '../../../src/lib/time.ts';
import { MemoryStore } from '../../client/memory.ts';
import { dialRelay, withRelay } from '../../relay.ts';
import { until } from '../../scene.ts';
import { Peer } from './people.ts';
import { GREETING, Raw } from './raw.ts';

const test = suite('enclave: messengers');

async function withTwo(body: (alice: Peer, bob: Peer) => Promise<void>): Promise<void> {
  const [alice, bob] = [new Peer(0, ''), new Peer(0, '')];
  try {
    await bob.open();
    await bob.up();
    bob.writes(`alice 127.0.0.1:0 ${alice.key}\n`);
    alice.writes(`bob 127.0.0.1:${bob.port} ${bob.key}\n`);
    await body(alice, bob);
  } finally {
    await Promise.all([alice.gone(), bob.gone()]);
  }
}

test('two people talk with no relay at all; receipts come, and keys are proven', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    await alice.me.send('bob', 'hello');
    await until(() => bob.got(alice).length === 1, 'hello');
    await bob.me.send('alice', 'hi');
    await until(() => alice.got(bob).length === 1, 'hi');
    await until(() => alice.me.status.unsettled + bob.me.status.unsettled === 0, 'receipts');
    const shown = () => alice.link?.node.friends[0];
    await until(() => shown()?.isProven === true, 'proven');
    assert.is(alice.me.contacts.get('bob')?.key, bob.key);
    assert.is(alice.me.status.oneTimeKeys, 0, 'nobody would ever use one');
  }));

test('what is written to one who is away goes out when he comes, once', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    await alice.me.send('bob', 'one');
    await until(() => bob.got(alice).length === 1, 'one');
    await bob.close();
    await until(() => alice.link?.node.has(bob.key) === false, 'gone');
    await alice.me.send('bob', 'two');
    await alice.me.send('bob', 'three');
    assert.is(alice.me.stateOf('bob', await alice.me.send('bob', 'four')), 'queued');
    await bob.open();
    await until(() => bob.got(alice).length === 4, 'four');
    assert.equal(bob.got(alice), ['one', 'two', 'three', 'four']);
    await until(() => alice.me.status.unsettled === 0, 'receipts');
  }));

test('either side is killed again and again: nothing is lost, nothing comes twice', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    const said: string[] = [];
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 5; n++) {
        const text = `${round}.${n}`;
        said.push(text);
        await alice.me.send(bob.key, text);
      }
      const victim = round % 2 === 0 ? alice : bob;
      await victim.crash();
      await victim.open();
    }
    await until(() => bob.got(alice).length >= said.length, 'all of it');
    assert.equal([...bob.got(alice)].sort(), [...said].sort());
    await until(() => alice.me.status.unsettled === 0, 'receipts');
  }));

test('somebody who claims the key of bob gets nothing that he can read, and takes nothing away', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    const spr = alice.link?.node.prekeysOf(bob.key) as Uint8Array;
    await bob.close();
    const greeting = { ...GREETING, 'flexim-key': bob.key, 'fe1-spr': toBase64url(spr) };
    const claim = (await Raw.dial(alice.port)).says(greeting);
    await claim.hears('alias');
    await alice.me.send(bob.key, 'secret');
    const { fe1 } = await claim.hears('fe1');
    assert.not.ok(Buffer.from(String(fe1), 'base64url').includes('secret'));
    claim.says({ fe1 }); // her own bytes prove nothing
    await until(() => (alice.me.status.counts['envelope-rejected'] ?? 0) > 0, 'rejected');
    assert.is(alice.link?.node.friends[0]?.isProven, false);
    await bob.open();
    await until(() => bob.got(alice).length === 1, 'secret');
    await until(() => alice.me.status.unsettled === 0, 'the receipt');
    assert.is(alice.me.stateOf(bob.key, alice.me.history(bob.key)[0]?.id ?? ''), 'delivered');
    claim.socket.destroy();
  }));

test('who comes again proves his key without a word being said', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await alice.me.send(bob.key, 'one');
    await until(() => bob.got(alice).length === 1, 'one');
    await until(() => alice.me.status.unsettled === 0, 'the receipt');
    await bob.close();
    await bob.open();
    for (const { link } of [alice, bob])
      await until(() => link?.node.friends[0]?.isProven === true, 'proven');
    assert.is(alice.link?.node.connections, 1);
  }));

test('a peer who lost his store is written to on a new session as soon as he comes', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    await alice.me.send(bob.key, 'one');
    await until(() => bob.got(alice).length === 1, 'one');
    await bob.close();
    bob.disk = new MemoryStore();
    // Not in the same second: what he shows then would be two records of one number.
    bob.options = { ...bob.options, clock: { wall: () => systemClock.wall() + 10 } };
    await alice.me.send(bob.key, 'two');
    await bob.open();
    await until(() => bob.got(alice).length === 1, 'two');
    assert.equal(bob.got(alice), ['two']);
    await bob.me.send('alice', 'three');
    await until(() => alice.got(bob).length === 1, 'three');
    await until(() => alice.me.status.unsettled + bob.me.status.unsettled === 0, 'receipts');
  }));

test('one store, two ways: by a relay, then from node to node, then by the relay again', () =>
  withRelay(({ port }) =>
    withTwo(async (alice, bob) => {
      const people = [alice, bob];
      const byNode = people.map(({ options }) => options.dial);
      const sessions = () => people.map(({ disk }) => disk.rows.size > 0);
      const goBy = async (way: 'relay' | 'node') => {
        await Promise.all(people.map((each) => each.close()));
        people.forEach((each, at) => {
          const { identity, pins } = each;
          const dial = way === 'relay' ? () => dialRelay(port, { identity, pins }) : byNode[at];
          each.options = { ...each.options, ...(dial && { dial }) };
        });
        await Promise.all(people.map((each) => each.open()));
      };
      const say = async (from: Peer, to: Peer, text: string) => {
        await from.me.send(to.key, text);
        await until(() => to.got(from).at(-1) === text, text);
      };
      await goBy('relay');
      await Promise.all(people.map((each) => until(() => each.me.status.published, 'published')));
      await say(alice, bob, 'one');
      await say(bob, alice, 'two');
      await goBy('node');
      await say(alice, bob, 'three');
      await say(bob, alice, 'four');
      const opened = people.map(({ me }) => me.status.counts);
      for (const counts of opened)
        for (const what of Object.keys(counts)) assert.not.match(what, /^(new session|INIT)/);
      await goBy('relay');
      await say(alice, bob, 'five');
      await until(() => alice.me.status.unsettled + bob.me.status.unsettled === 0, 'receipts');
      assert.equal(bob.got(alice), ['one', 'three', 'five']);
      assert.equal(alice.got(bob), ['two', 'four']);
      assert.equal(sessions(), [true, true]);
    }),
  ));

test('what a blocked contact sends is not kept, and nothing goes to him', () =>
  withTwo(async (alice, bob) => {
    await alice.open();
    await until(() => alice.link?.node.has(bob.key) === true, 'there');
    await alice.me.send(bob.key, 'one');
    await until(() => bob.got(alice).length === 1, 'one');
    await bob.me.contacts.block(alice.key);
    await alice.me.send(bob.key, 'two');
    await until(() => (bob.me.status.counts.blocked ?? 0) > 0, 'blocked');
    assert.equal(bob.got(alice), ['one']);
    await bob.close();
    await bob.open();
    await until(() => bob.link?.node.has(alice.key) === true, 'there again');
    await until(() => (bob.me.status.counts['envelope-duplicate'] ?? 0) > 0, 'it came again');
    assert.equal(bob.got(alice), ['one']);
  }));

test.run();
