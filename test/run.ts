// Runs test files, several one after the other in a process, and closes uvu's holes: no file, a file without a
// test, a suite that forgets .run(), a skipped or lone test, a crash, a hang, something left open or changed: all
// fail (run/source.ts, run/host.ts, run/inside.ts), and after a failure the next file gets a new process.
// run.long.test.ts breaks each. Usage: node --import tsx test/run.ts [--long] [--in FOLDER] [--ceiling SECONDS] [part
// of a file name …]. Without --long and a part, files whose names end in .long.test.ts stay out: they take longer
// (whole programs, many runs), or need tmux. With --long (npm run test:long) those run, and those that do something
// often (count.ts), with the full number. Ends with `N passed, N failed`.
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Host, type Result } from './run/host.ts';
import { hasCounts, isAlone, isLong, sourceTrouble } from './run/source.ts';

const TOGETHER = 60; // files in a process: its modules are loaded, and its code is warm

const { values, positionals: wanted } = parseArgs({
  options: {
    in: { type: 'string', default: import.meta.dirname },
    long: { type: 'boolean', default: false },
    ceiling: { type: 'string' },
  },
  allowPositionals: true,
});
// Only what hangs reaches it: the longest file takes 85 s on a quiet machine, and others may be three times as slow.
const ceilingMs = 1000 * Number(values.ceiling ?? (values.long ? 300 : 120));
const folder = resolve(values.in);
process.env.FLEXIM_TESTS = values.long ? 'long' : ''; // for count.ts

function testFiles(): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.test.ts')).sort();
  const paths = files.map((name) => join(folder, name));
  const ofThisRun = values.long
    ? paths.filter((path) => isLong(path) || hasCounts(path))
    : paths.filter((path) => wanted.length > 0 || !isLong(path));
  if (wanted.length === 0) return ofThisRun;
  return ofThisRun.filter((path) => wanted.some((part) => relative(folder, path).includes(part)));
}

const files = testFiles();
const shared = files.filter((path) => !isAlone(path));
const queue = [...files.filter(isAlone), ...shared];
const sum = { passed: 0, failed: 0 };

async function worker(): Promise<void> {
  let host: Host | null = null;
  for (let path = queue.shift(); path; path = queue.shift()) {
    const began = performance.now();
    const trouble = sourceTrouble(path);
    if (trouble) {
      report(path, { passed: 0, failed: 1, trouble, output: '' }, began);
      continue;
    }
    host ??= new Host(ceilingMs);
    const isLast = isAlone(path) || host.ran.length >= TOGETHER - 1 || queue.length === 0;
    const result: Result = await host.run({ path, isLast });
    report(path, result, began);
    if (result.failed > 0) host.kill();
    if (result.failed > 0 || isLast) host = null;
  }
  const began = performance.now();
  const result = await host?.finish();
  if (result && result.failed > 0) report(host?.ran.at(-1) ?? '', result, began);
}

function report(path: string, { passed, failed, trouble, output }: Result, began: number): void {
  sum.passed += passed;
  sum.failed += failed;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const shown = relative('.', path);
  if (failed === 0) console.log(`ok   ${shown} (${passed}, ${seconds} s)`);
  else console.log(`FAIL ${shown} (${seconds} s) ${trouble ?? ''}\n${output}`);
}

if (files.length === 0) {
  console.log(`no test file matches: ${wanted.join(' ') || '*.test.ts'}`);
  sum.failed = 1;
}
// One more than can run: tests wait for disks and clocks a third of their time.
await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 ? 0 : 1;
