// Runs every test file in a process of its own and closes uvu's holes in one place: no file, a file
// without a test, a suite that forgets .run(), a skipped or lone test, a crash, a hang: all fail.
// Usage: node --import tsx test/run.ts [part of a file name …]. Without one, the files whose names end in
// .long.test.ts stay out: they take longer (whole programs, many runs), or need tmux; npm run test:long. Ends with `N passed, N failed`.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';

const CEILING_MS = 120_000;
const LINGER_MS = 5_000;
const here = import.meta.dirname;
const wanted = process.argv.slice(2);

interface Result {
  passed: number;
  failed: number;
  trouble: string | null;
  output: string;
}

function testFiles(): string[] {
  const names = readdirSync(here, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.test.ts')).sort();
  if (wanted.length === 0) return files.filter((name) => !name.endsWith('.long.test.ts'));
  return files.filter((name) => wanted.some((part) => name.includes(part)));
}

/** What the source of a test file promises and would not keep. */
function sourceTrouble(path: string): string | null {
  const source = readFileSync(path, 'utf8');
  const suites = source.match(/\bsuite\(/g)?.length ?? 0;
  const runs = source.match(/\.run\(\)/g)?.length ?? 0;
  if (suites === 0) return 'declares no suite(…)';
  if (suites !== runs) return `has ${suites} suites but ${runs} calls of .run()`;
  const idle = source.match(/\.(only|skip)\(/);
  return idle ? `switches tests off with ${idle[0]}` : null;
}

function run(file: string): Promise<Result> {
  const path = join(here, file);
  const trouble = sourceTrouble(path);
  if (trouble) return Promise.resolve({ passed: 0, failed: 1, trouble, output: '' });
  return new Promise((resolve) => {
    const args = ['--import', 'tsx', '--import', join(here, 'open.ts'), path];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let late: string | null = null;
    let linger: NodeJS.Timeout | undefined;
    const ask = (why: string) => {
      late = why;
      child.kill('SIGUSR2');
      linger = setTimeout(() => child.kill('SIGKILL'), LINGER_MS);
    };
    const ceiling = setTimeout(() => ask(`did not end in ${CEILING_MS / 1000} s`), CEILING_MS);
    const collect = (bytes: Buffer) => {
      output += bytes;
      if (linger === undefined && /\n {2}Total: /.test(output))
        linger = setTimeout(() => ask('its tests ended, but something is still open'), LINGER_MS);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('close', (code, signal) => {
      clearTimeout(ceiling);
      clearTimeout(linger);
      resolve(judge(output, late, code, signal));
    });
  });
}

function judge(
  output: string,
  late: string | null,
  code: number | null,
  signal: string | null,
): Result {
  const total = Number(/ {2}Total: +(\d+)/.exec(output)?.[1] ?? 0);
  const passed = Number(/ {2}Passed: +(\d+)/.exec(output)?.[1] ?? 0);
  const failed = total - passed;
  let trouble = late;
  if (!trouble && total === 0)
    trouble = `ran no test (exit ${code ?? signal}): crashed or was silent`;
  if (!trouble && failed === 0 && code !== 0) trouble = `passed, then ended with ${code ?? signal}`;
  return { passed, failed: failed + (trouble ? 1 : 0), trouble, output };
}

const files = testFiles();
const queue = [...files];
const sum = { passed: 0, failed: 0 };

async function worker(): Promise<void> {
  for (let file = queue.shift(); file; file = queue.shift()) {
    const began = performance.now();
    const result = await run(file);
    sum.passed += result.passed;
    sum.failed += result.failed;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const shown = relative('.', join(here, file));
    if (result.failed === 0) console.log(`ok   ${shown} (${result.passed}, ${seconds} s)`);
    else console.log(`FAIL ${shown} (${seconds} s) ${result.trouble ?? ''}\n${result.output}`);
  }
}

if (files.length === 0) {
  console.log(`no test file matches: ${wanted.join(' ') || '*.test.ts'}`);
  sum.failed = 1;
}
await Promise.all(Array.from({ length: availableParallelism() }, worker));
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 ? 0 : 1;
