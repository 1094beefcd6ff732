// What bench/relay/logins.ts runs as a process of its own: some users who log in and go, over and
// over, or the relay's public-key work for a login alone.

import { newIdentity } from '../../src/crypto/identity.ts';
import { openSealed, seal } from '../../src/crypto/sodium.ts';
import { authResponse, type Keys, newKeys, newNonce, Peer } from '../../test/peer.ts';

interface Task {
  readonly task: 'logins' | 'alone';
  readonly port: number;
  readonly ms: number;
}

const AT_ONCE = 16;
const WARM_MS = 500;
const TEXT = new Uint8Array(168); // a challenge with its names, as msgpack
const TIME = new Uint8Array(9);
const NONCE = new Uint8Array(45);

const { task, port, ms } = JSON.parse(process.argv[2] ?? '{}') as Task;
const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);

async function login(keys: Keys): Promise<void> {
  const peer = await Peer.connect(port);
  await peer.greet();
  const { challenge } = await peer.challenged(keys);
  peer.write(authResponse(challenge, peer.relayKey, newNonce()));
  const { type } = await peer.next();
  if (type !== 5) throw new Error(`a login was answered by type ${type}`);
  peer.reset();
}

async function logins(): Promise<void> {
  let count = 0;
  let end = Number.POSITIVE_INFINITY;
  const began = performance.now();
  const one = async () => {
    const keys = newKeys();
    while (performance.now() < end) {
      await login(keys);
      count++;
    }
  };
  const all = Array.from({ length: AT_ONCE }, one);
  await new Promise((resolve) => setTimeout(resolve, WARM_MS));
  count = 0;
  tell({ warm: performance.now() - began });
  end = performance.now() + ms;
  await Promise.all(all);
  tell({ count });
}

function alone(): void {
  const [relay, client] = [newIdentity(), newIdentity()];
  const boxes = [seal(TEXT, relay.exchange.publicKey), seal(NONCE, relay.exchange.publicKey)];
  const one = () => {
    for (const each of [TIME, TEXT, TIME]) seal(each, client.exchange.publicKey);
    for (const box of boxes)
      if (!box || !openSealed(box, relay.exchange)) throw new Error('no box');
  };
  for (const end = performance.now() + WARM_MS; performance.now() < end; ) one();
  const used = process.cpuUsage();
  let count = 0;
  for (const end = performance.now() + ms; performance.now() < end; count++) one();
  const { user, system } = process.cpuUsage(used);
  tell({ count, cpu: (user + system) / 1e6 });
}

if (task === 'logins') await logins();
else alone();
process.exit(0);
