// CommStream from the command line: a relay with two ways in, people who come by either, and the netcat.

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Home, RelayProcess, withHome, withRelayProcess } from './program.ts';
import { objects, Running } from './two.ts';

const FREE = ['--commstream-port', '0'];

/** The second address that a relay has printed. */
async function secured(
  relay: RelayProcess,
): Promise<{ port: number; address: string; key: string }> {
  const { port } = await relay.logged('listening for CommStream');
  const key = /relay=([0-9a-f]{64})/.exec(relay.address)?.[1] ?? '';
  const address = `flexim://127.0.0.1:${port}?relay=${key}&transport=commstream`;
  return { port: Number(port), key, address };
}

function withWays(test: (home: Home, relay: RelayProcess) => Promise<void>, args: string[] = []) {
  return withHome((home) =>
    withRelayProcess(home, [...FREE, ...args], async (relay) => test(home, relay)),
  );
}

const relaying = suite('cli: a relay by CommStream');

relaying(
  'two people, one by each way; the way is remembered with the relay, and stands in the address',
  withWays(async (home, relay) => {
    const { address, port, key } = await secured(relay);
    const alice = (await home.ok(['keygen', 'alice'])).trim();
    await home.ok(['keygen', 'bob']);
    const as = (who: string, ...args: string[]) => ['--as', who, ...args];
    await home.ok(as('bob', 'status', '--relay', `127.0.0.1:${relay.port}`));
    await home.ok(as('alice', 'send', 'bob', 'by commstream', '--relay', address));
    const [got] = objects(await home.ok(as('bob', 'receive', '--json')));
    assert.equal([got?.text, got?.peer], ['by commstream', alice]);
    await home.ok(as('bob', 'send', alice, 'back'));
    const [back] = objects(await home.ok(as('alice', 'receive', '--json')));
    assert.is(back?.text, 'back');
    const [status] = objects(await home.ok(as('alice', 'status', '--json')));
    assert.equal(status?.relay, { name: 'flexim relay', key, address });
    assert.match(await home.ok(as('alice', 'whoami')), /&transport=commstream#/);
    assert.match(await home.ok(as('alice', 'relays')), new RegExp(`127.0.0.1:${port}  ${key}`));
    const doctor = objects(await home.ok(as('alice', 'doctor', '--json')));
    assert.equal(new Set(doctor.map(({ state }) => state)), new Set(['ok']));
    const ping = await home.ok(as('alice', 'ping'));
    assert.match(ping, /^transport {3}commstream over TCP$/m);
  }),
);

relaying(
  '--transport chooses, with or without a port; who says two things is told',
  withWays(async (home, relay) => {
    const { port, address } = await secured(relay);
    await home.ok(['keygen', 'alice']);
    const place = `127.0.0.1:${port}`;
    const [ping] = objects(await home.ok(['ping', place, '--transport', 'commstream', '--json']));
    assert.is(ping?.transport, 'commstream');
    await home.fails(['ping', address, '--transport', 'flexim'], [64, 'usage']);
    await home.fails(['ping', place, '--transport', 'pigeon'], [64, 'usage']);
    const unnamed = await home.fails(
      ['ping', '127.0.0.1', '--transport', 'commstream'],
      [69, 'relay-unreachable'],
    );
    assert.match(unnamed, /port 4322/);
    await home.fails(
      ['ping', `127.0.0.1:${relay.port}`, '--transport', 'commstream'],
      [76, 'bad-handshake'],
    );
    await home.fails(['ping', place], [69, 'connection-lost']);
  }),
);

relaying(
  'another key than the pinned one, and plain where a key is known, are refused',
  withWays(
    async (home, relay) => {
      const { port, key } = await secured(relay);
      await home.ok(['keygen', 'alice']);
      const place = `127.0.0.1:${port}`;
      const by = ['--transport', 'commstream'];
      await home.ok(['ping', place, ...by]);
      const other = 'ab'.repeat(32);
      await home.ok(['relays', 'trust', `flexim://${place}?relay=${other}`]);
      await home.fails(['ping', place, ...by], [77, 'relay-key-changed']);
      await home.fails(['ping', place, ...by, '--insecure-plaintext'], [77, 'relay-key-changed']);
      await home.ok(['relays', 'trust', `flexim://${place}?relay=${key}`]);
      await home.ok(['ping', place, ...by, '--insecure-plaintext']);
      await relay.logged('clients of CommStream may do without encryption (--insecure-plaintext)');
    },
    ['--insecure-plaintext'],
  ),
);

relaying(
  'a guest who wants another way than the owner has is told',
  withWays(async (home, relay) => {
    const { port } = await secured(relay);
    await home.ok(['keygen', 'alice']);
    const bare = ['--relay', `127.0.0.1:${relay.port}`];
    const owner = new Running(
      home.start('flexim', ['receive', '--follow', ...bare], {
        isOpen: true,
      }),
    );
    for (;;) {
      const [status] = objects((await home.run(['status', '--json', ...bare])).stdout);
      if (status?.relay) break;
    }
    const wants = ['status', '--transport', 'commstream'];
    assert.match(await home.fails(wants, [67, 'other-relay']), /connected by flexim/);
    await home.fails([...wants, '--relay', `127.0.0.1:${port}`], [67, 'other-relay']);
    await owner.end();
  }),
);

relaying(
  'the limits of the door hold for both ways together',
  withWays(
    async (home, relay) => {
      const { address } = await secured(relay);
      await home.ok(['keygen', 'alice']);
      const taken = connect({ port: relay.port, host: '127.0.0.1' }).on('error', () => {});
      await once(taken, 'connect');
      const { code } = await home.run(['ping', address]);
      assert.ok(code === 69 || code === 76, `${code}: cut before or while it was negotiated`);
      taken.destroy();
      const { stderr } = await relay.stop();
      assert.match(stderr, /"address-full":[1-9]/);
    },
    ['--connections-per-address', '1'],
  ),
);

relaying(
  'ports that cannot be: the same twice, one that is taken',
  withHome(async (home) => {
    const same = await new RelayProcess(home, ['--port', '45999', '--commstream-port', '45999'])
      .ended;
    assert.is(same.code, 64);
    assert.match(same.stderr, /must differ \[usage\]/);
    await withRelayProcess(home, FREE, async (relay) => {
      const { port } = await secured(relay);
      const args = ['--commstream-port', String(port), '--data', home.file('other')];
      const second = await new RelayProcess(home, args).ended;
      assert.is(second.code, 75);
      assert.match(second.stderr, /\[port-in-use\]/);
    });
  }),
);

relaying.run();

const netcat = suite('cli: commstream');

/** What a program says, as far as it has. */
class Said {
  text = '';
  #wake: () => void = () => {};

  constructor(stream: Readable | null) {
    stream?.setEncoding('latin1').on('data', (text: string) => {
      this.text += text;
      this.#wake();
    });
    stream?.on('close', () => this.#wake());
  }

  async has(what: RegExp): Promise<string> {
    while (!what.test(this.text))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return what.exec(this.text)?.[0] ?? '';
  }
}

function talker(home: Home, args: readonly string[]) {
  const child = home.start('flexim', ['commstream', ...args], { isOpen: true });
  const ended = once(child, 'close').then(([code]) => code as number);
  return { child, ended, out: new Said(child.stdout), said: new Said(child.stderr) };
}

/** One that listens, and the address that it gave. */
async function listening(home: Home) {
  const made = talker(home, ['--listen', '0']);
  return { ...made, address: await made.said.has(/flexim:\S+(?=\n)/) };
}

netcat(
  'lines go both ways, bytes as they are; the scheme is said; both end with the last word',
  withHome(async (home) => {
    const server = await listening(home);
    const client = talker(home, [server.address]);
    client.child.stdin?.write('one\n\nthree ');
    await client.said.has(/^connected, encrypted: x25519-xwing-1, server key [0-9a-f]{64}\n/m);
    client.child.stdin?.write(Buffer.from([0, 0xff, 10]));
    server.child.stdin?.write('from the server\n');
    await client.out.has(/^from the server\n$/);
    client.child.stdin?.end('last, without a break');
    assert.equal([await client.ended, await server.ended], [0, 0]);
    assert.is(client.out.text, 'from the server\n');
    assert.is(server.out.text, 'one\n\nthree \0\xff\nlast, without a break\n');
    assert.match(server.said.text, /visitor 1 is here, encrypted: x25519-xwing-1\n/);
  }),
);

netcat(
  'another key, another scheme, nobody there, something else there',
  withHome(async (home) => {
    const server = await listening(home);
    const wrong = server.address.replace(/relay=.{8}/, 'relay=00000000');
    await home.fails(['commstream', wrong], [77, 'relay-key-changed']);
    const classical = ['commstream', server.address, '--scheme', 'x25519-1'];
    assert.is(await home.ok(classical, { input: 'x\n' }), '');
    assert.is(await server.ended, 0);
    assert.match(server.said.text, /encrypted: x25519-1\n/);
    await home.fails(['commstream', '127.0.0.1:1'], [69, 'relay-unreachable']);
    await home.fails(['commstream'], [64, 'usage']);
    for (const wrong of ['here', '65536', '127.0.0.1:1', '-1'])
      await home.fails(['commstream', `--listen=${wrong}`], [64, 'usage']);
    await home.fails(['commstream', 'h:1', '--listen', '0'], [64, 'usage']);
    await home.fails(['commstream', 'h:1', '--scheme', 'plain'], [64, 'usage']);
  }),
);

netcat(
  'a server that is killed is truncated for its client',
  withHome(async (home) => {
    const server = await listening(home);
    const client = talker(home, [server.address]);
    await client.said.has(/connected/);
    await server.said.has(/visitor 1/);
    server.child.kill('SIGKILL');
    assert.is(await client.ended, 69);
    assert.match(client.said.text, /\[truncated\]/);
  }),
);

netcat.run();
