// The young part of the heap, in processes of their own: it is V8's, and of the whole process.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { YOUNG_BYTES } from '../../src/cli/young.ts';

const test = suite('young');

function most(how: string): number {
  const program = join(import.meta.dirname, 'young.ts');
  const output = execFileSync(process.execPath, ['--import', 'tsx', program, how]);
  return JSON.parse(output.toString()).most;
}

test('it grows to its bound and no further', () => {
  assert.is(most('bound'), 2 * YOUNG_BYTES);
  assert.ok(most('free') > 2 * YOUNG_BYTES, 'nothing was to be bounded');
});

test.run();
