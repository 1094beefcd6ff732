// flexim-relay --workers: others make its streams of CommStream, and whichever of them dies, nothing is lost
// but connections.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../src/crypto/identity.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { DialOptions, Link } from '../../src/protocols/protocol.ts';
import { childrenNamed, lives } from '../children.ts';
import { memoryPins } from '../relay.ts';
import { until } from '../scene.ts';
import { ended, failed, type RelayProcess, withHome, withRelayProcess } from './program.ts';

const test = suite('cli: workers');

const NO_RATES = ['connects-per-second', 'logins-per-minute', 'new-keys-per-hour'].flatMap(
  (rate) => [`--${rate}`, '0'],
);
const TWO = ['--workers', '2', '--commstream-port', '0'];

interface World {
  readonly relay: RelayProcess;
  /** Where it listens for CommStream. */
  readonly port: number;
  readonly workers: () => readonly number[];
}

const withWorkers = (work: (world: World) => Promise<void>, args = [...NO_RATES, ...TWO]) =>
  withHome((home) =>
    withRelayProcess(home, args, async (relay) => {
      const workers = () => childrenNamed('worker', relay.child.pid as number);
      await work({ relay, port: await relay.secondPort(), workers });
    }),
  );

const dial = (port: number, options: Partial<DialOptions> = {}) =>
  protocols.commstream.dial({
    ...{ host: '127.0.0.1', port, identity: newIdentity(), pins: memoryPins(), reconnect: null },
    ...options,
  });

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
  const link = await dial(port, { identity, reconnect });
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
  withWorkers(async ({ port, relay, workers }) => {
    const all = await Promise.all(Array.from({ length: 6 }, () => somebody(port)));
    assert.equal(
      workers().map((pid) => socketsOf(pid, port)),
      [3, 3],
    );
    assert.is(socketsOf(relay.child.pid as number, port), 0, 'the relay has none');
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
  withWorkers(async ({ relay, port, workers }) => {
    const [alice, bob, carol] = [await somebody(port), await somebody(port), await somebody(port)];
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
  'who comes and goes at once, by an end or a cut, leaves nothing behind',
  withWorkers(async ({ relay, port, workers }) => {
    const before = workers();
    const alice = await somebody(port);
    for (let round = 0; round < 20; round++)
      await Promise.all(
        Array.from(
          { length: 20 },
          (_, n) =>
            new Promise<void>((resolve) => {
              const socket = connect(port, '127.0.0.1', () => {
                if (n % 4 > 1) socket.write(Buffer.alloc(n * 50, 1));
                if (n % 2 === 0) socket.resetAndDestroy();
                else socket.end().resume();
              });
              socket.on('error', () => {});
              socket.on('close', () => resolve());
            }),
        ),
      );
    await until(
      () => workers().reduce((sum, pid) => sum + socketsOf(pid, port), 0) === 1,
      'only she is there',
    );
    assert.equal(workers(), before);
    assert.is(alice.downs(), 0);
    await close(alice);
    const { code } = await relay.stop(); // waits for all who are in
    assert.is(code, 0);
  }),
);

test(
  'all workers are killed: until there are others the relay does it itself',
  withWorkers(async ({ port, workers }) => {
    const alice = await somebody(port);
    for (const pid of workers()) process.kill(pid, 'SIGSTOP'); // so that none is there too soon
    for (const pid of workers()) process.kill(pid, 'SIGKILL');
    await until(() => alice.downs() > 0, 'alice is cut');
    await until(() => alice.isUp(), 'alice is back');
    const bob = await somebody(port);
    alice.link.send(bob.key, Buffer.from('hello'));
    await until(() => bob.got.length === 1, 'hello');
    await until(() => workers().length === 2, 'others');
    await close(alice, bob);
  }),
);

test(
  'a signal to the whole group: the relay stops in good order, and takes its workers with it',
  withWorkers(async ({ relay, port, workers }) => {
    const link = await dial(port);
    const pids = workers();
    process.kill(-(relay.child.pid as number), 'SIGINT');
    assert.ok(await link.closed);
    assert.is((await relay.ended).code, 0);
    await until(() => !pids.some(lives), 'they are gone');
  }),
);

test(
  'the relay is killed: so are its workers, and their users know at once',
  withWorkers(async ({ relay, port, workers }) => {
    const link = await dial(port);
    const pids = workers();
    relay.child.kill('SIGKILL');
    assert.ok(await link.closed);
    await until(() => !pids.some(lives), 'they are gone');
  }),
);

test(
  'a stream is as it would be without them: keys, binding, large and small, and what becomes of strangers',
  withWorkers(async ({ relay, port, workers }) => {
    const [a, b] = [newIdentity(), newIdentity()];
    const [from, to] = [await dial(port, { identity: a }), await dial(port, { identity: b })];
    assert.is(from.relay.key, relay.key);
    assert.equal(
      workers().map((pid) => socketsOf(pid, port)),
      [1, 1],
    );
    const sizes = [1, 100, 8_000, 40_000];
    for (const size of sizes) from.send(b.hex, Buffer.alloc(size, size));
    const got = to.deliveries();
    for (const size of sizes) {
      const { value } = await got.next();
      assert.ok(Buffer.alloc(size, size).equals(value.envelope));
    }
    for (const noise of ['GET / HTTP/1.1\r\n\r\n', Buffer.alloc(5_000, 1)]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(noise);
      await new Promise((resolve) => socket.on('close', resolve));
    }
    await Promise.all([from.close(), to.close()]);
    const { stderr } = await relay.stop();
    assert.match(stderr, /"bad-handshake":2/);
  }),
);

test(
  'how often an address may negotiate holds over all of them, and changes with SIGHUP',
  withHome(async (home) => {
    home.configure('relay.toml', 'logins-per-minute = 3\n');
    await withRelayProcess(home, TWO, async (relay) => {
      const port = await relay.secondPort();
      for (let n = 0; n < 3; n++) await (await dial(port)).close();
      try {
        await dial(port);
        assert.unreachable('it may not');
      } catch (error) {
        assert.ok(isFleximError(error), `${error}`);
      }
      home.configure('relay.toml', 'logins-per-minute = 0\n');
      relay.child.kill('SIGHUP');
      await relay.logged('read the settings again');
      for (let n = 0; n < 5; n++) await (await dial(port)).close();
    });
  }),
);

test(
  'as many as it says, and no more than there may be',
  withHome(async (home) => {
    for (const wrong of ['65', '-1', '1.5', 'many']) {
      const result = await ended(
        home.start('flexim-relay', ['--commstream-port', '0', '--workers', wrong]),
      );
      assert.match(failed(result, [64, 'usage'], 'flexim-relay'), /--workers/);
    }
    const alone = await ended(home.start('flexim-relay', ['--workers', '2']));
    assert.match(failed(alone, [64, 'usage'], 'flexim-relay'), /add --commstream-port/);
  }),
);

test.run();
