// Two users of a relay who talk at a steady pace, as a process of its own: nothing else is done in it, so that
// what they wait for is the relay and not each other's compilers or collectors. Told {address} once and then
// {ms} for each round; answers with the one-way times of its Messages.

import { setTimeout as sleep } from 'node:timers/promises';
import { newIdentity } from '../src/crypto/identity.ts';
import { parseAddress } from '../src/lib/address.ts';
import { protocols } from '../src/protocols/index.ts';
import type { Link } from '../src/protocols/protocol.ts';

export type Wish = { readonly address: string } | { readonly ms: number };

export interface Talked {
  readonly times: readonly number[]; // milliseconds, the shortest first
  readonly lost: number;
}

const PACE_MS = 5; // 200 Messages a second
const PATIENCE_MS = 5_000;
const BYTES = 256;
const links: Link[] = [];

async function dialAll(address: string): Promise<void> {
  const { host, port } = parseAddress(address);
  const pins = { get: () => null, add: async (_: string, hex: string) => hex };
  const dial = () =>
    protocols.flexim.dial({ host, port, pins, identity: newIdentity(), reconnect: null });
  links.push(await dial(), await dial());
}

async function talk(ms: number): Promise<Talked> {
  const [from, to] = links as [Link, Link];
  const times: number[] = [];
  const count = Math.floor(ms / PACE_MS);
  const deliveries = to.deliveries();
  const received = (async () => {
    while (times.length < count) {
      const { value, done } = await deliveries.next();
      if (done) break;
      times.push(performance.now() - Buffer.from(value.envelope).readDoubleLE(0));
      value.done();
    }
  })();
  const began = performance.now();
  const envelope = Buffer.alloc(BYTES);
  for (let n = 0; n < count; n++) {
    const wait = began + n * PACE_MS - performance.now();
    if (wait > 0) await sleep(wait);
    envelope.writeDoubleLE(performance.now());
    from.send(to.self.key, envelope);
  }
  await Promise.race([received, sleep(PATIENCE_MS)]);
  return { times: times.sort((a, b) => a - b), lost: count - times.length };
}

process.on('message', async (wish: Wish) => {
  if ('ms' in wish) return void process.send?.(await talk(wish.ms));
  await dialAll(wish.address);
  process.send?.({});
});
process.on('disconnect', () => process.exit());
