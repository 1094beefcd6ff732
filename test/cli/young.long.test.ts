// The young part of the heap, in processes of their own: it is V8's, and of the whole process.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { YOUNG_BYTES } from '../../src/cli/young.ts';
import { RelayProcess, withHome } from './program.ts';

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

// In the relay: says when the flag is set, which V8 does not tell.
const HEARD = `data:text/javascript,
import v8 from 'node:v8';
import { syncBuiltinESMExports } from 'node:module';
const set = v8.setFlagsFromString;
v8.setFlagsFromString = (flag) => {
  set(flag);
  console.error(JSON.stringify({ msg: flag.replace(/=.*/, '') }));
};
syncBuiltinESMExports();`;

test(
  'a relay bounds it, and looks again; no helper is woken for a scavenge',
  withHome(async (home) => {
    const relay = new RelayProcess(home, [], { node: ['--import', HEARD] });
    try {
      await relay.logged('--no-parallel-scavenge');
      await relay.logged('--semi-space-growth-factor', 2);
    } finally {
      await relay.stop('SIGKILL');
    }
  }),
);

test.run();
