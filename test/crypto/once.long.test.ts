// Key pairs while the memory is tidied up. Node 20 can wait for itself there, for ever (src/crypto/once.ts): about every
// second of these processes did with an export of the public key, most of them in their first thousands.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('many key pairs');

const PROCESSES = 16;
const PAIRS = 6_000; // 2 s
const HANGS_MS = 60_000;

test('a process that makes thousands of key pairs comes to its end', () => {
  const program = join(import.meta.dirname, 'pairs.ts');
  const args = ['--max-semi-space-size=1', '--import', 'tsx', program, `${PAIRS}`];
  for (let i = 0; i < PROCESSES; i++)
    assert.is(
      execFileSync(process.execPath, args, { timeout: HANGS_MS, encoding: 'latin1' }),
      'made',
    );
});

test.run();
