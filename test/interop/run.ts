// npm run interop: the built relay against a client in Python that was written from docs/protocols/flexim.md alone
// (flexim.py beside this file). Passes its output on, which ends with `N passed, N failed`. Needs `npm run build` before,
// and Debian's python3-nacl and python3-msgpack.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const START_MS = 20_000;
const CHECKS_MS = 180_000;
// All peers come from one address, and there are hundreds.
const CROWD = ['new-keys-per-hour', 'logins-per-minute', 'commands-per-second'].map(
  (name) => `--${name}=0`,
);
const STOP_MS = 10_000; // the relay gives its clients 5 s

const PYTHON = '/usr/bin/python3';
const root = resolve(import.meta.dirname, '../..');
const client = join(import.meta.dirname, 'flexim.py');

/** What is missing on this machine, as one line; null when nothing is. */
function missing(): string | null {
  if (!existsSync(join(root, 'dist'))) return 'dist is missing: npm run build';
  const python = spawnSync(PYTHON, ['-c', 'import nacl, msgpack'], { encoding: 'utf8' });
  if (python.error !== undefined) return `${PYTHON} is missing: apt-get install -y python3`;
  if (python.status === 0) return null;
  const reason = python.stderr.trim().split('\n').at(-1);
  return `${reason}: apt-get install -y python3-nacl python3-msgpack`;
}

function gone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** The exit code, or the name of the signal; a child that takes longer than `ms` is killed. */
async function end(child: ChildProcess, ms: number): Promise<string> {
  if (!gone(child)) {
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    await once(child, 'exit');
    clearTimeout(timer);
  }
  return String(child.exitCode ?? child.signalCode);
}

/** The address that the relay prints when it listens, as host, port and key. */
async function listening(relay: ChildProcess): Promise<string[]> {
  if (relay.stdout === null) throw new Error('no stdout');
  const lines = createInterface({ input: relay.stdout });
  const timer = setTimeout(() => lines.close(), START_MS);
  try {
    for await (const line of lines) {
      const [, host, port, key] =
        /^flexim:\/\/([^?]+):(\d+)\?relay=([0-9a-f]{64})$/.exec(line) ?? [];
      if (host === undefined || port === undefined || key === undefined) {
        throw new Error(`the relay said ${JSON.stringify(line)} and not its address`);
      }
      return [host, port, key];
    }
    throw new Error('the relay did not print its address');
  } finally {
    clearTimeout(timer);
  }
}

async function main(): Promise<boolean> {
  const place = mkdtempSync(join(tmpdir(), 'flexim-interop-'));
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: place,
    XDG_DATA_HOME: place,
    XDG_CONFIG_HOME: place,
  };
  const options = ['--port', '0', '--keys', join(place, 'keys'), '--data', join(place, 'data')];
  const relay = spawn(
    process.execPath,
    [join(root, 'bin/flexim-relay'), ...options, ...CROWD, '--log-level', 'warn'],
    { cwd: place, env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const address = await listening(relay);
    const checks = spawn(PYTHON, ['-B', client, ...address, String(relay.pid)], {
      cwd: place,
      env: { ...env, PYTHONIOENCODING: 'utf-8' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const checked = await end(checks, CHECKS_MS);
    // The last check has stopped it.
    const stopped = await end(relay, STOP_MS);
    if (checked !== '0' && checked !== '1') console.error(`${client} ended with ${checked}`);
    if (stopped !== '0') console.error(`the relay ended with ${stopped} after SIGTERM`);
    return checked === '0' && stopped === '0';
  } finally {
    if (!gone(relay)) relay.kill('SIGKILL');
    await end(relay, STOP_MS);
    rmSync(place, { recursive: true, force: true });
  }
}

const hindrance = missing();
if (hindrance !== null) {
  console.error(hindrance);
  process.exitCode = 1;
} else {
  try {
    if (!(await main())) process.exitCode = 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
