// Opening and closing a store, killed at every step of both.

import { existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { leaveOpen, look, marker, STEPS, scene } from './scene.ts';

const killed = suite('store opening: killed');

for (const step of STEPS)
  killed(
    `at '${step}' of the first opening: the next one checks and goes on`,
    scene(async (directory, start) => {
      const child = start(step);
      assert.is(await child.until(step), step);
      await child.kill();
      assert.ok(existsSync(marker(directory)));
      assert.ok((await look(directory)).steps.includes('checked'));
      assert.not((await look(directory)).steps.includes('checked'), 'closed in good order');
    }),
  );

for (const step of ['checked', 'opened', 'claiming', 'claimed'] as const)
  killed(
    `at '${step}' of an opening after a death: the next one checks, and nothing is lost`,
    scene(async (directory, start) => {
      const first = await leaveOpen(start);
      const child = start(step);
      await child.until(step);
      await child.kill();
      const { pids, steps } = await look(directory);
      assert.equal(pids, [first]);
      assert.ok(steps.includes('checked'));
    }),
  );

killed(
  'while it was open, and in the last step of closing',
  scene(async (directory, start) => {
    const first = await leaveOpen(start);
    const child = start('closed');
    await child.until('ready');
    child.go();
    assert.is(await child.until('closed'), 'closed');
    await child.kill();
    const { pids, steps } = await look(directory);
    assert.equal(
      pids,
      [first, child.pid].sort((a, b) => a - b),
    );
    assert.ok(steps.includes('checked'), 'the marker was still there');
  }),
);

killed.run();
