// The planted faults still have their places in what is built; `npm run chaos -- --planted` runs them.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FAULTS, plant } from './planted.ts';
import { SCENARIOS } from './scenarios.ts';

const test = suite('faults planted in the relay');

for (const fault of FAULTS)
  test(`${fault.name} has its place, and a scenario to be found in`, () => {
    assert.ok(SCENARIOS.some(({ name }) => name === fault.scenario));
    const { root, remove } = plant(fault);
    const bundles = join(root, 'dist/programs');
    assert.not.ok(existsSync(bundles), 'they would run in the place of what was edited');
    remove();
    assert.not.ok(existsSync(root));
  });

test('a fault whose place is gone, or not the only one, is refused, and leaves nothing', () => {
  const [fault] = FAULTS;
  assert.ok(fault);
  for (const find of ['what nobody wrote', 'this'])
    assert.throws(() => plant({ ...fault, find }), /want once/);
});

test('the place is looked for in the build', () => {
  assert.ok(
    existsSync(join(import.meta.dirname, '../../dist/cli/relay.js')),
    'npm run build first',
  );
});

test.run();
