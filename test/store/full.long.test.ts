// The store on a disk that is full or read-only: what was kept stays, what is refused says so, and the
// process lives.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { APIS, done, failed, withScene } from '../faults/scene.ts';

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
