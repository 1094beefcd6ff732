// npm run bench [-- name …] [--json] [--check]: runs the benches named, or all, and prints a table for
// each; --check fails when a bound is not kept.

import { parseArgs } from 'node:util';
import { chat } from './chat.ts';
import { commstream } from './commstream.ts';
import { datums } from './datums.ts';
import { enclave } from './enclave.ts';
import { envelopes, handshakes } from './envelope.ts';
import { flood } from './flood.ts';
import { framing } from './framing.ts';
import { idle } from './idle.ts';
import { mailbox } from './mailbox.ts';
import { type Contest, machine, measure, type Report, table } from './measure.ts';
import { messenger } from './messenger.ts';
import { screen } from './screen.ts';
import { start } from './start.ts';

const BENCHES: Readonly<Record<string, () => Promise<Report[]>>> = {
  framing: async () => framing().map(compete),
  datums: async () => datums().map(compete),
  envelope: async () => [compete(envelopes()), handshakes()],
  idle,
  flood,
  start,
  screen,
  chat,
  mailbox,
  messenger,
  commstream,
  enclave,
};

function compete(contest: Contest): Report {
  const result = measure(contest);
  const bounds = contest.atLeast.map(({ name, ratio }) => ({
    what: `${result.title}: at least ${ratio} times as fast as ${name}`,
    kept: (result.rows.find((row) => row.name === name)?.ratio ?? 0) >= ratio,
  }));
  return { title: result.title, text: table(result), data: result, bounds };
}

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(64);
}

const reports: Report[] = [];
if (!values.json) console.log(machine());
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES))
  for (const report of (await BENCHES[name]?.()) ?? []) {
    reports.push(report);
    if (!values.json) console.log(`\n${report.text}`);
  }
if (values.json)
  console.log(
    JSON.stringify({ machine: machine(), results: reports.map(({ data }) => data) }, null, 2),
  );
let broken = 0;
if (values.check) {
  const bounds = reports.flatMap((report) => report.bounds);
  for (const { what, kept } of bounds) console.log(`${kept ? 'ok  ' : 'FAIL'} ${what}`);
  broken = bounds.filter(({ kept }) => !kept).length;
  console.log(`${bounds.length - broken} passed, ${broken} failed`);
}
process.exit(broken === 0 ? 0 : 1); // links of a relay that was stopped hard may still be closing
