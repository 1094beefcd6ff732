// flexim-relay as a process: its address, its log, its signals, its store; and flexim ping against it.
import { once } from 'node:events';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { newIdentity } from '../../src/crypto/identity.ts';
import { HELLO } from '../../src/protocols/flexim/wire.ts';
import { frame, ownUser, withHostile } from '../hostile-relay.ts';
import { dialRelay } from '../relay.ts';
import { ended, failed, RelayProcess, withHome, withRelayProcess } from './program.ts';

const running = suite('cli: flexim-relay');
const FEW_FILES =
  'fewer connections than --connections: the limit of open files is too low; ' +
  'raise it (LimitNOFILE= of systemd, or ulimit -n) to 64 more than --connections';

running(
  'the address alone on stdout, ready to be dialled; JSON lines on stderr; private files',
  withHome((home) =>
    withRelayProcess(home, ['--name', 'the relay', '--connections', '50'], async (relay) => {
      assert.match(relay.address, /^flexim:\/\/127\.0\.0\.1:\d+\?relay=[0-9a-f]{64}$/);
      const link = await dialRelay(relay.port, { relayKey: relay.key });
      assert.is(link.relay.name, 'the relay');
      await link.close();
      await relay.logged('reachable from this machine only; to let others in: --host 0.0.0.0');
      const { code, stdout } = await relay.stop();
      assert.is(code, 0);
      assert.is(stdout, `${relay.address}\n`);
      const messages = relay.log.map(({ msg }) => msg);
      for (const msg of ['made a new key', 'listening', 'stopping', 'stopped'])
        assert.ok(messages.includes(msg), msg);
      assert.ok(relay.log.every(({ level }) => level === 30));
      const data = home.file('data', 'flexim');
      for (const name of readdirSync(data, { recursive: true, encoding: 'utf8' }))
        assert.is(statSync(home.file('data', 'flexim', name)).mode & 0o077, 0, name);
    }),
  ),
);

running(
  'the log says nothing about clients: no address, no key, no name, no content',
  withHome((home) =>
    withRelayProcess(home, [], async (relay) => {
      const [a, b] = [newIdentity(), newIdentity()];
      const from = await dialRelay(relay.port, { identity: a, alias: 'alias-of-a' });
      const to = await dialRelay(relay.port, { identity: b });
      from.send(b.hex, Buffer.from('what nobody may read'));
      from.send('somebody-unknown', Buffer.from('what nobody may read'));
      for await (const _ of to.deliveries()) break;
      await from.directory?.find('alias-of-b');
      const stranger = createConnection({ host: '127.0.0.1', port: relay.port });
      stranger.on('error', () => {});
      stranger.end('GET / HTTP/1.1\r\n\r\n');
      await new Promise((resolve) => stranger.on('close', resolve));
      await dialRelay(relay.port, { identity: a }).then((newer) => newer.close());
      await Promise.all([from.close(), to.close()]);
      await relay.stop();
      const about = relay.log.filter(({ msg }) => msg !== 'listening');
      assert.ok(about.length > 0);
      const text = JSON.stringify(about);
      for (const secret of [
        '127.0.0.1',
        '::1',
        a.hex,
        b.hex,
        'alias-of',
        'nobody may',
        'somebody-unknown',
      ])
        assert.not.ok(text.includes(secret), `${secret}: ${text}`);
      const { drops } = await relay.logged('stopped');
      assert.is((drops as Record<string, number>)['no-hello'], 1);
    }),
  ),
);

running(
  'its key and its users outlive it; the key can be had for messages by nobody else',
  withHome(async (home) => {
    const user = newIdentity();
    let key = '';
    await withRelayProcess(home, [], async (relay) => {
      key = relay.key;
      await (await dialRelay(relay.port, { identity: user, alias: 'me' })).close();
      await relay.stop();
    });
    await withRelayProcess(home, [], async (relay) => {
      assert.is(relay.key, key);
      await relay.logged('using the key');
      const link = await dialRelay(relay.port);
      assert.is((await link.directory?.find('me'))?.key, user.hex);
      await link.close();
    });
    assert.is(await home.ok(['keys']), '', 'the relay key is no identity');
  }),
);

