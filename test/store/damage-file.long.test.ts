// Stores whose file as a whole is damaged: heads, length, lists; and stores that are sound.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { recoverStore } from '../../src/store/recover.ts';
import { temporaryDirectory } from '../relay.ts';
import { examineAll, makeOriginal, OPENING } from './damage.ts';

const test = suite('store damage: the file');

test('every damage is found, or is none; what is recovered is true', async () => {
  const found = await examineAll('file', 0.5);
  assert.ok(
    found.some((name) => name.includes('in the list of free ones')),
    'LMDB would write over a page that is in use',
  );
});

test('a sound store is not changed by a recovery', async () => {
  const directory = temporaryDirectory();
  try {
    await makeOriginal(directory);
    const file = readFileSync(join(directory, 'relay.lmdb'));
    const result = await recoverStore(directory, 'relay', { ...OPENING, now: new Date(0) });
    assert.is(result.damage, null);
    assert.is(result.kept, null);
    assert.ok(file.equals(readFileSync(join(directory, 'relay.lmdb'))));
    assert.not(existsSync(join(directory, 'relay.lmdb.open')));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('recovery is for a store that nobody has open', async () => {
  const directory = temporaryDirectory();
  try {
    const store = await openStore(directory, 'relay', OPENING);
    await assertBusy(directory);
    await store.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

async function assertBusy(directory: string): Promise<void> {
  try {
    await recoverStore(directory, 'relay', { ...OPENING, now: new Date(0) });
  } catch (error) {
    return assert.ok(isFleximError(error, 'store-busy'), `${error}`);
  }
  assert.unreachable();
}

test.run();
