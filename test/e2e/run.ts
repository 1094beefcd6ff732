// npm run e2e -- [--rounds N] [--seed N] [--only PART] [--list]
// The programs end to end: relay, alice and bob as processes and in terminals, what the user sees, kills at moments of
// chance with an account of every message, a record of all that goes to the relay that must not tell anything, and
// faults planted to show that these find what they are for. Short unless --rounds is more. Ends with `N passed, N failed`.

import { parseArgs } from 'node:util';
import { Chance } from '../model/chance.ts';
import { capture } from './capture.ts';
import { conversation } from './conversation.ts';
import { killAll } from './people.ts';
import { PLANTS, planted } from './planted.ts';
import { blindness, leaks } from './privacy.ts';
import { killRounds } from './rounds.ts';
import { World } from './world.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    seed: { type: 'string', default: String(1 + (Date.now() % 2 ** 30)) },
    only: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
if (![rounds, seed].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error('--rounds and --seed take a number from 1');
  process.exit(64);
}

/** What is wrong, or null. */
type Part = readonly [name: string, run: () => Promise<string | null>];

async function kills(): Promise<string | null> {
  const world = await World.open();
  const recording = await capture(world.tap.port);
  try {
    await world.meet();
    const progress = (text: string) => console.log(`     ${text}`);
    const killed = await killRounds(world, { rounds, chance: new Chance(seed), progress });
    if (world.account.violations.length === 0) await world.settle();
    const captures = await recording.end();
    const { tap, account } = world;
    console.log(`     kills ${JSON.stringify(killed)}, account ${JSON.stringify(account.counts)}`);
    console.log(
      `     ${tap.connections} connections, ${tap.messages.length} Messages, ${tap.bytes.length} bytes; ${recording.about}`,
    );
    const told = account.violations.map(({ kind, what }) => `${kind}: ${what}`);
    const all = [...told, ...leaks(world, captures), ...blindness(world, captures)];
    return all.length === 0 ? null : `${all.slice(0, 20).join('\n     ')}\n     --seed ${seed}`;
  } finally {
    await recording.end();
    await world.close();
  }
}

const parts: readonly Part[] = [
  ['a conversation in terminals', conversation],
  [`${rounds} rounds of kills`, kills],
  ...PLANTS.map((plant): Part => [`planted: ${plant.name}`, () => planted(plant)]),
];

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.on('exit', killAll);

let [passed, failed] = [0, 0];
for (const [name, run] of parts) {
  if (values.list) console.log(name);
  if (values.list || !name.includes(values.only)) continue;
  const began = performance.now();
  const wrong = await run().catch((error: Error) => String(error.stack));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  if (wrong === null) passed++;
  else failed++;
  console.log(
    `${wrong === null ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)${wrong ? `\n     ${wrong}` : ''}`,
  );
}
if (!values.list && passed + failed === 0) failed++;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
