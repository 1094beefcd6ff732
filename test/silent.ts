// Many connections that log in and then say nothing, and as many that never speak at all, while a few
// others chat. Ends with `N passed, N failed`.
// Usage: node --import tsx test/silent.ts [count, default 10000]. The clients live in a process of their own,
// so that each side has its own file descriptors.

import { type ChildProcess, fork } from 'node:child_process';
import { counted, countOf, newKeys, Peer } from './peer.ts';
import { startRelay } from './relay.ts';

const AT_ONCE = 50;

/** Connects and logs in so many silent peers. */
export async function silentPeers(port: number, count: number): Promise<Peer[]> {
  const peers: Peer[] = [];
  const some = async () => {
    while (peers.length < count) {
      const peer = await Peer.connect(port);
      if (peers.push(peer) > count) {
        await peer.destroy();
        peers.pop();
        return;
      }
      await peer.login(newKeys());
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, some));
  return peers;
}

/** Two peers send each other so many Messages; throws unless all come, in order. */
export async function chat(port: number, messages: number): Promise<void> {
  const sides = await Promise.all(
    [newKeys(), newKeys()].map(async (keys) => {
      const peer = await Peer.connect(port);
      await peer.login(keys);
      return { peer, keys };
    }),
  );
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]];
  for (let n = 0; n < messages; n++)
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      from.peer.write(counted(to.keys.hex, n));
      const got = countOf(await to.peer.next());
      if (got !== n) throw new Error(`Message ${got} in place of ${n}`);
    }
  await Promise.all(sides.map(({ peer }) => peer.destroy()));
}

function heard(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (said) => {
      if (said === word) resolve();
    });
    child.on('exit', (code) => reject(new Error(`the clients ended with ${code}`)));
  });
}

async function main(count: number): Promise<void> {
  const relay = await startRelay();
  const before = process.memoryUsage().rss;
  const clients = fork(import.meta.filename, ['clients', String(relay.port), String(count)]);
  const began = performance.now();
  await heard(clients, 'ready');
  const seconds = (performance.now() - began) / 1000;
  const each = (process.memoryUsage().rss - before) / count / 1024;
  console.log(`${relay.relay.router.online} silent, logged in within ${seconds.toFixed(1)} s`);
  console.log(`${each.toFixed(1)} KiB of memory for each`);
  const start = performance.now();
  await chat(relay.port, 1_000);
  const perMessage = (performance.now() - start) / 2_000;
  console.log(`2000 Messages between two others, ${perMessage.toFixed(2)} ms each`);
  const ended = new Promise((resolve) => clients.once('exit', resolve));
  await relay.stop();
  await ended;
  if (relay.relay.router.online !== 0) throw new Error('somebody is still there');
}

/** Connections that do not even say hello: others chat on, and every one of them is cut. */
async function mute(count: number): Promise<void> {
  const relay = await startRelay();
  const clients = fork(import.meta.filename, ['mutes', String(relay.port), String(count)]);
  const ended = new Promise((resolve) => clients.once('exit', resolve));
  await heard(clients, 'ready');
  const start = performance.now();
  await chat(relay.port, 1_000);
  const perMessage = (performance.now() - start) / 2_000;
  console.log(`${count} mute; 2000 Messages between two others, ${perMessage.toFixed(2)} ms each`);
  await ended;
  const cut = relay.relay.drops.of('hello-timeout');
  await relay.stop();
  if (cut !== count) throw new Error(`${cut} of ${count} were cut at the time limit`);
  console.log(`all ${count} were cut at the time limit`);
}

/** Opens them in batches, and waits until the relay has cut them all. */
async function mutes(port: number, count: number): Promise<void> {
  const cuts: Promise<unknown>[] = [];
  while (cuts.length < count)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - cuts.length) }, async () => {
        cuts.push((await Peer.connect(port)).closed);
      }),
    );
  process.send?.('ready');
  await Promise.all(cuts);
  process.disconnect();
}

if (process.argv[1] === import.meta.filename) {
  const [first = '10000', port = '', count = ''] = process.argv.slice(2);
  if (first === 'clients') {
    const peers = await silentPeers(Number(port), Number(count));
    process.send?.('ready');
    await Promise.all(peers.map(({ closed }) => closed)); // until the relay has ended them all
    process.disconnect();
  } else if (first === 'mutes') await mutes(Number(port), Number(count));
  else {
    await main(Number(first));
    await mute(Number(first));
    console.log('2 passed, 0 failed');
  }
}