running(
  'one data directory, one relay: the second names the first; after kill -9 it may',
  withHome((home) =>
    withRelayProcess(home, [], async (first) => {
      const refused = failed(
        await new RelayProcess(home).ended,
        [75, 'store-busy'],
        'flexim-relay',
      );
      assert.match(refused, new RegExp(`in use by process ${first.child.pid};`));
      await (await dialRelay(first.port)).close(); // which is not disturbed
      assert.is((await first.stop('SIGKILL')).signal, 'SIGKILL');
      await withRelayProcess(home, [], async (next) => {
        assert.is(next.key, first.key);
        await (await dialRelay(next.port)).close();
      });
    }),
  ),
);

running(
  'what keeps it from starting is one line each: port, host, directories, settings',
  withHome(async (home) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    writeFileSync(home.file('file'), '');
    writeFileSync(home.file('bad.toml'), 'prot = 1\n');
    const file = home.file('file');
    const tries = [
      [['--port', `${port}`], [75, 'port-in-use'], new RegExp(`port ${port} .*--port`)],
      [['--host', '192.0.2.1'], [78, 'port-refused'], /no such address/],
      [['--data', file], [74, 'store-unusable'], /no directory.*--data/],
      [['--data', `${file}/x`], [74, 'store-unusable'], /no directory/],
      [['--data', '/proc/none'], [74, 'store-unusable'], /cannot open the store \/proc\/none/],
      [['--keys', file], [78, 'keys-directory'], /no directory/],
      [['--config', home.file('bad.toml')], [78, 'config-invalid'], /no setting 'prot'/],
      [['--config', home.file('none')], [78, 'config-invalid'], /cannot be read/],
    ] as const;
    try {
      await Promise.all(
        tries.map(async ([args, wanted, words], i) => {
          const own = ['--keys', home.file(`k${i}`), '--data', home.file(`d${i}`)];
          const given = args as readonly string[];
          const rest = own.filter((_, at) => !given.includes(own[at - (at % 2)] ?? ''));
          const result = await ended(home.start('flexim-relay', [...rest, ...given]));
          const last = { ...result, stderr: result.stderr.split('\n').at(-2) ?? '' };
          assert.match(failed(last, wanted, 'flexim-relay'), words);
        }),
      );
    } finally {
      taken.close();
    }
  }),
);

running(
  'few file descriptors: fewer connections, said at the start; those who are in go on, others are reset',
  withHome(async (home) => {
    const relay = new RelayProcess(home, [], { files: 64 });
    const sockets: Socket[] = [];
    try {
      await relay.ready();
      const { connections } = await relay.logged(FEW_FILES);
      assert.is(connections, 32);
      const link = await dialRelay(relay.port);
      let resets = 0;
      for (let i = 0; i < 100; i++) {
        const socket = createConnection({ host: '127.0.0.1', port: relay.port });
        sockets.push(socket);
        socket.on('error', () => resets++);
      }
      const said = await relay.logged('connections were reset: --connections are open');
      assert.is(said.reason, 'connections-full');
      await link.ping();
      while (resets < 69) await new Promise((resolve) => setImmediate(resolve));
      await link.ping();
      for (const socket of sockets) socket.destroy();
      let again: Awaited<ReturnType<typeof dialRelay>> | null = null;
      while (!again) again = await dialRelay(relay.port).catch(() => null);
      await again.close();
      await link.close();
      assert.is((await relay.stop()).code, 0);
    } finally {
      for (const socket of sockets) socket.destroy();
      relay.child.kill('SIGKILL');
    }
  }),
);

running('a pid that was given out again is not the process that had it', async () => {
  const parent = process.ppid;
  assert.is(isAlive(thisProcess()), true);
  assert.is(isAlive({ pid: process.pid, started: 'before' }), false);
  assert.is(isAlive({ pid: parent, started: 'before' }), false);
  assert.is(isAlive({ pid: parent, started: '' }), true);
});

running.run();

const signals = suite('cli: signals of flexim-relay');

signals(
  'SIGTERM: clients are told, what is theirs arrives, exit 0',
  withHome((home) =>
    withRelayProcess(home, [], async (relay) => {
      const link = await dialRelay(relay.port);
      link.send(link.self.key, Buffer.from('last words'));
      await link.ping();
      const { code } = await relay.stop();
      assert.is(code, 0);
      const error = await link.closed;
      assert.is(error?.code, 'relay-stopping');
      const envelopes: string[] = [];
      for await (const { envelope } of link.deliveries())
        envelopes.push(Buffer.from(envelope).toString());
      assert.equal(envelopes, ['last words']);
    }),
  ),
);

