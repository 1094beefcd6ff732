// The store on a disk that is full, read-only or broken: what was kept stays, what fails says so, and the
// process lives. After a failure that leaves nothing to believe in, the store refuses everything.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fault } from '../faults/faults.ts';
import type { Said } from '../faults/process.ts';
import { APIS, done, type Scene, withScene } from '../faults/scene.ts';

function failed({ error }: Said, code: string, words: RegExp): void {
  assert.is(error?.name, 'FleximError', `${error?.code} ${error?.message}`);
  assert.is(error?.code, code, error?.message);
  assert.match(error?.message ?? '', words);
}

const TRIES = 20; // LMDB itself would die of so many

const full = suite('store: a full disk');

for (const api of APIS)
  full(`a ${api} is refused before LMDB meets it, as often as one likes; then all goes on`, () =>
    withScene(async (scene) => {
      const { faults, child, put, get } = scene;
      done(await put(api, 'before'));
      faults.on('full');
      for (let i = 0; i < TRIES; i++)
        failed(await put(api, `refused ${i}`), 'store-full', /is full: \d+ MiB more must be free/);
      assert.equal(faults.struck(), [], 'nothing was tried');
      assert.is(await get(api, 'before'), 'before');
      assert.is(await get(api, 'refused 0'), null);
      faults.off('full');
      done(await put(api, 'after'));
      done(await child.ask({ do: 'close' }));
      assert.is(await child.leave(), '0');
      assert.is(child.stderr, '');
      const next = await scene.restarted();
      assert.is(await next.get(api, 'before'), 'before');
      assert.is(await next.get(api, 'after'), 'after');
      assert.is(await next.get(api, 'refused 0'), null);
    }),
  );

for (const api of APIS)
  full(`a ${api} on a disk that says only at the sync that it is full`, () =>
    withScene(async ({ faults, put, get }) => {
      done(await put(api, 'before'));
      faults.on('full-sync');
      for (let i = 0; i < TRIES; i++)
        failed(await put(api, `refused ${i}`), 'store-full', /full \(ENOSPC\)/);
      assert.is(faults.struck().length, TRIES);
      assert.is(await get(api, 'before'), 'before');
      assert.is(await get(api, 'refused 0'), null);
      faults.off('full-sync');
      done(await put(api, 'after'));
      assert.is(await get(api, 'after'), 'after');
    }),
  );

full('a store is not opened on it, new or not; then it is', () =>
  withScene(
    async (scene) => {
      const { faults, child, directory } = scene;
      const open = () => child.ask({ do: 'open', directory });
      faults.on('full');
      failed(await open(), 'store-full', /MiB more must be free/);
      faults.off('full');
      done(await open());
      done(await scene.put('batch', 'kept'));
      done(await child.ask({ do: 'close' }));
      faults.on('full');
      failed(await open(), 'store-full', /MiB more must be free/);
      assert.equal(faults.struck(), []);
      faults.off('full');
      done(await open());
      assert.is(await scene.get('batch', 'kept'), 'kept');
    },
    { opened: false },
  ),
);

full('a read-only disk is refused in words', () =>
  withScene(
    async ({ faults, child, directory }) => {
      faults.on('read-only');
      const said = await child.ask({ do: 'open', directory });
      failed(said, 'store-unusable', /cannot open the store .*: that file system is read-only/);
      assert.ok(faults.struck().includes('open EROFS'));
    },
    { opened: false },
  ),
);

full.run();

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
