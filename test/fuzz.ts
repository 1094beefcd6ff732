// npm run fuzz -- [--count N] [--seed N] [part of a target's name …]: N inputs for each parser.

import { parseArgs } from 'node:util';
import { fuzz } from './fuzz/run.ts';
import { TARGETS } from './fuzz/targets.ts';

const { values, positionals } = parseArgs({
  options: { count: { type: 'string', default: '100000' }, seed: { type: 'string' } },
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
  const progress = (name: string, done: number) => {
    if (done < count && done % 1_000_000 === 0) console.log(`     ${name}: ${done}`);
  };
  const [outcome] = fuzz([target], { count, seed, progress });
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  if (outcome?.failure) {
    failed++;
    console.log(`FAIL ${target.name}: ${outcome.failure}`);
  } else {
    passed++;
    console.log(`ok   ${target.name} (${outcome?.accepted} accepted, ${seconds} s)`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
