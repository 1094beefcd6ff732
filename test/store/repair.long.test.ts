// Compaction, import and recovery, killed at every step and at random: a good store is left, the old one
// or the new one.

import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { compactStore } from '../../src/store/compact.ts';
import { exportStore } from '../../src/store/dump.ts';
import { openStore } from '../../src/store/open.ts';
import { readStore } from '../../src/store/read.ts';
import { recoverStore } from '../../src/store/recover.ts';
import { temporaryDirectory } from '../relay.ts';
import { Child } from './children.ts';

const OPENING = { owner: thisProcess(), isAlive };
const ROWS = 20_000;

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function keyOf(n: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(n);
  return key;
}

/** Many rows, most of which were removed again. */
async function fill(directory: string): Promise<void> {
  const store = await openStore(directory, 'relay', OPENING);
  const rows = store.bytes('rows');
  for (let part = 0; part < 2; part++)
    await store.batch(() => {
      for (let n = 0; n < ROWS; n++)
        if (part === 0) rows.put(keyOf(n), Buffer.alloc(300, n));
        else if (n % 10 !== 0) rows.remove(keyOf(n));
    });
  await store.close();
}

/** That all is there, that nothing is left over, and that the files are ours alone. */
async function whole(directory: string, count = ROWS / 10): Promise<void> {
  const store = await openStore(directory, 'relay', OPENING);
  const found = [...store.bytes('rows').entries()];
  await store.close();
  assert.is(found.length, count);
  for (const [key, value] of found)
    assert.ok(value.equals(Buffer.alloc(300, key.readUInt32BE())), key.toString('hex'));
  const others = /\.(damaged|guest)-/; // a guest is a reader who has not left yet
  const names = readdirSync(directory).filter((name) => !others.test(name));
  assert.equal(names.sort(), ['relay.lmdb', 'relay.lmdb-lock']);
  for (const name of names) assert.is(statSync(join(directory, name)).mode & 0o777, 0o600, name);
}

const bytesIn = (directory: string) => statSync(join(directory, 'relay.lmdb')).size;

const compaction = suite('store compact');

compaction('gives space back, keeps every row and the modes, and the store goes on', () =>
  withDirectory(async (directory) => {
    await fill(directory);
    const { before, after } = await compactStore(directory, 'relay', OPENING);
    assert.ok(after < before / 8, `${before} ${after}`);
    assert.is(bytesIn(directory), after);
    await whole(directory);
    await compactStore(directory, 'relay', OPENING);
    const store = await openStore(directory, 'relay', OPENING);
    await store.batch(() => store.bytes('rows').put(keyOf(1), Buffer.alloc(300, 1)));
    await store.close();
    await whole(directory, ROWS / 10 + 1);
  }),
);

compaction('is refused while somebody has the store open', () =>
  withDirectory(async (directory) => {
    const store = await openStore(directory, 'relay', OPENING);
    await compactStore(directory, 'relay', OPENING).then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(isFleximError(error, 'store-busy')),
    );
    await store.close();
  }),
);

for (const step of ['claimed', 'copied', 'closed', 'swapped'] as const)
  compaction(`killed at '${step}'`, () =>
    withDirectory(async (directory) => {
      await fill(directory);
      const child = new Child('compact', directory, step);
      assert.is(await child.until(step), step);
      await child.kill();
      await whole(directory);
    }),
  );

compaction('killed at random moments, again and again', () =>
  withDirectory(async (directory) => {
    await fill(directory);
    const began = performance.now();
    const timed = new Child('compact', directory);
    await timed.until('done');
    await timed.ended;
    const took = performance.now() - began;
    let finished = 0;
    for (let round = 0; round < 12; round++) {
      await fill(directory);
      const child = new Child('compact', directory);
      await sleep(took * (0.5 + round / 24));
      await child.kill();
      if ((await child.until('done')) === 'done') finished++;
      await whole(directory);
    }
    assert.ok(finished < 12, 'some were killed in time');
  }),
);

for (const more of [0, 1]) // transactions: LMDB's heads take turns
  compaction(
    `a reader of the old file is not disturbed, nor are those of the new one, ${more}`,
    () =>
      withDirectory(async (directory) => {
        await fill(directory);
        const store = await openStore(directory, 'relay', OPENING);
        for (let n = 0; n < more; n++)
          await store.batch(() => store.bytes('rows').put(keyOf(0), Buffer.alloc(300)));
        await store.close();
        const reader = await readStore(directory, 'relay', OPENING);
        const child = new Child('compact', directory);
        assert.is(await child.until('done'), 'done');
        await child.ended;
        let lines = 0;
        await exportStore(reader, async (text) => {
          lines += text.split('\n').length - 1;
        });
        assert.is(lines, ROWS / 10 + 3);
        await whole(directory); // opened while the old reader is still there
        await reader.close();
        await whole(directory);
        assert.not.ok(readdirSync(directory).some((name) => name.includes('.guest-')));
      }),
  );

compaction.run();

const others = suite('store import and recover');

others('an import that is killed leaves an empty store, or the whole of it', () =>
  withDirectory(async (place) => {
    await fill(join(place, 'from'));
    const reader = await readStore(join(place, 'from'), 'relay', OPENING);
    let text = '';
    await exportStore(reader, async (more) => {
      text += more;
    });
    await reader.close();
    const file = join(place, 'export');
    writeFileSync(file, text);
    for (const [step, count] of [
      ['claimed', 0],
      ['copied', 0],
      ['closed', ROWS / 10],
      ['swapped', ROWS / 10],
    ] as const) {
      const directory = join(place, step);
      const child = new Child('import', directory, step, file);
      assert.is(await child.until(step), step);
      await child.kill();
      await whole(directory, count);
    }
  }),
);

others(
  'a recovery that is killed leaves the damaged store, or the new one; both files are there',
  () =>
    withDirectory(async (place) => {
      for (const step of ['copied', 'swapped']) {
        const directory = join(place, step);
        await fill(directory);
        await compactStore(directory, 'relay', OPENING);
        const file = readFileSync(join(directory, 'relay.lmdb'));
        file.fill(0, 20 * 4096, 21 * 4096);
        writeFileSync(join(directory, 'relay.lmdb'), file);
        writeFileSync(join(directory, 'relay.lmdb.open'), '{}\n');
        const child = new Child('recover', directory, step);
        assert.is(await child.until(step), step);
        await assertBusy(directory);
        await child.kill();
        if (step === 'copied') {
          assert.ok(file.equals(readFileSync(join(directory, 'relay.lmdb'))));
          const again = await recoverStore(directory, 'relay', { ...OPENING, now: new Date(0) });
          assert.ok(again.damage?.includes('page'));
        }
        const kept = readdirSync(directory).filter((name) => name.includes('.damaged-'));
        assert.equal(kept, ['relay.lmdb.damaged-19700101-000000']);
        assert.ok(file.equals(readFileSync(join(directory, kept[0] ?? ''))));
        const store = await openStore(directory, 'relay', OPENING);
        const rows = [...store.bytes('rows').entries()].length;
        await store.close();
        assert.ok(rows < ROWS / 10 && rows > (ROWS / 10) * 0.9, `${rows}`);
        assert.not(existsSync(join(directory, 'relay.lmdb.new')));
      }
    }),
);

async function assertBusy(directory: string): Promise<void> {
  for (const work of [
    () => openStore(directory, 'relay', OPENING),
    () => recoverStore(directory, 'relay', { ...OPENING, now: new Date(0) }),
  ])
    await work().then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(isFleximError(error, 'store-busy'), `${error}`),
    );
}

others.run();