signals(
  'a second SIGTERM ends it at once, with exit 1',
  withHome((home) =>
    withRelayProcess(home, [], async (relay) => {
      // Somebody who is told to go, and does not.
      const stayer = createConnection({ host: '127.0.0.1', port: relay.port, allowHalfOpen: true });
      stayer.on('error', () => {});
      stayer.write(HELLO);
      await once(stayer, 'data');
      relay.child.kill('SIGTERM');
      await relay.logged('stopping');
      const { code, signal } = await relay.stop();
      assert.equal([code, signal], [1, null]);
      stayer.destroy();
    }),
  ),
);

signals(
  'two signals in one moment end it too, while it writes its last',
  withHome(async (home) => {
    // With a native writer at work a plain exit would wait for it for ever; so each try must end.
    for (let tries = 0; tries < 4; tries++)
      await withRelayProcess(home, [], async (relay) => {
        const ended = once(relay.child, 'close');
        relay.child.kill('SIGTERM');
        relay.child.kill(tries % 2 ? 'SIGINT' : 'SIGTERM');
        await ended;
      });
  }),
);

signals(
  'SIGHUP reads the settings again; a broken file changes nothing',
  withHome(async (home) => {
    home.configure('relay.toml', 'name = "before"\nroster = "listed"\n');
    await withRelayProcess(home, [], async (relay) => {
      const name = async () => {
        const link = await dialRelay(relay.port);
        await link.close();
        return link.relay.name;
      };
      assert.is(await name(), 'before');
      home.configure('relay.toml', 'name = "after"\nroster = "none"\n');
      relay.child.kill('SIGHUP');
      const { roster } = await relay.logged('read the settings again');
      assert.is(roster, 'none');
      assert.is(await name(), 'after');
      home.configure('relay.toml', 'name = "broken"\nnmae = ""\n');
      relay.child.kill('SIGHUP');
      await hasLogged(relay, /the settings stay as they were: .*no setting 'nmae'/);
      assert.is(await name(), 'after');
      home.configure('relay.toml', 'log-level = "silent"\n');
      relay.child.kill('SIGHUP');
      home.configure('relay.toml', 'name = "quiet"\nlog-level = "silent"\n');
      relay.child.kill('SIGHUP');
      const { stderr } = await relay.stop();
      assert.not.match(stderr, /"stopped"/);
    });
  }),
);

signals(
  'SIGHUP changes limits of a running relay, and says which count later',
  withHome(async (home) => {
    home.configure('relay.toml', 'commands-per-second = 1\ncommands-burst = 1\n');
    await withRelayProcess(home, [], async (relay) => {
      const link = await dialRelay(relay.port);
      const pings = () => Promise.allSettled([link.ping(), link.ping(), link.ping()]);
      const refused = (await pings()).filter(({ status }) => status === 'rejected');
      assert.ok(refused.length > 0);
      home.configure('relay.toml', 'commands-per-second = 0\nhello-timeout = "3s"\n');
      relay.child.kill('SIGHUP');
      const { limits } = await relay.logged('read the settings again');
      assert.equal(limits, { commandsPerSecond: 0, commandsBurst: 500 });
      const { options } = await relay.logged('these count from the next start only');
      assert.equal(options, ['hello-timeout']);
      assert.ok((await pings()).every(({ status }) => status === 'fulfilled'));
      await link.close();
    });
  }),
);

async function hasLogged(relay: RelayProcess, words: RegExp): Promise<void> {
  while (!words.test(relay.stderr)) await once(relay.child.stderr as NodeJS.ReadableStream, 'data');
}

signals(
  'it outlives the readers of its address and of its log',
  withHome(async (home) => {
    const relay = new RelayProcess(home);
    try {
      await relay.ready();
      relay.child.stdout?.destroy();
      relay.child.stderr?.destroy();
      relay.child.kill('SIGHUP'); // which has something to say
      await (await dialRelay(relay.port)).close();
      relay.child.kill('SIGHUP');
      await (await dialRelay(relay.port)).close();
      assert.is((await relay.stop()).code, 0);
    } finally {
      relay.child.kill('SIGKILL');
    }
  }),
);

signals.run();

const pinging = suite('cli: ping');

