// Dialling and listening on real sockets: every way to fail has its words.

import { once } from 'node:events';
import { type AddressInfo, createServer, type ServerOpts, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { reading } from '../../src/lib/blocks.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import type { Channel } from '../../src/net/channel.ts';
import { dialTcp, listenTcp } from '../../src/net/tcp.ts';

const here = { host: '127.0.0.1', port: 0 };
const nobody = {
  accept: () => {},
  isOpen: () => true,
  turnedAway: () => {},
  missed: () => {},
};
const patient = { timeoutMs: 60_000, signal: new AbortController().signal };

const test = suite('tcp');

async function failsWith(work: Promise<unknown>, code: string, words: RegExp): Promise<void> {
  try {
    await work;
  } catch (error) {
    assert.ok(isFleximError(error), String(error));
    assert.is(error.code, code);
    assert.match(error.message, words);
    return;
  }
  assert.unreachable('it did not fail');
}

/** A channel of ours, and the socket at its other end. */
async function plain(options: ServerOpts = {}) {
  const server = createServer(options).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const { port } = server.address() as AddressInfo;
  const channel = await dialTcp({ host: '127.0.0.1', port }, patient);
  const [socket] = (await accepted) as [Socket];
  return { server, channel, socket };
}

test('nothing listens', async () => {
  const listener = await listenTcp(here, nobody);
  await listener.close();
  await failsWith(dialTcp(listener.address, patient), 'relay-unreachable', /nothing listens there/);
});

test('who is gone before anybody has opened his channel is gone when it is opened', async () => {
  const channels: Channel[] = [];
  const listener = await listenTcp(here, {
    ...nobody,
    accept: (channel) => channels.push(channel),
  });
  const came = async () => {
    const mine = await dialTcp(listener.address, patient);
    mine.open({ data() {}, closed() {} });
    while (channels.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return { mine, theirs: channels.pop() as Channel };
  };
  for (const how of ['end', 'reset'] as const) {
    const { mine, theirs } = await came();
    mine[how]();
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
    const told = await new Promise<Error | null>((closed) => theirs.open({ data() {}, closed }));
    assert.is(told !== null, how === 'reset', how);
  }
  await listener.close();
});

test('an unknown host', () =>
  failsWith(
    dialTcp({ host: 'nobody.invalid', port: 1 }, patient),
    'relay-unreachable',
    /nobody\.invalid.*(not known|name service)/,
  ));

test('given up while it dials', async () => {
  const abort = new AbortController();
  // A server whose queue of connections is never taken from would connect all the same; what counts
  // is that an abort before the connection settles it at once.
  const dialling = dialTcp({ host: '127.0.0.1', port: 9 }, { ...patient, signal: abort.signal });
  abort.abort();
  await failsWith(dialling, 'relay-unreachable', /given up/);
});

test('two on one port, and an address that is not ours', async () => {
  const listener = await listenTcp(here, nobody);
  await failsWith(listenTcp(listener.address, nobody), 'port-in-use', /choose another with --port/);
  await listener.close();
  await failsWith(
    listenTcp({ host: '192.0.2.1', port: 0 }, nobody),
    'port-refused',
    /no such address/,
  );
});

test('bytes go both ways, and a reset is a reset', async () => {
  const seen: string[] = [];
  const ended = new Promise<Error | null>((resolve) => {
    const server = createServer((socket) => {
      socket.on('data', (bytes) => {
        seen.push(`${bytes}`);
        socket.write('back');
      });
      socket.on('error', (error) => {
        server.close();
        resolve(error);
      });
    });
    server.listen(0, '127.0.0.1', async () => {
      const address = server.address() as { port: number };
      const channel = await dialTcp({ ...here, port: address.port }, patient);
      channel.open({
        data: (chunk) => {
          seen.push(`${chunk}`);
          channel.reset();
        },
        closed: () => {},
      });
      channel.write(Buffer.from('there'), () => {});
    });
  });
  assert.match(String(await ended), /ECONNRESET/);
  assert.equal(seen, ['there', 'back']);
});

test('a reset behind the end lets go of the socket, too', async () => {
  const sockets = () =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const { server, channel, socket } = await plain({ allowHalfOpen: true });
  const closed = new Promise((resolve) => channel.open({ data: () => {}, closed: resolve }));
  channel.end();
  channel.reset(); // while the end is under way
  await closed;
  socket.destroy();
  await once(server.close(), 'close');
  while (sockets() > 0) await new Promise(setImmediate);
});

for (const who of ['we', 'the other side'])
  test(`what the system never took is not written: ${who} cut a connection that takes nothing`, async () => {
    const { server, channel, socket } = await plain();
    socket.pause();
    socket.on('error', () => {});
    const written: string[] = [];
    const closed = new Promise((resolve) => channel.open({ data: () => {}, closed: resolve }));
    channel.write(Buffer.alloc(64 * 1024 * 1024), () => written.push('under way'));
    if (who === 'we') channel.reset();
    else socket.resetAndDestroy();
    channel.write(Buffer.alloc(1), () => written.push('behind it'));
    await closed;
    channel.write(Buffer.alloc(1), () => written.push('after the end'));
    await new Promise(setImmediate);
    assert.equal(written, []);
    socket.destroy();
    await once(server.close(), 'close');
  });

test('a write that fails ends a channel that is not read from', async () => {
  const { server, channel, socket } = await plain();
  const closed = new Promise<Error | null>((resolve) =>
    channel.open({ data: () => {}, closed: resolve }),
  );
  channel.pause();
  socket.resetAndDestroy();
  await once(socket, 'close');
  const written: number[] = [];
  channel.write(Buffer.alloc(1), () => written.push(1));
  assert.match(String(await closed), /ECONNRESET|EPIPE/);
  assert.equal(written, []);
  await once(server.close(), 'close');
});

test('pieces of any size are told once, in order, behind the call that writes them, and all come before the end', async () => {
  const { server, channel, socket } = await plain({ pauseOnConnect: true });
  const closed = new Promise((resolve) => channel.open({ data: () => {}, closed: resolve }));
  const told: string[] = [];
  let isInside = false;
  const write = (name: string, bytes: number) => {
    isInside = true;
    channel.write(Buffer.alloc(bytes, name), () => told.push(isInside ? `${name} inside` : name));
    isInside = false;
  };
  write('a', 1);
  write('b', 2);
  await new Promise(setImmediate);
  assert.equal(told, ['a', 'b']); // the system took them at once
  write('c', 1);
  write('d', 32 * 1024 * 1024); // more than it takes
  write('e', 1);
  channel.end();
  await new Promise(setImmediate);
  assert.equal(told, ['a', 'b', 'c']);
  const came: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => came.push(bytes)).resume();
  await Promise.all([closed, once(socket, 'end')]);
  assert.equal(told, ['a', 'b', 'c', 'd', 'e']);
  const text = Buffer.concat(came).toString('latin1');
  assert.is(text.length, 32 * 1024 * 1024 + 5);
  assert.ok(/^abbcd+e$/.test(text));
  socket.destroy();
  await once(server.close(), 'close');
});

test('both sides read into the memory that all sockets share', async () => {
  const memories: ArrayBufferLike[] = [];
  const over: Promise<void>[] = [];
  const read = (channel: Channel, answer: Buffer | null) =>
    over.push(
      new Promise((resolve) => {
        channel.open({
          data: (chunk) => {
            memories.push(chunk.buffer);
            if (answer) channel.write(answer, () => channel.end());
          },
          closed: () => resolve(),
        });
      }),
    );
  const accept = (channel: Channel) => void read(channel, Buffer.from('an answer'));
  const listener = await listenTcp(here, { ...nobody, accept });
  const channel = await dialTcp(listener.address, patient);
  read(channel, null);
  channel.write(Buffer.from('hello'), () => {});
  await over[0];
  await Promise.all(over);
  await listener.close();
  assert.is(memories.length, 2);
  // Node has no public way for it: a version that has it no more is to be noticed.
  for (const memory of memories) assert.is(memory, reading.buffer);
});

test.run();
