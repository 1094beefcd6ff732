// The store on a broken disk: after a failure that leaves nothing to believe in it refuses everything, and
// nothing that is asked of it hangs. What was kept is there after a restart.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fault } from '../faults/faults.ts';
import { APIS, done, failed, type Scene, withScene } from '../faults/scene.ts';

/** What leaves nothing to believe in. */
const BROKEN: readonly (readonly [Fault, RegExp])[] = [
  ['short-pages', /EIO/],
  ['eio-sync', /EIO/],
  ['eio-meta', /EIO/],
  ['short-meta', /EIO/],
  ['full-meta', /ENOSPC/],
];

/** One failure, and from then on everything is refused and nothing hangs. */
async function refusesAll({ faults, child, put }: Scene, [fault, words]: (typeof BROKEN)[number]) {
  faults.on(fault);
  failed(await put('batch', 'lost'), 'store-failed', words);
  faults.off(fault);
  assert.is(faults.struck().length, 1);
  for (const api of APIS) {
    failed(await put(api, 'later'), 'store-failed', words);
    failed(await child.ask({ do: 'get', api, key: 'before' }), 'store-failed', words);
  }
  done(await child.ask({ do: 'close' }));
  assert.is(await child.leave(), '0');
}

const broken = suite('store: a broken disk');

/** After a restart: what was kept, and that alone. */
async function keptOnly(scene: Scene): Promise<void> {
  const next = await scene.restarted();
  for (const api of APIS) {
    assert.is(await next.get(api, 'before'), 'before');
    assert.is(await next.get(api, 'lost'), null);
    assert.is(await next.get(api, 'later'), null);
    done(await next.put(api, 'later'));
  }
}

for (const each of BROKEN)
  broken(`${each[0]}: store-failed, then nothing is believed; what was kept is there`, () =>
    withScene(async (scene) => {
      for (const api of APIS) done(await scene.put(api, 'before'));
      await refusesAll(scene, each);
      await keptOnly(scene);
    }),
  );

// LMDB runs over a buffer of its own here (src/store/room.ts), and may die of it at any time.
for (const [fault, words] of [
  ['full-pages', /ENOSPC/],
  ['eio-pages', /EIO/],
] as const)
  broken(`${fault}, behind our back: store-failed or death; what was kept is there`, () =>
    withScene(async (scene) => {
      for (const api of APIS) done(await scene.put(api, 'before'));
      scene.faults.on(fault);
      const said = await scene.put('batch', 'lost');
      if (said.error?.name === 'ended') assert.match(said.error.code, /^SIG(ABRT|SEGV)$/);
      else failed(said, 'store-failed', words);
      scene.faults.off(fault);
      await keptOnly(scene);
    }),
  );

broken.run();
