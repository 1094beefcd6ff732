// npm run bench [-- name …] [--json]: runs the benches named, or all, and prints a table for each.

import { parseArgs } from 'node:util';
import { datums } from './datums.ts';
import { framing } from './framing.ts';
import { type Contest, machine, measure, type Result, table } from './measure.ts';

const BENCHES: Readonly<Record<string, () => Contest[]>> = { framing, datums };

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(64);
}

const results: Result[] = [];
if (!values.json) console.log(machine());
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES))
  for (const contest of BENCHES[name]?.() ?? []) {
    const result = measure(contest);
    results.push(result);
    if (!values.json) console.log(`\n${table(result)}`);
  }
if (values.json) console.log(JSON.stringify({ machine: machine(), results }, null, 2));
