// The runner, each of its checks broken once: what is wrong with a file is red, named, and the file's own; the files
// around it are as green as they are alone.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const RUN = join(import.meta.dirname, 'run.ts');
const UVU = import.meta.resolve('uvu');

interface Fault {
  readonly source: string;
  readonly says: RegExp;
  readonly passed?: number;
}

// In pieces: the runner reads this source as well.
const [SUITE, RUN_IT, ONLY, SKIP] = ['suite', 'run', 'only', 'skip'] as const;
const END = `test.${RUN_IT}();`;
const head = (rest: string) =>
  `import { suite } from '${UVU}';\nconst test = ${SUITE}('it');\n${rest}\n`;
const body = (work: string) => head(`test('one', () => {});\ntest('two', ${work});\n${END}`);

const FAULTS: Readonly<Record<string, Fault>> = {
  fails: { source: body("() => { throw new Error('no'); }"), says: /"two"\n +no\n/, passed: 1 },
  rejects: {
    source: body("async () => { throw new Error('later'); }"),
    says: /"two"\n +later\n/,
    passed: 1,
  },
  empty: { source: '', says: /declares no suite/ },
  'never-run': { source: head("test('one', () => {});"), says: /1 suites but 0 calls of .run/ },
  'no-test': { source: head(END), says: /ran no test/ },
  only: { source: head(`test.${ONLY}('one', () => {});\n${END}`), says: /off with \.only\(/ },
  skipped: { source: head(`test.${SKIP}('one', () => {});\n${END}`), says: /off with \.skip\(/ },
  'does-not-parse': { source: body('() => {'), says: /ran no test.*crashed or was silent/ },
  'no-such-import': { source: `import './none.ts';\n${body('() => {}')}`, says: /none\.ts/ },
  throws: { source: head(`throw new Error('at once');\n${END}`), says: /at once/ },
  crashes: { source: body('() => process.abort()'), says: /ran no test \(exit SIGABRT\)/ },
  exits: { source: body('() => process.exit(0)'), says: /ran no test \(exit/ },
  'thrown-in-a-timer': {
    source: body("() => new Promise(() => setTimeout(() => { throw new Error('timer'); }))"),
    says: /Error: timer/,
  },
  'unhandled-rejection': {
    source: body("() => { Promise.reject(new Error('unhandled')); }"),
    says: /Error: unhandled/,
    passed: 2,
  },
  'unhandled-later': {
    source: body("() => { setTimeout(() => Promise.reject(new Error('afterwards')), 50); }"),
    says: /Error: afterwards/,
    passed: 2,
  },
  'waits-for-nothing': {
    source: body('() => new Promise(() => {})'),
    says: /Exiting early before testing is finished/,
  },
  'top-level-wait': {
    source: head(`await new Promise(() => {});\n${END}`),
    says: /ran no test \(exit 13|ran no test \(exit 0/,
  },
  'leaves-a-timer': {
    source: body('() => { setInterval(() => {}, 1000); }'),
    says: /still open: Timeout/,
    passed: 2,
  },
  'leaves-a-socket': {
    source: `import { createServer } from 'node:net';\n${body('() => { createServer().listen(0); }')}`,
    says: /still open: TCPServerWrap/,
    passed: 2,
  },
  'leaves-a-process': {
    source: `import { spawn } from 'node:child_process';\n// process.title, so that it runs alone\n${body(
      "() => { spawn('sleep', ['60'], { stdio: 'inherit', detached: true }).unref(); }",
    )}`,
    says: /a process that it started is still there/,
    passed: 2,
  },
  'changes-a-global': {
    source: body('() => { performance.now = () => 7; }'),
    says: /changed: .*now/,
    passed: 2,
  },
  'leaves-a-listener': {
    source: body("() => { globalThis['process'].on('SIGHUP', () => {}); }"),
    says: /changed: listeners of SIGHUP/,
    passed: 2,
  },
};

const HANGS: Readonly<Record<string, Fault>> = {
  'hangs-in-a-loop': { source: body('() => { for (;;); }'), says: /did not end in 6 s/ },
  'hangs-on-a-timer': {
    source: body('() => new Promise(() => setInterval(() => {}, 1000))'),
    says: /did not end in 6 s.*still open: .*Timeout/s,
  },
};

interface Run {
  readonly code: number;
  readonly lines: readonly string[];
  /** What is said of each file, from its line to the next one's. */
  readonly of: ReadonlyMap<string, string>;
}

async function run(files: Readonly<Record<string, string>>, ...more: string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'flexim-run-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
    for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
    const args = ['--import', 'tsx', RUN, '--in', folder, ...more];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? -1)));
    const said = await text(child.stdout);
    const of = new Map<string, string>();
    for (const part of said.split(/^(?=(?:ok {3}|FAIL )\S)/m)) {
      const name = /^(?:ok {3}|FAIL )\S*?([\w-]+)\.(?:long\.)?test\.ts/.exec(part)?.[1];
      if (name) of.set(name, part);
    }
    return { code: await ended, lines: said.trimEnd().split('\n'), of };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const GREEN = body('() => {}');
const test = suite('the runner');

/** Each is red by name, and says so. Gives how many tests of theirs passed. */
function allRed(faults: Readonly<Record<string, Fault>>, { of }: Run): number {
  let passed = 0;
  for (const [name, fault] of Object.entries(faults)) {
    const said = of.get(name) ?? '';
    assert.match(said, /^FAIL /, `${name} is green: ${said}`);
    assert.match(said, fault.says, name);
    passed += fault.passed ?? 0;
  }
  return passed;
}

const filesOf = (faults: Readonly<Record<string, Fault>>) =>
  Object.fromEntries(
    Object.entries(faults).map(([name, { source }]) => [`${name}.test.ts`, source]),
  );

test('each kind of fault is red by name, and what runs before, between and after is green', async () => {
  const names = ['a', 'd', 'k', 'n', 'u', 'zz'].map((letter) => `${letter}-green`);
  const greens = Object.fromEntries(names.map((name) => [`${name}.test.ts`, GREEN]));
  const ran = await run({ ...filesOf(FAULTS), ...greens });
  const passed = allRed(FAULTS, ran) + 2 * names.length;
  for (const name of names) assert.match(ran.of.get(name) ?? '', /^ok {3}.* \(2, /, name);
  const failed = Object.keys(FAULTS).length;
  assert.equal([ran.code, ran.lines.at(-1)], [1, `${passed} passed, ${failed} failed`]);
});

test('what hangs is ended at the ceiling, and says what it waits for when it can', async () => {
  const ran = await run(filesOf(HANGS), '--ceiling', '6');
  allRed(HANGS, ran);
  assert.equal([ran.code, ran.lines.at(-1)], [1, '0 passed, 2 failed']);
});

test('all green: the sum, and exit 0; long files only when they are asked for', async () => {
  const files = {
    'a.test.ts': GREEN,
    'b.test.ts': GREEN,
    'c.long.test.ts': GREEN,
    'd.test.ts': `import { count } from '${join(import.meta.dirname, 'count.ts')}';\n${body(
      '() => { if (count(1, 2) !== 1) throw new Error(); }',
    )}`,
    'helper.ts': "throw new Error('no test');",
  };
  const short = await run(files);
  assert.equal([short.code, short.lines.at(-1)], [0, '6 passed, 0 failed']);
  const part = await run(files, 'c.long', 'b.');
  assert.equal([part.code, part.lines.at(-1)], [0, '4 passed, 0 failed']);
  const long = await run(files, '--long');
  assert.equal([...long.of.keys()].sort(), ['c', 'd']);
  assert.match(long.of.get('d') ?? '', /^FAIL /, 'the full number');
  const none = await run(files, 'nothing');
  assert.equal([none.code, none.lines.at(-1)], [1, '0 passed, 1 failed']);
});

test.run();
