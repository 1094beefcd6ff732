// Two ways in one: what goes where, and that nothing is lost or doubled when a way ends. Real relay, real
// nodes, real messengers.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GREETING, Raw } from '../protocols/enclave/raw.ts';
import { withRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { meet, Wire, withBoth } from './both.ts';

const test = suite('two ways');

const QUIET = 150; // of somebody who does not answer

test('a message goes by the relay before they meet, and straight afterwards, in one conversation', () =>
  withRelay(({ port }) =>
    withBoth(port, async (world) => {
      const { alice, bob, wire } = world;
      await alice.me.send(bob.key, 'one');
      await until(() => bob.got(alice).length === 1, 'one');
      assert.is(wire.carried, 0);
      await meet(world, { moved: true }); // one connection, so one wire
      await Promise.all([alice.met(bob), bob.met(alice)]);
      const before = wire.carried;
      await alice.me.send('bob', 'two');
      await until(() => bob.got(alice).length === 2, 'two');
      assert.ok(wire.carried > before, 'it went by the relay');
      await until(() => alice.me.status.unsettled === 0, 'receipts');
      assert.equal(bob.got(alice), ['one', 'two']);
      assert.is(alice.me.status.isDirect, false, 'the relay is there for all others');
      const opened = Object.keys(alice.me.status.counts).filter((each) => /new session/.test(each));
      assert.equal(opened, ['new session: none yet'], 'the same session');
    }),
  ));

test('they need no session before: who meets first writes first', () =>
  withRelay(({ port }) =>
    withBoth(port, async (world) => {
      const { alice, bob } = world;
      await meet(world);
      await alice.me.send('bob', 'hello');
      await until(() => bob.got(alice).length === 1, 'hello');
      await Promise.all([alice.met(bob), bob.met(alice)]);
    }),
  ));

test('a place that is withdrawn, and that of who is blocked or removed, leaves the address book', () =>
  withRelay(({ port }) =>
    withBoth(port, async (world) => {
      const { alice, bob, wire } = world;
      const { contacts } = alice.me;
      const at = `127.0.0.1:${wire.port}`;
      const written = () =>
        readFileSync(alice.book, 'utf8')
          .split('\n')
          .find((line) => line.includes(bob.key))
          ?.split(' ')[1];
      const is = (place: string) => until(() => written() === place, place);
      await meet(world);
      await is(at);
      await contacts.place('bob', null);
      await is('127.0.0.1:0');
      await contacts.place('bob', at);
      await is(at);
      await contacts.block('bob');
      await is('127.0.0.1:0');
      await contacts.unblock('bob');
      await is(at);
      await contacts.remove('bob');
      await is('127.0.0.1:0');
    }),
  ));

test('the relay is gone: who is there is reached; it comes again: everybody is', () =>
  withRelay(async ({ port }) => {
    const line = await new Wire(() => port).open();
    try {
      await withBoth(line.port, async (world) => {
        const { alice, bob, wire } = world;
        await meet(world, { moved: true });
        await alice.met(bob);
        await line.close();
        await until(() => alice.me.status.isDirect && bob.me.status.isDirect, 'without it');
        await alice.me.send('bob', 'straight');
        await until(() => bob.got(alice).length === 1, 'straight');
        await line.open();
        await until(() => !alice.me.status.isDirect && !bob.me.status.isDirect, 'with it');
        await wire.close();
        await alice.me.send('bob', 'by the relay');
        await until(() => bob.got(alice).length === 2, 'by the relay');
        await until(() => alice.me.status.unsettled === 0, 'receipts');
        assert.equal(bob.got(alice), ['straight', 'by the relay']);
        await wire.open();
      });
    } finally {
      await line.close();
    }
  }));

test('a connection that is there and carries nothing: the relay does, after a while', () =>
  withRelay(({ port }) =>
    withBoth(
      port,
      async (world) => {
        const { alice, bob, wire } = world;
        await meet(world, { moved: true });
        await alice.met(bob);
        wire.isDumb = true;
        await alice.me.send('bob', 'do you hear me?');
        await until(() => bob.got(alice).length === 1, 'by the relay');
        assert.is(alice.isDirectTo(bob), false);
        assert.ok(alice.node?.node.has(bob.key), 'the connection is there all the time');
      },
      { silenceMs: QUIET },
    ),
  ));

test('somebody who claims the key of bob takes nothing away from him', () =>
  withRelay(({ port }) =>
    withBoth(port, async (world) => {
      const { alice, bob, wire } = world;
      await wire.close(); // bob himself is met nowhere
      await meet(world, { moved: true, away: true });
      const claim = (await Raw.dial(alice.nodePort)).says({ ...GREETING, 'flexim-key': bob.key });
      await until(() => alice.node?.node.has(bob.key) === true, 'the claim');
      await alice.me.send('bob', 'for bob alone');
      await until(() => bob.got(alice).length === 1, 'by the relay');
      assert.is(alice.isDirectTo(bob), false);
      claim.socket.destroy();
      await wire.open();
    }),
  ));

test('ways end and begin while both write: nothing is lost, nothing comes twice', () =>
  withRelay(async ({ port }) => {
    const line = await new Wire(() => port).open();
    try {
      await withBoth(line.port, async (world) => {
        const { alice, bob, wire } = world;
        await meet(world);
        await alice.met(bob);
        const ends = [
          () => wire.cut(),
          () => bob.node?.close(),
          () => line.cut(),
          () => alice.node?.close(),
        ];
        const said: string[] = [];
        for (let round = 0; round < 8; round++) {
          for (let n = 0; n < 10; n++) {
            said.push(`${round}.${n}`);
            await Promise.all([
              alice.me.send('bob', `${round}.${n}`),
              bob.me.send('alice', `${round}.${n}`),
            ]);
          }
          await ends[round % ends.length]?.();
        }
        for (const [from, to] of [
          [alice, bob],
          [bob, alice],
        ] as const) {
          await until(() => to.got(from).length >= said.length, 'all of it');
          assert.equal([...to.got(from)].sort(), [...said].sort());
        }
      });
    } finally {
      await line.close();
    }
  }));

test.run();
