// flexim-relay --workers: what one process did several do, and whichever of them dies, nothing is lost but
// connections.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../src/crypto/identity.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Link } from '../../src/protocols/protocol.ts';
import { childrenNamed, lives } from '../children.ts';
import { dialRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { ended, failed, type RelayProcess, withHome, withRelayProcess } from './program.ts';

const test = suite('cli: workers');

const NO_RATES = ['connects-per-second', 'logins-per-minute', 'new-keys-per-hour'].flatMap(
  (rate) => [`--${rate}`, '0'],
);
const withWorkers = (
  work: (relay: RelayProcess, workers: () => readonly number[]) => Promise<void>,
  args: readonly string[] = ['--workers', '2'],
) =>
  withHome((home) =>
    withRelayProcess(home, [...NO_RATES, ...args], (relay) =>
      work(relay, () => childrenNamed('worker', relay.child.pid as number)),
    ),
  );

/** Descriptors of a process that are TCP sockets, by the system's own list. */
function socketsOf(pid: number, port: number): number {
  const text = readFileSync(`/proc/${pid}/net/tcp`, 'latin1');
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, at, , state]) => at?.endsWith(local) && state === '01')
    .map((fields) => fields[9]);
  const isOne = (descriptor: string) => {
    try {
      const name = readlinkSync(`/proc/${pid}/fd/${descriptor}`);
      return inodes.includes(/^socket:\[(\d+)\]$/.exec(name)?.[1]);
    } catch {
      return false; // it was closed meanwhile
    }
  };
  return readdirSync(`/proc/${pid}/fd`).filter(isOne).length;
}

/** Somebody who is connected, and what came for him. */
async function somebody(port: number) {
  const identity = newIdentity();
  const reconnect = { minMs: 5, maxMs: 50 };
  const link = await dialRelay(port, { identity, reconnect });
  const got: string[] = [];
  void (async () => {
    for await (const { envelope, done } of link.deliveries()) {
      got.push(Buffer.from(envelope).toString());
      done();
    }
  })();
  let downs = 0;
  let isUp = true;
  void (async () => {
    for await (const { kind } of link.events()) {
      if (kind === 'down') downs++;
      if (kind === 'down' || kind === 'up') isUp = kind === 'up';
    }
  })();
  return { link, got, key: identity.hex, downs: () => downs, isUp: () => isUp };
}

const close = (...all: readonly { readonly link: Link }[]) =>
  Promise.all(all.map(({ link }) => link.close()));

test(
  'the workers have the sockets, as many each, and messages keep their order',
  withWorkers(async ({ port, child }, workers) => {
    const all = await Promise.all(Array.from({ length: 6 }, () => somebody(port)));
    assert.equal(
      workers().map((pid) => socketsOf(pid, port)),
      [3, 3],
    );
    assert.is(socketsOf(child.pid as number, port), 0, 'the relay has none');
    const numbers = Array.from({ length: 200 }, (_, n) => `${n}`);
    for (const from of all)
      for (const to of all)
        if (from !== to) for (const n of numbers) from.link.send(to.key, Buffer.from(n));
    for (const { got } of all) await until(() => got.length >= 5 * numbers.length, 'all of it');
    for (const { got } of all) {
      assert.is(got.length, 5 * numbers.length);
      for (const n of numbers) assert.is(got.filter((each) => each === n).length, 5);
      const last = got.lastIndexOf('199');
      assert.is(last, got.length - 1, 'in order');
    }
    await close(...all);
    await until(() => workers().every((pid) => socketsOf(pid, port) === 0), 'they are closed');
  }),
);

test(
  'a worker is killed: its users come back, the others notice nothing, and nothing is lost',
  withWorkers(async (relay, workers) => {
    const [alice, bob, carol] = [
      await somebody(relay.port),
      await somebody(relay.port),
      await somebody(relay.port),
    ];
    const before = workers();
    const said: string[] = [];
    const say = (n: number) => {
      for (let i = 0; i < 50; i++) {
        said.push(`${n}.${i}`);
        carol.link.send(bob.key, Buffer.from(`${n}.${i}`));
      }
    };
    const [first = 0, second = 0] = before;
    say(0);
    process.kill(second, 'SIGKILL'); // bob's: they were given out in turn
    await until(() => bob.downs() === 1, 'bob is cut');
    say(1);
    await until(() => bob.isUp(), 'bob is back');
    say(2);
    await until(() => bob.got.length >= said.length, 'all of it');
    assert.equal([...new Set(bob.got)].sort(), [...said].sort());
    assert.equal([alice.downs(), carol.downs()], [0, 0]);
    await relay.logged('a worker died with its connections; another one takes its place');
    await until(() => workers().length === 2 && !workers().includes(second), 'another one');
    assert.ok(workers().includes(first));
    await close(alice, bob, carol);
  }),
);

test(
  'all workers are killed: until there are others the relay does it itself',
  withWorkers(async (relay, workers) => {
    const alice = await somebody(relay.port);
    for (const pid of workers()) process.kill(pid, 'SIGSTOP'); // so that none is there too soon
    for (const pid of workers()) process.kill(pid, 'SIGKILL');
    await until(() => alice.downs() > 0, 'alice is cut');
    await until(() => alice.isUp(), 'alice is back');
    const bob = await somebody(relay.port);
    alice.link.send(bob.key, Buffer.from('hello'));
    await until(() => bob.got.length === 1, 'hello');
    await until(() => workers().length === 2, 'others');
    await close(alice, bob);
  }),
);

test(
  'a signal to the whole group: the relay stops in good order, and takes its workers with it',
  withWorkers(async (relay, workers) => {
    const link = await dialRelay(relay.port);
    const pids = workers();
    process.kill(-(relay.child.pid as number), 'SIGINT');
    assert.ok(await link.closed);
    assert.is((await relay.ended).code, 0);
    await until(() => !pids.some(lives), 'they are gone');
  }),
);

test(
  'the relay is killed: so are its workers, and their users know at once',
  withWorkers(async (relay, workers) => {
    const link = await dialRelay(relay.port);
    const pids = workers();
    relay.child.kill('SIGKILL');
    assert.ok(await link.closed);
    await until(() => !pids.some(lives), 'they are gone');
  }),
);

test(
  'CommStream goes by them, too',
  withWorkers(
    async (relay, workers) => {
      const logged = await relay.logged('listening for CommStream');
      const port = Number(logged.port);
      const pins = { get: () => null, add: async (_: unknown, hex: string) => hex };
      const [a, b] = [newIdentity(), newIdentity()];
      const dial = (identity: typeof a) =>
        protocols.commstream.dial({ host: '127.0.0.1', port, identity, pins, reconnect: null });
      const [from, to] = [await dial(a), await dial(b)];
      assert.equal(
        workers().map((pid) => socketsOf(pid, port)),
        [1, 1],
      );
      const large = Buffer.alloc(40_000, 7);
      from.send(b.hex, large);
      for await (const { envelope } of to.deliveries()) {
        assert.ok(large.equals(envelope));
        break;
      }
      await Promise.all([from.close(), to.close()]);
    },
    ['--workers', '2', '--commstream-port', '0'],
  ),
);

test(
  'as many as it says, and no more than there may be',
  withHome(async (home) => {
    for (const wrong of ['65', '-1', '1.5', 'many']) {
      const result = await ended(home.start('flexim-relay', ['--workers', wrong]));
      assert.match(failed(result, [64, 'usage'], 'flexim-relay'), /--workers/);
    }
  }),
);

test.run();
