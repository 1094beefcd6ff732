// Two ways in one under load, for longer: both write, while lines are cut, nodes closed, the relay is stopped
// and comes again, and a connection goes silent. 0 lost, 0 doubled.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { meet, withBoth } from './both.ts';

const test = suite('two ways, for longer');

const ROUNDS = 20;
const EACH = 50;
const QUIET = 300; // of somebody who does not answer

test('every end of a way, again and again, while both write', async () => {
  let relay = await startRelay();
  const { port, identity } = relay;
  const more = [{ sizes: {} }, { sizes: {} }];
  try {
    await withBoth(
      port,
      async (world) => {
        const { alice, bob, wire } = world;
        await meet(world);
        await alice.met(bob);
        const ends = [
          () => wire.cut(),
          () => bob.node?.close(),
          () => {
            wire.isDumb = true;
          },
          async () => {
            await relay.stop();
            relay = await startRelay({ port, identity });
          },
          () => alice.node?.close(),
        ];
        const said: string[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          for (let n = 0; n < EACH; n++) {
            said.push(`${round}.${n}`);
            await alice.me.send('bob', `${round}.${n}`);
            await bob.me.send('alice', `${round}.${n}`);
          }
          wire.isDumb = false;
          await ends[round % ends.length]?.();
        }
        wire.isDumb = false;
        for (const [from, to] of [
          [alice, bob],
          [bob, alice],
        ] as const) {
          await until(() => to.got(from).length >= said.length, 'all of it');
          assert.equal([...to.got(from)].sort(), [...said].sort());
        }
      },
      { silenceMs: QUIET },
      more,
    );
  } finally {
    await relay.stop();
  }
});

test('on one way the order is kept', async () => {
  const relay = await startRelay();
  try {
    await withBoth(relay.port, async (world) => {
      const { alice, bob } = world;
      await meet(world, { moved: true });
      await alice.me.send('bob', 'first');
      await until(() => bob.got(alice).length === 1, 'first');
      await Promise.all([alice.met(bob), bob.met(alice)]);
      const said = Array.from({ length: 500 }, (_, n) => `${n}`);
      for (const text of said) await alice.me.send('bob', text);
      await until(() => bob.got(alice).length > said.length, 'all of it');
      assert.equal(bob.got(alice), ['first', ...said]);
    });
  } finally {
    await relay.stop();
  }
});

test.run();
