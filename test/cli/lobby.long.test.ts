// Strangers stay with the porter until they have logged in; then the relay has their connections, with every
// byte that they sent meanwhile.

import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { childrenNamed, lives } from '../children.ts';
import { count } from '../count.ts';
import { authResponse, command, newKeys, newNonce, Peer, statusOf, TYPE } from '../peer.ts';
import { until } from '../scene.ts';
import { type RelayProcess, withHome, withRelayProcess } from './program.ts';

const test = suite('cli: the lobby in the porter');

const withRelay = (args: readonly string[], work: (relay: RelayProcess) => Promise<void>) =>
  withHome((home) => withRelayProcess(home, args, work));

/** Everything up to the moment when only the response is missing. */
async function challenged(port: number) {
  const peer = await Peer.connect(port);
  await peer.greet();
  const { challenge } = await peer.challenged(newKeys());
  return { peer, response: authResponse(challenge, peer.relayKey, newNonce()) };
}

/** Pings that go out with the response, and right behind it, in many writes. */
async function impatient(port: number): Promise<void> {
  const { peer, response } = await challenged(port);
  const pings = Array.from({ length: 40 }, (_, i) => command('PING', `${i}`));
  const all = Buffer.concat([response, ...pings]);
  // The first bytes go with the response, the others find it done, or being done.
  for (let at = 0; at < all.length; ) {
    const end = at === 0 ? response.length + 5 : at + 1 + ((at * 7) % 23);
    peer.write(all.subarray(at, end));
    at = end;
    if (at % 3 > 0) await turn();
  }
  assert.is((await peer.next()).type, TYPE.User);
  assert.is((await peer.status()).status, 22);
  for (let i = 0; i < pings.length; i++)
    assert.equal(statusOf(await peer.next()), { status: 0, payload: `${i}` });
  await peer.destroy();
}

test(
  'whoever goes on talking while he logs in loses nothing',
  withRelay(
    ['--connects-per-second', '0', '--logins-per-minute', '0', '--new-keys-per-hour', '0'],
    async ({ port }) => {
      for (let round = 0; round < count(15, 200); round++)
        await Promise.all(Array.from({ length: 10 }, () => impatient(port)));
    },
  ),
);

test(
  'what became of strangers counts in the relay, and a stop tells them and waits for nobody',
  withRelay([], async (relay) => {
    const [stranger, other, silent] = await Promise.all(
      [1, 2, 3].map(() => Peer.connect(relay.port)),
    );
    if (!stranger || !other || !silent) throw new Error('nobody');
    other.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await other.closed;
    await stranger.greet();
    const failed = stranger.ask('AUTH', 'no key');
    assert.is(statusOf(await failed).status, -1);
    const { peer } = await challenged(relay.port);
    const stopped = relay.stop();
    assert.is((await peer.status()).status, -7);
    await Promise.all([peer.closed, silent.closed]);
    const { code } = await stopped;
    assert.is(code, 0);
    const { drops } = await relay.logged('stopped');
    assert.equal(drops, { 'no-hello': 1, 'login-failed': 1 });
  }),
);

test(
  'the porter is killed in the middle of a login: that one ends, the next one works',
  withRelay([], async (relay) => {
    const { peer } = await challenged(relay.port);
    const [pid = 0] = childrenNamed('porter', relay.child.pid as number);
    process.kill(pid, 'SIGKILL');
    await peer.closed;
    await relay.logged('listening again');
    const next = await Peer.connect(relay.port);
    await next.login(newKeys());
    await next.destroy();
  }),
);

test(
  'a relay that is frozen in the middle of many logins finishes them when it goes on',
  withRelay([], async (relay) => {
    const ready = await Promise.all(Array.from({ length: 20 }, () => challenged(relay.port)));
    relay.child.kill('SIGSTOP');
    for (const { peer, response } of ready) peer.write(response, command('PING', 'after'));
    const late = await Peer.connect(relay.port);
    await late.greet(); // the porter goes on
    relay.child.kill('SIGCONT');
    for (const { peer } of ready) {
      assert.is((await peer.next()).type, TYPE.User);
      assert.is((await peer.status()).status, 22);
      assert.is((await peer.status()).payload, 'after');
      await peer.destroy();
    }
    await late.destroy();
  }),
);

test(
  'the relay is killed while logins are on their way to it: no porter stays behind',
  withHome(async (home) => {
    for (let round = 0; round < 5; round++)
      await withRelayProcess(home, [], async (relay) => {
        const ready = await Promise.all(Array.from({ length: 5 }, () => challenged(relay.port)));
        const [pid = 0] = childrenNamed('porter', relay.child.pid as number);
        relay.child.kill('SIGSTOP'); // it confirms nothing any more
        for (const { peer, response } of ready) peer.write(response);
        const late = await Peer.connect(relay.port);
        await late.greet(); // the porter has gone on to them
        relay.child.kill('SIGKILL');
        await once(relay.child, 'close');
        await until(() => !lives(pid), `round ${round}`);
        for (const { peer } of ready) await peer.destroy();
        await late.destroy();
      });
  }),
);

test.run();
