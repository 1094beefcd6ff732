// The class CommStream: the seed's interface, over real connections on this machine.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { Inbox, type Received } from '../../../src/protocols/commstream/inbox.ts';
import { CommStream, type CommStreamOptions } from '../../../src/protocols/commstream/stream.ts';
import { count } from '../../count.ts';

const test = suite('CommStream');
const HOST = '127.0.0.1';
const text = ({ message }: Received) => Buffer.from(message).toString();

/** Runs a test with a stream that listens and makers of others; all are closed whatever happens. */
async function together(
  body: (
    listening: CommStream,
    port: number,
    make: (options?: CommStreamOptions) => CommStream,
  ) => Promise<void>,
  options: CommStreamOptions = {},
): Promise<void> {
  const all: CommStream[] = [];
  const make = (of: CommStreamOptions = {}) => {
    const stream = new CommStream(of);
    all.push(stream);
    return stream;
  };
  try {
    const listening = make(options);
    assert.is(await listening.listen(HOST, 0), 'ok');
    await body(listening, listening.address?.port ?? 0, make);
  } finally {
    await Promise.all(all.map((each) => each.close()));
  }
}

/** A server of bare bytes. */
async function bare(accept: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer(accept).listen(0, HOST);
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

test('connect, send both ways, disconnect: what each side receives', () =>
  together(async (server, port, make) => {
    const client = make();
    assert.is(client.connected(), false);
    assert.is(await client.connect(HOST, port), 'ok');
    assert.is(client.connected(), true);
    const came = await server.receive();
    assert.equal([came.kind, came.id, came.scheme], ['connected', 1, 'x25519-xwing-1']);
    assert.is(server.connected(), true);
    assert.is((await client.receive()).kind, 'connected');

    assert.is(await client.send('hello'), 'ok');
    assert.is(await client.send(Uint8Array.of(0, 255)), 'ok');
    assert.is(await client.send(''), 'ok');
    assert.is(text(await server.receive()), 'hello');
    assert.equal([...(await server.receive()).message], [0, 255]);
    const empty = await server.receive();
    assert.equal([empty.kind, empty.id, empty.message.length], ['message', 1, 0]);
    assert.is(await server.send('back'), 'ok');
    const back = await client.receive();
    assert.equal([back.kind, back.id, text(back)], ['message', 0, 'back']);

    assert.is(await client.disconnect(), 'ok');
    const [theirs, ours] = [await server.receive(), await client.receive()];
    assert.equal([theirs.kind, theirs.id, theirs.outcome], ['disconnected', 1, 'ok']);
    assert.equal([ours.kind, ours.id, ours.outcome], ['disconnected', 0, 'ok']);
    assert.equal([(await client.receive()).kind, client.connected()], ['closed', false]);
    assert.is(await client.connect(HOST, port), 'ok', 'it may be used again');
  }));

test('both know the same binding; the client knows the key of the server', () =>
  together(async (server, port, make) => {
    const client = make({ serverKey: server.publicKey });
    assert.is(await client.connect(HOST, port), 'ok');
    await server.receive();
    assert.equal(client.agreement()?.binding, server.agreement(1)?.binding);
    assert.is(toHex(client.agreement()?.serverKey as Uint8Array), toHex(server.publicKey));
    assert.is(server.agreement(7), null);
    assert.not.ok('keys' in (client.agreement() as object));
  }));

test('several clients: to one, to all, and each with an id of its own', () =>
  together(async (server, port, make) => {
    const clients = [make(), make(), make()];
    for (const client of clients) assert.is(await client.connect(HOST, port), 'ok');
    const ids = [];
    for (const _ of clients) ids.push((await server.receive()).id);
    assert.equal(ids, [1, 2, 3]);
    for (const client of clients) await client.receive();
    assert.is(await server.send('only you', { target: 2 }), 'ok');
    assert.is(await server.send('all of you'), 'ok');
    assert.is(text(await (clients[1] as CommStream).receive()), 'only you');
    for (const client of clients) assert.is(text(await client.receive()), 'all of you');
    assert.is(await server.send('nobody', { target: 9 }), 'not-connected');
  }));

test('what cannot be: outcomes, and nothing is thrown', () =>
  together(async (server, port, make) => {
    const alone = make();
    assert.is(await alone.send('x'), 'not-connected');
    assert.is(await alone.disconnect(), 'not-connected');
    assert.is(await alone.disconnect(true), 'not-connected');
    assert.is((await alone.receive()).kind, 'closed');
    for (const wrong of [0, -1, 65_536, 1.5, Number.NaN])
      assert.is(await alone.connect(HOST, wrong), 'refused');
    assert.is(await alone.listen(HOST, 70_000), 'refused');
    assert.is(await alone.listen(HOST, port), 'refused', 'the port is taken');
    assert.is(await server.listen(HOST, 0), 'busy');
    const first = alone.connect(HOST, port);
    assert.is(await alone.connect(HOST, port), 'busy');
    assert.is(await first, 'ok');
    assert.is(await alone.connect(HOST, port), 'busy');
    assert.is(await alone.send(new Uint8Array(1_048_001)), 'message-too-large');
    assert.is(await alone.send('still there'), 'ok');
    await alone.close();
    assert.equal(
      [await alone.connect(HOST, port), await alone.listen(HOST, 0), await alone.send('x')],
      ['closed', 'closed', 'closed'],
    );
    assert.equal((await alone.receive()).kind, 'connected', 'what had come is still there');
    while ((await alone.receive()).kind !== 'closed');
    await alone.close();
  }));

test('nothing listens there: refused', async () => {
  const { port, server } = await bare(() => {});
  server.close();
  await once(server, 'close');
  const stream = new CommStream();
  assert.is(await stream.connect(HOST, port), 'refused');
  await stream.close();
});

test('schemes: what is preferred is used; forced against only plain is unsupported-encryption, on both sides', () =>
  together(async (server, port, make) => {
    const [a, b] = [make(), make()];
    assert.is(a.setEncryptionScheme('rot13'), 'unsupported-encryption');
    assert.is(a.setEncryptionScheme('plain', true), 'unsupported-encryption');
    assert.is(a.setEncryptionScheme('x25519-1', true), 'ok');
    assert.is(await a.connect(HOST, port), 'ok');
    assert.is(a.agreement()?.scheme, 'x25519-1');
    assert.is((await server.receive()).scheme, 'x25519-1');
    b.setEncryptionScheme('plain');
    assert.is(await b.connect(HOST, port), 'ok', 'the server forces, so it is encrypted');
    assert.is(b.agreement()?.scheme, 'x25519-xwing-1');
  }));

test('plain only where both sides said so; never again at a server that was encrypted once', () =>
  together(async (server, port, make) => {
    server.setEncryptionScheme('plain');
    const willing = make();
    willing.setEncryptionScheme('x25519-xwing-1');
    assert.is(await willing.connect(HOST, port), 'ok');
    assert.is(
      willing.agreement()?.scheme,
      'x25519-xwing-1',
      'asked for, and the server accepts it',
    );
    await willing.disconnect();
    willing.setEncryptionScheme('plain');
    assert.is(await willing.connect(HOST, port), 'unsupported-encryption');
    const other = make();
    other.setEncryptionScheme('plain');
    assert.is(await other.connect(HOST, port), 'ok');
    assert.equal([other.agreement()?.scheme, other.agreement()?.serverKey], ['plain', null]);
    const knowing = make({ serverKey: server.publicKey });
    knowing.setEncryptionScheme('plain');
    assert.is(await knowing.connect(HOST, port), 'unsupported-encryption', 'its key is known');
  }));

test('a server with another key: wrong-server-key', () =>
  together(async (server, port, make) => {
    const client = make({ serverKey: exchangePair(randomBytes(32)).publicKey });
    assert.is(await client.connect(HOST, port), 'wrong-server-key');
    assert.equal((await server.receive()).kind, 'refused');
    assert.is(client.connected(), false);
  }));

test('a server with a key of its own keeps it', async () => {
  const keys = exchangePair(randomBytes(32));
  await together(async (server) => assert.equal(server.publicKey, keys.publicKey), { keys });
});

test('who is no CommStream: bad-handshake at both ends, and others are not touched', () =>
  together(async (server, port, make) => {
    const talkers = await bare(
      (socket) => void socket.on('error', () => {}).write('HTTP/1.1 400\r\n\r\n'),
    );
    const client = make();
    assert.is(await client.connect(HOST, talkers.port), 'bad-handshake');
    talkers.server.close();
    const good = make();
    assert.is(await good.connect(HOST, port), 'ok');
    await server.receive();
    const noise = connect({ port, host: HOST }).on('error', () => {});
    noise.write(randomBytes(5_000));
    const refused = await server.receive();
    assert.equal([refused.kind, refused.id, refused.outcome], ['refused', 2, 'bad-handshake']);
    noise.destroy();
    assert.is(await good.send('still here'), 'ok');
    assert.is(text(await server.receive()), 'still here');
  }));

test('who says nothing: timed-out at both ends', () =>
  together(
    async (server, port) => {
      const quiet = await bare((socket) => void socket.on('error', () => {}));
      const client = new CommStream({ timeoutMs: 30 });
      assert.is(await client.connect(HOST, quiet.port), 'timed-out');
      quiet.server.close();
      const silent = connect({ port, host: HOST }).on('error', () => {});
      const refused = await server.receive();
      assert.equal([refused.kind, refused.outcome], ['refused', 'timed-out']);
      silent.destroy();
      await client.close();
    },
    { timeoutMs: 30 },
  ));

/** Between a client and a server, and never reading once it is told so. */
async function between(port: number) {
  const sockets: Socket[] = [];
  let isStopped = false;
  const { port: at, server } = await bare((near) => {
    const far = connect({ port, host: HOST });
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => {
        to.write(chunk);
        if (isStopped) from.pause();
      });
      from.on('error', () => to.destroy());
      from.on('end', () => to.end());
    }
  });
  return {
    port: at,
    stop: () => {
      isStopped = true;
      for (const socket of sockets) socket.pause();
    },
    go: () => {
      isStopped = false;
      for (const socket of sockets) socket.resume();
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('important: a safe disconnect is busy while one is on its way, and it is not interrupted; force does not wait', () =>
  together(async (server, port, make) => {
    const middle = await between(port);
    const client = make();
    assert.is(await client.connect(HOST, middle.port), 'ok');
    await server.receive();
    middle.stop();
    const large = new Uint8Array(1_048_000);
    const sent = Array.from({ length: 16 }, () => client.send(large, { important: true }));
    assert.is(await client.disconnect(), 'busy');
    assert.is(client.connected(), true);
    middle.go();
    assert.equal(new Set(await Promise.all(sent)), new Set(['ok']));
    assert.is(await client.disconnect(), 'ok');
    for (let i = 0; i < sent.length; i++)
      assert.is((await server.receive()).message.length, large.length);
    assert.equal((await server.receive()).outcome, 'ok');

    const hasty = make();
    assert.is(await hasty.connect(HOST, middle.port), 'ok');
    await server.receive();
    middle.stop();
    const lost = Array.from({ length: 16 }, () => hasty.send(large, { important: true }));
    assert.is(await hasty.disconnect(true), 'ok');
    assert.ok((await Promise.all(lost)).includes('not-connected'));
    middle.cut();
    let last = await server.receive();
    while (last.kind === 'message') last = await server.receive();
    assert.equal([last.kind, last.outcome], ['disconnected', 'truncated']);
  }));

test('what is not important is no reason to wait; close lets what is important go out', () =>
  together(async (server, port, make) => {
    const middle = await between(port);
    const client = make();
    await client.connect(HOST, middle.port);
    await server.receive();
    middle.stop();
    const large = new Uint8Array(1_048_000);
    const sent = Array.from({ length: 16 }, () => client.send(large, { important: true }));
    const closed = client.close();
    middle.go();
    await closed;
    assert.equal(new Set(await Promise.all(sent)), new Set(['ok']));
    for (let i = 0; i < sent.length; i++) assert.is((await server.receive()).kind, 'message');
    assert.equal((await server.receive()).outcome, 'ok');
    middle.cut();
  }));

test('a connection that is cut is truncated, and what waits for it fails', () =>
  together(async (server, port, make) => {
    const middle = await between(port);
    const client = make();
    await client.connect(HOST, middle.port);
    await server.receive();
    await client.receive();
    middle.cut();
    const [ours, theirs] = [await client.receive(), await server.receive()];
    assert.equal([ours.kind, ours.outcome], ['disconnected', 'truncated']);
    assert.equal([theirs.kind, theirs.outcome], ['disconnected', 'truncated']);
    assert.is(await client.send('too late'), 'not-connected');
  }));

test('reentrant: many receivers at once, calls out of what is received, many streams side by side', () =>
  together(async (server, port, make) => {
    const many = count(10, 100);
    const echo = (async () => {
      for (;;) {
        const { kind, id, message } = await server.receive();
        if (kind === 'closed') return;
        if (kind === 'message') void server.send(message, { target: id });
      }
    })();
    const clients = Array.from({ length: many }, () => make());
    await Promise.all(
      clients.map(async (client, n) => {
        const waiting = Promise.all(Array.from({ length: 21 }, () => client.receive()));
        assert.is((await waiting)[0]?.kind, 'closed', 'not connected yet');
        assert.is(await client.connect(HOST, port), 'ok');
        const receiving = Promise.all(Array.from({ length: 21 }, () => client.receive()));
        await Promise.all(Array.from({ length: 20 }, (_, i) => client.send(`${n}:${i}`)));
        const [first, ...rest] = await receiving;
        assert.is(first?.kind, 'connected');
        assert.equal(
          rest.map(text),
          Array.from({ length: 20 }, (_, i) => `${n}:${i}`),
        );
        await client.close();
      }),
    );
    await server.close();
    await echo;
  }));

test('close while connecting, and twice', () =>
  together(async (_, port, make) => {
    const client = make();
    const connecting = client.connect(HOST, port);
    await Promise.all([client.close(), client.close()]);
    assert.is(await connecting, 'closed');
    const listener = make();
    const listening = listener.listen(HOST, 0);
    await listener.close();
    assert.is(await listening, 'closed');
    await using gone = new CommStream();
    assert.is(gone.connected(), false);
  }));

test('no more visitors than may be', () =>
  together(
    async (server, port, make) => {
      const [a, b, c] = [
        make({ timeoutMs: 200 }),
        make({ timeoutMs: 200 }),
        make({ timeoutMs: 200 }),
      ];
      assert.equal([await a.connect(HOST, port), await b.connect(HOST, port)], ['ok', 'ok']);
      assert.not.equal(await c.connect(HOST, port), 'ok');
      await a.disconnect();
      let left = await server.receive();
      while (left.kind !== 'disconnected') left = await server.receive();
      assert.is(await c.connect(HOST, port), 'ok');
    },
    { maxVisitors: 2 },
  ));

test('who does not receive is not sent more than he holds: nobody reads for him', () => {
  const said: boolean[] = [];
  const inbox = new Inbox((isFull) => said.push(isFull));
  const item = (n: number): Received => ({
    ...{ kind: 'message', id: 1, outcome: 'ok', scheme: null, message: new Uint8Array(n) },
  });
  for (let i = 0; i < 1_023; i++) inbox.put(item(1));
  assert.equal(said, []);
  inbox.put(item(1));
  assert.equal([said, inbox.isFull], [[true], true]);
  void inbox.take();
  assert.equal([said, inbox.isFull], [[true, false], false]);
  inbox.put(item(4 * 1024 * 1024));
  assert.is(inbox.isFull, true);
});

test('backpressure reaches the sender, and everything arrives in order once somebody receives', () =>
  together(async (server, port, make) => {
    const client = make();
    await client.connect(HOST, port);
    assert.is((await server.receive()).kind, 'connected');
    const most = 40;
    const sent = Array.from({ length: most }, (_, i) => client.send(Buffer.alloc(1_000_000, i)));
    for (let i = 0; i < most; i++) assert.is((await server.receive()).message[0], i);
    await Promise.all(sent);
  }));

test.run();
