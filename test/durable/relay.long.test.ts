// What the relay says is on the disk is there: a real relay, whose syncs are held at a gate. Nothing here
// waits for a time to pass: the same connection keeps its order, so what was not said before a later
// answer was not said.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { copyOf } from '../faults/copy.ts';
import { command, message, newKeys, type Peer, TYPE } from '../peer.ts';
import { type RelayScene, shown, textOf, withRelayScene } from './scene.ts';

const GATES = ['sync', 'meta'] as const;
type Gate = (typeof GATES)[number];

const ROUNDS = 100;
const NOBODY = 'ab'.repeat(32);

const pings = async (peer: Peer) => {
  for (let i = 0; i < ROUNDS; i++) assert.is(shown(await peer.ask('PING', `${i}`)), `0 ${i}`);
};

/** Sends to somebody who is away while the gate is closed: no event 20 before it opens. */
async function queuedWhenDurable(scene: RelayScene, gate: Gate): Promise<void> {
  const { faults } = scene;
  const bob = newKeys();
  await scene.away(bob);
  const carolKeys = newKeys();
  const [alice, carol] = [await scene.online(newKeys()), await scene.online(carolKeys)];
  const returned = faults.returned(gate);
  faults.on(`hold-${gate}`);
  alice.write(message(bob.hex, 'held'));
  const first = alice.next();
  await Promise.race([faults.entered(), first]);
  await pings(carol);
  alice.write(message(carolKeys.hex, 'live'), message(NOBODY));
  assert.is(textOf(await carol.next()), 'live');
  assert.match(shown(await first), new RegExp(`^-20 ${NOBODY} 3`), 'said before the sync returned');
  assert.is(faults.returned(gate), returned);
  faults.off(`hold-${gate}`);
  assert.match(shown(await alice.next()), new RegExp(`^20 ${bob.hex} 1`));
  assert.ok(faults.returned(gate) > returned);
  assert.equal(await scene.fetched(bob), ['held']);
}

/** Sends to somebody who is connected: nothing reaches him before the gate opens. */
async function forwardedWhenDurable(scene: RelayScene, gate: Gate): Promise<void> {
  const { faults } = scene;
  const bobKeys = newKeys();
  const [alice, bob] = [await scene.online(newKeys()), await scene.online(bobKeys)];
  const returned = faults.returned(gate);
  faults.on(`hold-${gate}`);
  alice.write(message(bobKeys.hex, 'held'));
  const first = bob.next();
  await Promise.race([faults.entered(), first]);
  bob.write(command('PING', 'first'));
  assert.is((await first).type, TYPE.Status, 'forwarded before the sync returned');
  await pings(bob);
  assert.is(faults.returned(gate), returned);
  faults.off(`hold-${gate}`);
  assert.is(textOf(await bob.next()), 'held');
  assert.ok(faults.returned(gate) > returned);
}

const durable = suite('relay: durable');

for (const gate of GATES) {
  durable(`event 20 comes when the ${gate} of its Message has returned, and not before`, () =>
    withRelayScene((scene) => queuedWhenDurable(scene, gate)),
  );

  durable(`--durable: nothing is forwarded before the ${gate} of its Message has returned`, () =>
    withRelayScene((scene) => forwardedWhenDurable(scene, gate), { args: ['--durable'] }),
  );

  durable(`kill -9 at the ${gate} gate: what got a 20 is there, what waits is not`, () =>
    withRelayScene(async (scene) => {
      const { faults, relay } = scene;
      const bob = newKeys();
      await scene.away(bob);
      const alice = await scene.online(newKeys());
      alice.write(message(bob.hex, 'kept'));
      assert.match(shown(await alice.next()), /^20 /);
      faults.on(`hold-${gate}`);
      alice.write(message(bob.hex, 'held'));
      await faults.entered();
      assert.is((await relay.stop('SIGKILL')).signal, 'SIGKILL');
      faults.off(`hold-${gate}`);
      await scene.start().ready();
      assert.equal(await scene.fetched(bob), ['kept']);
    }),
  );
}

durable.run();

const mutants = suite('relay: durable, broken on purpose');

async function isRed(scene: Promise<void>, words: string): Promise<void> {
  const error = await scene.then(
    () => null,
    (reason: Error) => reason,
  );
  assert.is(error?.message, words);
}

const PATCHES = [
  { to: 'overlappingSync: false, noSync: true', gate: 'sync' },
  { to: 'overlappingSync: false, noMetaSync: true', gate: 'meta' },
] as const;

for (const { to, gate } of PATCHES)
  mutants(`with ${to} both tests are red`, async () => {
    const patch = { folder: 'dist/store', from: 'overlappingSync: false', to };
    const { path: root, remove } = copyOf(['dist', 'bin'], patch);
    try {
      const queued = withRelayScene((scene) => queuedWhenDurable(scene, gate), { root });
      await isRed(queued, 'said before the sync returned');
      const options = { root, args: ['--durable'] };
      const forwarded = withRelayScene((scene) => forwardedWhenDurable(scene, gate), options);
      await isRed(forwarded, 'forwarded before the sync returned');
    } finally {
      remove();
    }
  });

mutants('without --durable its test is red', () =>
  isRed(
    withRelayScene((scene) => forwardedWhenDurable(scene, 'sync')),
    'forwarded before the sync returned',
  ),
);

mutants.run();
