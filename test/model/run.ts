// npm run model -- [--count N] [--seed S]: the crash model with N seeds from S on, by default random ones.
// A seed that fails is shown with its events, and can be run again alone.

import { parseArgs } from 'node:util';
import { runModel } from './world.ts';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '1000' }, seed: { type: 'string' } },
});
const count = Number(values.count);
const first = values.seed === undefined ? Date.now() * 1_000 : Number(values.seed);
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(first + count)) {
  console.error('--count takes a number from 1, --seed a number');
  process.exit(64);
}

console.log(`${count} runs, --seed ${first}`);
const began = performance.now();
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  try {
    runModel({ seed });
  } catch (error) {
    failed++;
    console.log(`FAIL --seed ${seed} --count 1`);
    try {
      runModel({ seed, trace: (line) => console.log(line) });
    } catch {}
    console.log(error);
  }
  const done = seed - first + 1;
  if (done % 100 === 0 && done < count) {
    const seconds = ((performance.now() - began) / 1_000).toFixed(0);
    console.log(`     ${done} of ${count} (${seconds} s, ${failed} failed)`);
  }
}
console.log(`${count - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
