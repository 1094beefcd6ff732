// What the keystore tests share: a directory that goes away, codes of failures, child processes that
// report line by line and wait for a word, so that no test has to sleep.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as assert from 'uvu/assert';
import type { KeyContent } from '../../src/keystore/keyfile.ts';
import { FleximError } from '../../src/lib/errors.ts';

export const isRoot = userInfo().uid === 0; // only root can make files of somebody else
export const STRANGER = 1234;

export const content = (label = 'alice', fill = 0xa1): KeyContent => ({
  seed: new Uint8Array(32).fill(fill),
  storeKey: new Uint8Array(32).fill(0x5c),
  created: 1_700_000_000,
  label,
});
export const SECRET = /a1a1a1|5c5c5c|161,161|M6GT/i;

/** Runs the test with a new directory of mode 0700, real path, and removes it. */
export function withFolder(test: (folder: string) => unknown): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flexim-keystore-'));
    try {
      await test(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** The expected failure of a call. */
export async function failure(call: () => unknown): Promise<FleximError> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof FleximError)) throw error;
    assert.not.match(error.message, SECRET);
    return error;
  }
  return new FleximError('closed', 'it did not fail');
}

/** Asserts code and words of a failure. */
export async function fails(
  call: () => unknown,
  code: string,
  ...words: readonly string[]
): Promise<void> {
  const error = await failure(call);
  assert.is(error.code, code, error.message);
  for (const word of words) assert.ok(error.message.includes(word), `${word}: ${error.message}`);
}

export const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

export interface Child {
  readonly process: ChildProcess;
  line(): Promise<string>; // the next line it prints; 'ended' when there is none
  say(word: string): void;
  readonly ended: Promise<void>;
}

/** Starts child.ts with a task. */
export function startChild(
  task: readonly string[],
  options: { uid?: number; detached?: boolean } = {},
): Child {
  const script = join(import.meta.dirname, 'child.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...task], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...options,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next();
      return done ? 'ended' : value;
    },
    say: (word) => child.stdin.write(`${word}\n`),
    ended: new Promise((resolve) => child.on('close', () => resolve())),
  };
}
