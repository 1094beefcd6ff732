// A real relay on a disk that is full, read-only or broken. Full: it stays up, says so, and loses nothing
// that it accepted. Broken: it ends with an error, since nobody knows what is on the disk.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { failed } from '../cli/program.ts';
import type { Fault } from '../faults/faults.ts';
import { message, newKeys } from '../peer.ts';
import { type RelayScene, shown, textOf, withRelayScene } from './scene.ts';

const ERROR = 50; // pino's level
const COUNT = 50;

/** A recipient who is away and has one Message in his queue, and its sender. */
async function kept(scene: RelayScene) {
  const [aliceKeys, bob] = [newKeys(), newKeys()];
  await scene.away(bob);
  const alice = await scene.online(aliceKeys);
  alice.write(message(bob.hex, 'kept'));
  assert.match(shown(await alice.next()), /^20 /);
  return { alice, aliceKeys, bob };
}

const errors = (scene: RelayScene) =>
  scene.log.filter(({ level }) => level >= ERROR).map(({ msg }) => msg);

const full = suite('relay: a full disk');

full('refuses what would be queued, with words; all else goes on; then it queues again', () =>
  withRelayScene(async (scene) => {
    const { faults, relay } = scene;
    const { alice, aliceKeys, bob } = await kept(scene);
    const carolKeys = newKeys();
    const carol = await scene.online(carolKeys);
    faults.on('full');
    for (let n = 2; n < COUNT; n++) {
      alice.write(message(bob.hex, 'refused'));
      const event = shown(await alice.next());
      assert.is(event, `-21 ${bob.hex} ${n} store-full the relay's disk is full`);
      if (n % 10 > 0) continue;
      assert.is(shown(await alice.ask('PING', 'x')), '0 x');
      carol.write(message(aliceKeys.hex, 'live'));
      assert.is(textOf(await alice.next()), 'live');
    }
    assert.equal(faults.struck(), [], 'LMDB never met it');
    faults.off('full');
    alice.write(message(bob.hex, 'again'));
    assert.match(shown(await alice.next()), new RegExp(`^20 ${bob.hex} ${COUNT}`));
    await relay.logged('the queue can be written again');
    assert.equal(await scene.fetched(bob), ['kept', 'again']);
    const [said, ...more] = errors(scene);
    assert.match(said ?? '', /the disk of the store .* is full: .*; Messages are refused$/);
    assert.equal(more, [], 'once, and not for every Message');
    assert.is(relay.stderr.split('\n').length, scene.log.length + 1, 'and nobody else speaks');
  }),
);

full(
  'who is known logs in and has his queue; who is new is told why not; the log is not theirs',
  () =>
    withRelayScene(async (scene) => {
      const { faults } = scene;
      const { bob } = await kept(scene);
      faults.on('full');
      for (let i = 0; i < 10; i++) {
        const stranger = await scene.stranger();
        const refused = await stranger
          .login(newKeys())
          .then(String, (error: Error) => error.message);
        assert.match(refused, /"status":-1,"payload":"store-full .*disk is full/);
      }
      assert.equal(await scene.fetched(bob), ['kept']);
      const again = await scene.online(bob);
      assert.match(shown(await again.ask('REGISTER', 'bob')), /^-5 store-full .*disk is full/);
      assert.is(shown(await again.ask('PING', 'x')), '0 x');
      assert.ok(errors(scene).length <= 1, errors(scene).join());
    }),
);

full('kill -9 and a stop in good order lose nothing that was accepted', () =>
  withRelayScene(async (scene) => {
    const { faults } = scene;
    const { alice, bob } = await kept(scene);
    faults.on('full');
    alice.write(message(bob.hex, 'refused'));
    assert.match(shown(await alice.next()), /^-21 /);
    await scene.relay.stop('SIGKILL');
    faults.off('full');
    const next = await scene.start().ready();
    faults.on('full');
    const { code } = await next.stop();
    assert.is(code, 0, next.stderr);
    faults.off('full');
    await scene.start().ready();
    assert.equal(await scene.fetched(bob), ['kept']);
  }),
);

full('a disk that is full or read-only at the start is one line each', () =>
  withRelayScene(async (scene) => {
    const { faults, relay } = scene;
    await relay.stop();
    const tries = [
      ['full', [75, 'store-full'], /is full: \d+ MiB more must be free/],
      ['read-only', [74, 'store-unusable'], /that file system is read-only/],
    ] as const;
    for (const [fault, wanted, words] of tries) {
      faults.on(fault);
      const result = await scene.start().ended;
      assert.match(failed(result, wanted, 'flexim-relay'), words);
      faults.off(fault);
    }
    await scene.start().ready();
  }),
);

full.run();

const BROKEN = ['eio-sync', 'eio-meta', 'short-pages'] as const satisfies readonly Fault[];

const broken = suite('relay: a broken disk');

for (const fault of BROKEN)
  broken(
    `${fault}: the relay ends with an error; no Message is confirmed; what was kept is there`,
    () =>
      withRelayScene(async (scene) => {
        const { faults, relay } = scene;
        const { alice, bob } = await kept(scene);
        faults.on(fault);
        alice.write(message(bob.hex, 'lost'));
        const { signal, stderr } = await relay.ended;
        assert.is(signal, 'SIGKILL', stderr);
        await alice.closed;
        assert.equal(alice.pending.map(shown), []);
        assert.match(stderr, /^flexim-relay: .*\(EIO\).* \[store-failed\]$/m);
        assert.equal(errors(scene), ['the store failed; the relay ends']);
        faults.off(fault);
        await scene.start().ready();
        assert.equal(await scene.fetched(bob), ['kept']);
      }),
  );

broken('a login that cannot be written ends it, too', () =>
  withRelayScene(async (scene) => {
    const { faults, relay } = scene;
    faults.on('eio-sync');
    const login = scene.online(newKeys()).catch((error: Error) => error.message);
    const { signal, stderr } = await relay.ended;
    assert.is(signal, 'SIGKILL', stderr);
    assert.match(String(await login), /the connection is over/);
  }),
);

broken.run();
