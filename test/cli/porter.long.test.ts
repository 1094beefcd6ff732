// The porter: another process lets people in, dies, and is replaced, and who is inside notices nothing.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { getPriority } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PorterDoor } from '../../src/cli/porter/door.ts';
import { newIdentity } from '../../src/crypto/identity.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { type Log, silent } from '../../src/lib/log.ts';
import type { Channel } from '../../src/net/channel.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/relay/limits.ts';
import { childrenNamed, childrenOf, lives } from '../children.ts';
import { dialRelay } from '../relay.ts';
import { until } from '../scene.ts';
import { withHome, withRelayProcess } from './program.ts';

const HERE = { host: '127.0.0.1', port: 0 };
const FREE: Limits = { ...DEFAULT_LIMITS, connectionsPerAddress: 0, connectsPerSecond: 0 };

interface Inside {
  readonly channel: Channel;
  text: string;
  isOver: boolean;
}

/** A door with a porter, and all who came in by it. */
async function house(limits: Partial<Limits> = {}) {
  const lines: string[] = [];
  const say = (_: object, message: string) => lines.push(message);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const door = new PorterDoor({ limits: { ...FREE, ...limits }, log });
  const shut: Record<string, number> = {};
  door.shut = (reason, times = 1) => {
    shut[reason] = (shut[reason] ?? 0) + times;
  };
  const inside: Inside[] = [];
  const listener = await door.open(HERE, (channel) => {
    const one: Inside = { channel, text: '', isOver: false };
    inside.push(one);
    channel.open({
      data: (chunk) => {
        one.text += chunk;
        channel.write(Buffer.from(`got ${chunk}`), () => {});
      },
      closed: () => {
        one.isOver = true;
        door.left(channel.remote);
      },
    });
  });
  const { port } = listener.address;
  const sockets: Socket[] = [];
  const come = async (text: string) => {
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.push(socket);
    socket.on('error', () => {});
    let heard = '';
    let isOver = false;
    socket.setEncoding('utf8').on('data', (chunk) => (heard += chunk));
    socket.on('close', () => {
      isOver = true;
    });
    socket.write(text);
    await until(() => heard.includes(`got ${text}`) || isOver, text);
    return { socket, isIn: !isOver, heard: () => heard };
  };
  const end = () => {
    door.end();
    for (const { channel } of inside) channel.reset();
    for (const socket of sockets) socket.destroy();
  };
  return { door, lines, shut, inside, listener, port, come, end };
}

const kill = (door: PorterDoor) => process.kill(door.pid as number, 'SIGKILL');

const porter = suite('cli: the porter');

porter('who comes in is handed over, with what was sent before and after', async () => {
  const { come, inside, end, listener } = await house();
  const one = await come('hello');
  one.socket.write('and more');
  await until(() => inside[0]?.text === 'helloand more', 'the rest');
  assert.is(inside[0]?.channel.remote, '127.0.0.1');
  one.socket.end();
  await until(() => inside[0]?.isOver === true, 'its end');
  await listener.close();
  end();
});

porter('limits hold in the other process: counted when they go, changed at run time', async () => {
  const { come, door, shut, end } = await house({ connectionsPerAddress: 2 });
  const first = await come('a');
  assert.ok((await come('b')).isIn);
  assert.not.ok((await come('c')).isIn);
  await until(() => shut['address-full'] === 1, 'it is counted');
  first.socket.destroy();
  for (let isIn = false; !isIn; ) ({ isIn } = await come('d')); // as soon as it is known
  door.limits({ ...FREE, connectionsPerAddress: 3 });
  for (let isIn = false; !isIn; ) ({ isIn } = await come('e'));
  assert.not.ok((await come('f')).isIn);
  end();
});

porter('it dies: who is in stays in and is counted, and others come in again', async () => {
  const { come, door, shut, inside, lines, end } = await house({ connectionsPerAddress: 3 });
  const one = await come('a');
  await come('b');
  const before = door.pid;
  kill(door);
  await until(() => lines.includes('listening again'), 'another one');
  assert.is.not(door.pid, before);
  assert.ok(lines.includes('the process at the door died; another one takes its place'));
  one.socket.write('still here');
  await until(() => inside[0]?.text === 'astill here', 'the old connection');
  assert.ok((await come('c')).isIn);
  assert.not.ok((await come('d')).isIn, 'two of the three were there before');
  await until(() => shut['address-full'] === 1, 'it is counted');
  one.socket.destroy();
  for (let isIn = false; !isIn; ) ({ isIn } = await come('e'));
  end();
});

