// Two ways in one, while they end and begin: messages through two real messengers (FE1, receipts), a real relay
// and two real Enclave nodes in this process. What counts is that each message is there, once.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Store } from '../src/store/store.ts';
import { meet, Wire, type World, withBoth } from '../test/client/both.ts';
import type { Person } from '../test/client/person.ts';
import { withRelay } from '../test/relay.ts';
import type { Report } from './measure.ts';
import type { Options } from './options.ts';

const MESSAGES = 100_000;
const FEW = 10_000;
const TOGETHER = 100;
const BETWEEN = 2_000; // messages from one end of a way to the next
const PATIENCE_MS = 120_000;

interface Outcome {
  readonly lost: number;
  readonly doubled: number;
  readonly ends: number;
  readonly turns: number;
  readonly ms: number;
}

/** By events, which tell of each message that was put into the history. */
function countOf(bob: Person): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const event of bob.events)
    if (event.kind === 'message')
      counts.set(event.message.body, (counts.get(event.message.body) ?? 0) + 1);
  return counts;
}

async function run(messages: number): Promise<Outcome> {
  let outcome: Outcome | null = null;
  const place = mkdtempSync(join(tmpdir(), 'flexim-bench-'));
  const stores = [new Store(place, 'alice'), new Store(place, 'bob')];
  const more = stores.map((store) => ({ store, sizes: {} }));
  await withRelay(async ({ port }) => {
    const line = await new Wire(() => port).open();
    try {
      const body = async (world: World) => {
        const { alice, bob, wire } = world;
        await meet(world);
        await alice.met(bob);
        const ways = [
          () => wire.cut(),
          () => bob.node?.close(),
          () => line.cut(),
          () => alice.node?.close(),
          async () => {
            await line.close();
            await line.open();
          },
        ];
        const began = performance.now();
        let ends = 0;
        for (let n = 0; n < messages; n += TOGETHER) {
          const some = Array.from({ length: TOGETHER }, (_, i) => alice.me.send('bob', `${n + i}`));
          await Promise.all(some);
          if ((n + TOGETHER) % BETWEEN === 0) await ways[ends++ % ways.length]?.();
        }
        const late = performance.now() + PATIENCE_MS;
        const isAll = () => bob.events.filter(({ kind }) => kind === 'message').length >= messages;
        while (!isAll() && performance.now() < late)
          await new Promise((resolve) => setTimeout(resolve, 50));
        const ms = performance.now() - began;
        const counts = countOf(bob);
        const doubled = [...counts.values()].reduce((sum, count) => sum + count - 1, 0);
        const turns = alice.events.filter(({ kind }) => kind === 'way').length;
        outcome = { lost: messages - counts.size, doubled, ends, turns, ms };
      };
      await withBoth(line.port, body, {}, more);
    } finally {
      await line.close();
      await Promise.all(stores.map((store) => store.close()));
      rmSync(place, { recursive: true, force: true });
    }
  });
  if (!outcome) throw new TypeError('the run did not come to its end');
  return outcome;
}

export async function ways({ quick }: Options): Promise<Report[]> {
  const messages = quick ? FEW : MESSAGES;
  const { lost, doubled, ends, turns, ms } = await run(messages);
  const title = 'switching transports under load: a relay and Enclave nodes, through the messenger';
  const text = [
    title,
    `  messages          ${messages.toLocaleString('en')}   ${Math.round((messages / ms) * 1_000).toLocaleString('en')}/s`,
    `  ends of a way     ${ends}   ${turns} changes between relay and straight`,
    `  lost              ${lost}`,
    `  doubled           ${doubled}`,
  ].join('\n');
  const bounds = [
    { what: `0 lost of ${messages}`, kept: lost === 0 },
    { what: `0 doubled of ${messages}`, kept: doubled === 0 },
  ];
  return [{ title, text, data: { messages, lost, doubled, ends, turns, ms }, bounds }];
}
