// A store that two and three processes open at once, stopped and killed at every step.

import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { leaveOpen, look, marker, markerPid, STEPS, scene } from './scene.ts';

const two = suite('store opening: two');

for (const step of STEPS)
  two(
    `the other is at '${step}' of a clean opening: busy at once, with its pid, and it gets the store`,
    scene(async (directory, start) => {
      const first = start(step);
      await first.until(step);
      const second = start();
      const refusal = await second.until('ready', 'store-');
      assert.match(refusal, new RegExp(`^store-busy .* process ${first.pid};`));
      first.go();
      assert.is(await first.until('ready', 'store-'), 'ready');
      assert.is(markerPid(directory), first.pid);
      first.go();
      assert.is(await first.until('end'), 'end');
      assert.equal((await look(directory)).pids, [first.pid]);
    }),
  );

for (const step of ['checked', 'opened'] as const)
  two(
    `the other is at '${step}' after a death: whoever claims has it, and keeps his marker`,
    scene(async (directory, start) => {
      await leaveOpen(start);
      const first = start(step);
      await first.until(step);
      const second = start();
      assert.is(await second.until('ready', 'store-'), 'ready');
      first.go();
      const refusal = await first.until('ready', 'store-');
      assert.match(refusal, new RegExp(`^store-busy .* process ${second.pid};`));
      assert.is(markerPid(directory), second.pid);
    }),
  );

two(
  'the other is inside its claim after a death: the second waits, and is refused',
  scene(async (directory, start) => {
    await leaveOpen(start);
    const first = start('claiming');
    await first.until('claiming');
    const second = start();
    await second.until('checked'); // opening it waits for the claim
    first.go();
    assert.is(await first.until('ready', 'store-'), 'ready');
    assert.match(await second.until('ready', 'store-'), new RegExp(`process ${first.pid};`));
    assert.is(markerPid(directory), first.pid);
  }),
);

two(
  'the other came and went in good order during the check: no second check is needed',
  scene(async (directory, start) => {
    await leaveOpen(start);
    const first = start('checked');
    await first.until('checked');
    await look(directory);
    first.go();
    assert.is(await first.until('ready', 'store-'), 'ready');
    assert.is(first.said.filter((line) => line === 'checked').length, 1);
    assert.is(markerPid(directory), first.pid);
  }),
);

two(
  'the other came and was killed during the check: what it left is checked, too',
  scene(async (_directory, start) => {
    await leaveOpen(start);
    const first = start('checked');
    await first.until('checked');
    await leaveOpen(start);
    first.go();
    await first.until('checked');
    first.go();
    assert.is(await first.until('ready', 'store-'), 'ready');
  }),
);

two(
  'without its marker, the claim inside the store protects an owner, and tells of a dead one',
  scene(async (directory, start) => {
    const first = start();
    await first.until('ready');
    rmSync(marker(directory));
    const second = start();
    assert.match(await second.until('ready', 'store-'), new RegExp(`process ${first.pid};`));
    assert.not(existsSync(marker(directory)), 'who was refused takes his marker with him');
    await first.kill();
    assert.ok((await look(directory)).steps.includes('checked'));
  }),
);

two(
  'a marker that is empty or cut short names nobody: the store is checked',
  scene(async (directory, start) => {
    const pid = await leaveOpen(start);
    for (const text of ['', '{"pid":1,"sta', 'null', '[]', '{"pid":-1}', '{"pid":"1"}']) {
      writeFileSync(marker(directory), text);
      const { pids, steps } = await look(directory);
      assert.equal(pids, [pid]);
      assert.ok(steps.includes('checked'), text);
    }
  }),
);

two.run();

const three = suite('store opening: three');

three(
  'after a death, three that have checked: exactly one has the store',
  scene(async (directory, start) => {
    await leaveOpen(start);
    const all = [start('checked'), start('checked'), start('checked')];
    for (const child of all) await child.until('checked');
    for (const child of all) child.go();
    const ends = await Promise.all(all.map((child) => child.until('ready', 'store-')));
    const winner = all[ends.indexOf('ready')];
    assert.ok(winner, ends.join());
    assert.is(ends.filter((end) => end === 'ready').length, 1);
    for (const end of ends.filter((each) => each !== 'ready'))
      assert.match(end, new RegExp(`^store-busy .* process ${winner.pid};`));
    assert.is(markerPid(directory), winner.pid);
  }),
);

three(
  'one is stopped with a check that is old by now, one opens and closes, one begins: the last has it',
  scene(async (directory, start) => {
    await leaveOpen(start);
    const old = start('claiming');
    await old.until('checked');
    await old.until('claiming'); // inside its claim, so the next one waits for it
    const second = start('checked');
    await second.until('checked');
    old.go();
    assert.is(await old.until('ready', 'store-'), 'ready');
    old.go();
    assert.is(await old.until('end'), 'end');
    const third = start('marked');
    await third.until('marked');
    second.go();
    assert.match(await second.until('ready', 'store-'), new RegExp(`process ${third.pid};`));
    third.go();
    assert.is(await third.until('ready', 'store-'), 'ready');
    assert.is(markerPid(directory), third.pid);
  }),
);

three(
  'many at once, killed at random: no two ever have it, and nothing kept is lost',
  scene(async (directory, start) => {
    const kept: number[] = [];
    for (let round = 0; round < 4; round++) {
      const all = [start(), start(), start()];
      const ends = await Promise.all(all.map((child) => child.until('ready', 'store-')));
      const open = all.filter((_, i) => ends[i] === 'ready');
      assert.is(open.length, 1, ends.join());
      kept.push(...open.map(({ pid }) => pid));
      await Promise.all(all.map((child) => child.kill()));
    }
    assert.equal(
      (await look(directory)).pids,
      kept.sort((a, b) => a - b),
    );
  }),
);

three.run();
