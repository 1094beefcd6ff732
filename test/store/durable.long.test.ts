// A promise of the store is kept when the disk has it, and not before: a process keeps a store, and
// test/faults/ holds its syncs at a gate. Then the same with stores that are broken on purpose.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { copyOf } from '../faults/copy.ts';
import type { Api } from '../faults/process.ts';
import { APIS, done, type Scene, withScene } from '../faults/scene.ts';

const GATES = ['sync', 'meta'] as const; // the pages, and the page that points to them
type Gate = (typeof GATES)[number];

const TURNS = 1_000;

/** With the gate closed nothing is kept or visible, whatever else the process gets done; then it is. */
async function waitsForDisk(
  { faults, child, put, get }: Scene,
  api: Api,
  gate: Gate,
): Promise<void> {
  const returned = faults.returned(gate);
  faults.on(`hold-${gate}`);
  let isKept = false;
  const kept = put(api, 'held').then((said) => {
    isKept = true;
    done(said);
    return faults.returned(gate);
  });
  await Promise.race([faults.entered(), kept]);
  // The channel keeps the order, so what was kept before these turns would be known by now.
  done(await child.ask({ do: 'turns', count: TURNS }));
  assert.is(faults.returned(gate), returned, 'the gate is closed');
  assert.not.ok(isKept, 'kept before the sync returned');
  assert.is(await get(api, 'held'), null, 'visible before the sync returned');
  faults.off(`hold-${gate}`);
  assert.is(await kept, returned + 1);
  assert.is(await get(api, 'held'), 'held');
}

const durable = suite('store: durable');

for (const api of APIS)
  for (const gate of GATES)
    durable(`a ${api} is kept when its ${gate} has returned, and not before`, () =>
      withScene((scene) => waitsForDisk(scene, api, gate)),
    );

for (const api of APIS)
  durable(`what ${api} kept is there after kill -9, what waits at the gate is not`, () =>
    withScene(async (scene) => {
      const { faults, put, child } = scene;
      done(await put(api, 'kept'));
      faults.on('hold-sync');
      const held = put(api, 'held');
      await faults.entered();
      assert.is(await child.kill(), 'SIGKILL');
      assert.is((await held).error?.code, 'SIGKILL');
      faults.off('hold-sync');
      const { get } = await scene.restarted();
      assert.is(await get(api, 'kept'), 'kept');
      assert.is(await get(api, 'held'), null);
    }),
  );

durable.run();

const EARLY = 'kept before the sync returned';
const VISIBLE = 'visible before the sync returned';

/** Settings of LMDB that promise or show too early, and the gate at which that comes out. */
const MUTANTS = [
  { to: 'overlappingSync: false, noSync: true', gate: 'sync', red: EARLY },
  { to: 'overlappingSync: false, noSync: true', gate: 'meta', red: EARLY },
  { to: 'overlappingSync: false, noMetaSync: true', gate: 'meta', red: EARLY },
  { to: 'overlappingSync: true', gate: 'sync', red: VISIBLE },
] as const;

const mutants = suite('store: durable, broken on purpose');

for (const { to, gate, red } of MUTANTS)
  for (const api of APIS)
    mutants(`with ${to} the test of ${api} at the ${gate} gate is red`, async () => {
      const patch = { folder: 'src/store', from: 'overlappingSync: false', to };
      const copy = copyOf(['src'], patch);
      try {
        const scene = withScene((each) => waitsForDisk(each, api, gate), { root: copy.path });
        const error = await scene.then(
          () => null,
          (reason: Error) => reason,
        );
        assert.is(error?.message, red);
      } finally {
        copy.remove();
      }
    });

mutants.run();
