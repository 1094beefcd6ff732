// npm run fuzz -- [--count N] [--seed N] [part of a target's name …]: N inputs for each parser
// (1,000,000 unless told), fewer for the few that are slow.

import { parseArgs } from 'node:util';
import { fuzz } from './fuzz/run.ts';
import { TARGETS } from './fuzz/targets.ts';

const TELL_MS = 10_000;

const { values, positionals } = parseArgs({
  options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const count = Number(values.count);
const seed = values.seed === undefined ? Date.now() % 2 ** 32 : Number(values.seed);
const chosen = TARGETS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);

if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
  console.error('--count takes a number from 1, --seed a number');
  process.exit(64);
}
console.log(`${chosen.length} targets, ${count} inputs each, --seed ${seed}`);
let failed = chosen.length === 0 ? 1 : 0;
let passed = 0;
for (const target of chosen) {
  const began = performance.now();
  let told = began;
  const progress = (done: number, inputs: number) => {
    if (performance.now() - told < TELL_MS) return;
    told = performance.now();
    console.log(`     ${target.name}: ${done} of ${inputs}`);
  };
  const [outcome] = await fuzz([target], { count, seed, progress });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (outcome?.failure) {
    failed++;
    console.log(`FAIL ${target.name}: ${outcome.failure}`);
  } else {
    passed++;
    console.log(
      `ok   ${target.name} (${outcome?.accepted} of ${outcome?.inputs} accepted, ${seconds} s)`,
    );
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