porter('it dies while the way is being closed, and at the very end', async () => {
  const { door, listener, lines } = await house();
  kill(door);
  const closed = listener.close();
  await closed;
  door.end();
  assert.ok(!lines.includes('listening again'));
});

porter('a port that is taken is the error of the start', async () => {
  const other = createServer().listen(HERE);
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const door = new PorterDoor({ limits: FREE, log: silent });
  try {
    await door.open({ host: '127.0.0.1', port }, () => {});
    assert.unreachable('it opened');
  } catch (error) {
    assert.ok(isFleximError(error, 'port-in-use'), `${error}`);
  }
  door.end();
  other.close();
});

porter.run();

const relay = suite('cli: flexim-relay and its porter');

relay(
  'the relay is killed: its porter goes, and the next relay has the port at once',
  withHome((home) =>
    withRelayProcess(home, [], async (first) => {
      const { port } = first;
      const [pid = 0] = childrenNamed('porter', first.child.pid as number);
      assert.ok(pid > 0);
      process.kill(first.child.pid as number, 'SIGKILL');
      await first.ended;
      const next = home.start('flexim-relay', ['--port', `${port}`]);
      const [line] = await once(next.stdout as NodeJS.ReadableStream, 'data');
      assert.match(`${line}`, new RegExp(`:${port}\\?`));
      await until(() => !lives(pid), 'the porter is gone');
      const closed = once(next, 'close');
      next.kill('SIGTERM');
      await closed;
    }),
  ),
);

relay(
  'the relay is killed at any moment of its start: no porter stays behind',
  withHome(async (home) => {
    for (let ms = 0; ms < 400; ms += 20) {
      const child = home.start('flexim-relay', ['--port', '0']);
      const pids = new Set<number>();
      const watch = setInterval(() => {
        for (const pid of childrenOf(child.pid as number)) pids.add(pid);
      }, 2);
      await new Promise((resolve) => setTimeout(resolve, ms));
      for (const pid of childrenOf(child.pid as number)) pids.add(pid);
      clearInterval(watch);
      child.kill('SIGKILL');
      await once(child, 'close'); // the porter has its stderr: it comes when both are gone
      await until(() => ![...pids].some(lives), `killed after ${ms} ms`);
    }
  }),
);

relay(
  'the porter is killed: conversations go on, and new ones begin',
  withHome((home) =>
    withRelayProcess(home, [], async (process_) => {
      const [a, b] = [newIdentity(), newIdentity()];
      const from = await dialRelay(process_.port, { identity: a });
      const [pid = 0] = childrenNamed('porter', process_.child.pid as number);
      process.kill(pid, 'SIGKILL');
      await from.ping();
      await process_.logged('listening again');
      const to = await dialRelay(process_.port, { identity: b });
      from.send(b.hex, Buffer.from('hello'));
      for await (const delivery of to.deliveries()) {
        assert.is(Buffer.from(delivery.envelope).toString(), 'hello');
        break;
      }
      await Promise.all([from.close(), to.close()]);
      const { code } = await process_.stop();
      assert.is(code, 0);
    }),
  ),
);

relay(
  'the porter goes after the relay, and has no helpers that do not',
  withHome((home) =>
    withRelayProcess(home, [], async ({ child }) => {
      const relayPid = child.pid as number;
      const [pid = 0] = childrenNamed('porter', relayPid);
      assert.ok(getPriority(pid) > getPriority(relayPid));
      assert.match(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), /--single-threaded/);
    }),
  ),
);

relay(
  'a signal to the whole group, as from a terminal: the relay stops in good order',
  withHome((home) =>
    withRelayProcess(home, [], async (one) => {
      const link = await dialRelay(one.port);
      const [pid = 0] = childrenNamed('porter', one.child.pid as number);
      process.kill(-(one.child.pid as number), 'SIGINT');
      assert.ok(await link.closed);
      const { code } = await one.ended;
      assert.is(code, 0);
      await until(() => !lives(pid), 'the porter is gone');
    }),
  ),
);

relay.run();