pinging(
  'says whom it reached, as lines and as JSON; first contact pins and claims the name',
  withHome((home) =>
    withRelayProcess(home, ['--name', 'here'], async (relay) => {
      const key = (await home.ok(['keygen', 'alice'])).trimEnd();
      const place = `127.0.0.1:${relay.port}`;
      const first = await home.run(['ping', place]);
      assert.is(first.code, 0, first.stderr);
      assert.match(first.stderr, /First contact/);
      const rows = first.stdout.trimEnd().split('\n');
      assert.equal(rows.slice(0, 5), [
        'relay       here',
        `key         ${relay.key}`,
        `address     ${relay.address}`,
        'transport   flexim over TCP',
        `you         ${key} (alice)`,
      ]);
      assert.match(rows[5] ?? '', /^login {7}[\d.]+ ms$/);
      assert.match(rows[6] ?? '', /^round trip {2}[\d.]+ ms at best, [\d.]+ ms on average of 3$/);
      assert.is(await home.ok(['relays']), `${place}  ${relay.key}\n`);
      const env = { FLEXIM_RELAY: place };
      const again = await home.run(['ping', '--json', '--count', '2'], { env });
      assert.not.match(again.stderr, /First contact/);
      const { loginMs, roundTripMs, ...rest } = JSON.parse(again.stdout);
      assert.ok(loginMs > 0);
      assert.is(roundTripMs.length, 2);
      const { address } = relay;
      assert.equal(rest, {
        relay: { name: 'here', key: relay.key, address, firstContact: false },
        transport: 'flexim',
        self: { key, aliases: ['alice'] },
      });
    }),
  ),
);

pinging(
  'an alias that somebody else has is told; --no-alias claims none',
  withHome((home) =>
    withRelayProcess(home, [], async (relay) => {
      await (await dialRelay(relay.port, { alias: 'alice' })).close();
      await home.ok(['keygen', 'alice']);
      const { code, stderr, stdout } = await home.run(['ping', relay.address]);
      assert.is(code, 0);
      assert.match(stderr, /no alias on this relay: 'alice' may belong to somebody else/);
      assert.match(stdout, /^you {9}[0-9a-f]{64}$/m);
      await home.ok(['keygen', 'bob']);
      const silent = await home.run(['ping', relay.address, '--as', 'bob', '--no-alias']);
      assert.is(silent.code, 0);
      assert.not.match(silent.stderr, /alias/);
    }),
  ),
);

pinging(
  'a relay that is another one now: 77, told how to accept it, and then accepted',
  withHome((home) =>
    withHostile({}, async ({ port, hex }) => {
      await home.ok(['keygen', 'alice']);
      const place = `127.0.0.1:${port}`;
      await home.ok(['relays', 'trust', `${place}?relay=${'ab'.repeat(32)}`]);
      const said = await home.fails(['ping', place], [77, 'relay-key-changed']);
      const command = /flexim (relays trust) "([^"]+)"/.exec(said);
      assert.is(command?.[2], `flexim://${place}?relay=${hex}`);
      await home.ok(['relays', 'trust', command?.[2] ?? '']);
      await home.ok(['ping', place]);
    }),
  ),
);

pinging(
  'relays that fail: unreachable 69, impostor 77, nonsense 76, stopping 75',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    await home.fails(['ping', '127.0.0.1:1'], [69, 'relay-unreachable']);
    await home.fails(['ping', 'flexim://x?transport=carrier-pigeon'], [64, 'bad-address']);
    const against = async (
      steps: Parameters<typeof withHostile>[0],
      wanted: readonly [number, string],
    ) => {
      await withHostile(steps, async ({ port }) => {
        await home.fails(['ping', `127.0.0.1:${port}`], wanted);
      });
    };
    await Promise.all([
      against({ user: (visit) => frame('User', { ...ownUser(visit), proof: 'x' }) }, [
        77,
        'relay-auth-mismatch',
      ]),
      against({ greeting: () => frame('Roster', { users: [] }) }, [76, 'protocol-violation']),
      against({ auth: () => frame('Status', { status: -7, payload: '5 x' }) }, [
        75,
        'relay-stopping',
      ]),
    ]);
    assert.is(await home.ok(['relays']), '', 'none of them was pinned');
  }),
);

pinging(
  'what a hostile relay calls itself and us cannot move the cursor',
  withHome((home) =>
    withHostile(
      {
        greeting: ({ relay }) => {
          const { publicKey } = relay.identity.exchange;
          return frame('User', { aliases: ['\x1b[2J\u202e'], key: publicKey, last_seen: 0 });
        },
        user: (visit) => frame('User', { ...ownUser(visit), aliases: ['\x9b31m\x07'] }),
      },
      async ({ port }) => {
        await home.ok(['keygen', 'alice']);
        const plain = await home.run(['ping', `127.0.0.1:${port}`]);
        assert.is(plain.code, 0, plain.stderr);
        assert.not.match((plain.stdout + plain.stderr).replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
      },
    ),
  ),
);

pinging.run();
