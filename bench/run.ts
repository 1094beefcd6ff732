// npm run bench [-- name … options]: runs the benches named, or all, and prints a table for each; see
// options.ts. Progress goes to stderr.

import { writeFileSync } from 'node:fs';
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
import { HELP, type Options, parseOptions } from './options.ts';
import { crowd } from './relay/crowd.ts';
import { features } from './relay/features.ts';
import { latency, relay } from './relay/index.ts';
import { logins } from './relay/logins.ts';
import { soak } from './relay/soak.ts';
import { resultsOf, writeResults } from './results.ts';
import { screen } from './screen.ts';
import { start } from './start.ts';
import { ways } from './ways.ts';
import { workers } from './workers.ts';

type Bench = (options: Options) => Promise<Report[]>;

const BENCHES: Readonly<Record<string, Bench>> = {
  framing: async () => framing().map(compete),
  datums: async () => datums().map(compete),
  envelope: async () => [compete(envelopes()), handshakes()],
  relay,
  latency,
  features,
  logins,
  crowd,
  idle,
  flood,
  start,
  screen,
  chat,
  mailbox,
  messenger,
  commstream,
  enclave,
  ways,
  workers,
  soak,
};
const BY_NAME_ONLY = ['soak']; // it takes ten minutes

function compete(contest: Contest): Report {
  const result = measure(contest);
  const bounds = contest.atLeast.map(({ name, ratio }) => ({
    what: `${result.title}: at least ${ratio} times as fast as ${name}`,
    kept: (result.rows.find((row) => row.name === name)?.ratio ?? 0) >= ratio,
  }));
  return { title: result.title, text: table(result), data: result, bounds };
}

function options(): Options {
  try {
    return parseOptions(process.argv.slice(2), (line) => process.stderr.write(`${line}\n`));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(64);
  }
}

/** The names, in the order of the table; 'all' and no name are all of them. */
function chosen(names: readonly string[]): readonly string[] {
  const all = Object.keys(BENCHES);
  const unknown = names.filter((name) => name !== 'all' && !all.includes(name));
  if (unknown.length > 0) {
    console.error(`no bench ${unknown.join(', ')}; there are: ${all.join(', ')}`);
    process.exit(64);
  }
  if (names.length > 0 && !names.includes('all')) return names;
  return all.filter((name) => names.includes(name) || !BY_NAME_ONLY.includes(name));
}

if (process.argv.includes('--help')) {
  console.log(`${HELP}\nbenches: ${Object.keys(BENCHES).join(' ')}`);
  process.exit(0);
}
const told = options();
const isQuiet = told.json === '-';
const reports: Report[] = [];
if (!isQuiet) console.log(machine());
for (const name of chosen(told.names))
  for (const report of (await BENCHES[name]?.(told)) ?? []) {
    reports.push(report);
    if (!isQuiet) console.log(`\n${report.text}`);
  }
if (told.results) writeResults(reports, process.argv.slice(2));
if (told.json !== null) {
  const json = `${JSON.stringify(resultsOf(reports, process.argv.slice(2)), null, 2)}\n`;
  if (isQuiet) process.stdout.write(json);
  else writeFileSync(told.json, json);
}
let broken = 0;
if (told.check) {
  const bounds = reports.flatMap((report) => report.bounds);
  for (const { what, kept } of bounds) console.log(`${kept ? 'ok  ' : 'FAIL'} ${what}`);
  broken = bounds.filter(({ kept }) => !kept).length;
  console.log(`${bounds.length - broken} passed, ${broken} failed`);
}
process.exit(broken === 0 ? 0 : 1); // links of a relay that was stopped hard may still be closing
