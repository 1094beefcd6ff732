// npm run packed: what would be published. Packs, installs into an empty prefix the way a user does (no scripts of
// dependencies), runs both programs from there and imports the library. Ends with `N passed, N failed`.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const place = mkdtempSync(join(tmpdir(), 'flexim-packed-'));
const prefix = join(place, 'prefix');
const env = { ...process.env, HOME: place, XDG_DATA_HOME: place, XDG_CONFIG_HOME: place };
let passed = 0;
let failed = 0;

async function check(name: string, body: () => unknown): Promise<void> {
  try {
    await body();
    passed++;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error instanceof Error ? error.message : error}`);
  }
}

function run(file: string, args: readonly string[], cwd = place): string {
  return execFileSync(file, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function want(condition: unknown, what: string): void {
  if (!condition) throw new Error(what);
}

const flexim = join(prefix, 'bin/flexim');

await check('packs what is needed and no more', () => {
  const list = run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', place],
    root,
  );
  const [{ files }] = JSON.parse(list) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const path of [
    'bin/flexim',
    'bin/flexim-relay',
    'dist/index.js',
    'dist/programs/flexim.js',
    'dist/programs/walk.js',
    'dist/programs/LICENSES.txt',
    'dist/index.d.ts',
    'LICENSE',
  ])
    want(paths.includes(path), `${path} is not in the package`);
  const foreign = paths.filter(
    (path) => /^(src|test|bench|keys|\.ci)\//.test(path) || /\.fxk$/.test(path),
  );
  want(foreign.length === 0, `the package holds ${foreign.join(', ')}`);
});

await check('installs globally into an empty prefix, scripts blocked', () => {
  const tarball = readdirSync(place).find((name) => name.endsWith('.tgz'));
  want(tarball, 'there is no tarball');
  const options = ['--global', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund'];
  run('npm', ['install', ...options, join(place, tarball as string)]);
});

await check('flexim keygen and whoami', () => {
  const key = run(flexim, ['keygen', 'alice']).trim();
  want(/^[0-9a-f]{64}$/.test(key), 'keygen prints no key');
  want(JSON.parse(run(flexim, ['whoami', '--json'])).key === key, 'whoami shows another key');
});

await check('flexim-relay, and flexim ping to it', async () => {
  const relay = spawn(join(prefix, 'bin/flexim-relay'), ['--port', '0'], {
    cwd: place,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((done) => relay.once('exit', done));
  const address = await new Promise<string>((done, fail) => {
    relay.stdout.once('data', (bytes: Buffer) => done(`${bytes}`.trim()));
    relay.once('exit', (code) => fail(new Error(`the relay ended with ${code}`)));
  });
  try {
    const { relay: reached } = JSON.parse(run(flexim, ['ping', address, '--json']));
    want(reached.address === address, 'ping reached another relay');
  } finally {
    relay.kill('SIGTERM');
  }
  want((await ended) === 0, 'the relay did not end with 0');
});

await check('the library can be imported, with its types', () => {
  const modules = join(prefix, 'lib/node_modules');
  const script = `import('${modules}/flexim/dist/index.js').then((all) => console.log(Object.keys(all).sort().join()))`;
  const names = run(process.execPath, ['--eval', script]);
  want(names.includes('protocols') && names.includes('newIdentity'), `it exports ${names}`);
  writeFileSync(join(place, 'package.json'), '{"type":"module"}');
});

rmSync(place, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
