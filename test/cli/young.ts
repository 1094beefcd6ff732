// A process of young.long.test.ts: what stays for a while makes the young part of its heap grow. Says how large it was at most.

import { bound, youngBytes } from '../../src/cli/young.ts';

const isBound = process.argv[2] === 'bound';
const kept: object[] = new Array(50_000).fill({});
let most = 0;
for (let i = 0; i < 1_000_000; i++) {
  kept[i % kept.length] = { i: [i, i] };
  if (i % 1_000 > 0) continue;
  if (isBound) bound();
  most = Math.max(most, youngBytes());
}
process.stdout.write(JSON.stringify({ most, kept: kept.length }));
