// Reading beside an owner: the owner's lock file is left alone, and what a guest reads stays what it was.

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { readStore } from '../../src/store/read.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryDirectory } from '../relay.ts';
import { Child } from './children.ts';

const OPENING = { owner: thisProcess(), isAlive };
const ROWS = 2000;

async function withStore(body: (store: Store, directory: string) => Promise<void>): Promise<void> {
  const directory = temporaryDirectory();
  try {
    const store = await openStore(directory, 'relay', OPENING);
    try {
      await body(store, directory);
    } finally {
      await store.close();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Writes all rows anew, so that every page is another one. */
function rewrite(store: Store, n: number): Promise<void> {
  const rows = store.bytes('rows');
  return store.batch(() => {
    for (let i = 0; i < ROWS; i++) rows.put(Buffer.from(`row ${i}`), Buffer.alloc(300, n));
  });
}

const guests = (directory: string) =>
  readdirSync(directory).filter((name) => name.includes('.guest-'));

/** Waits for the owner's next look, which cannot be seen otherwise. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await sleep(20);
}

const test = suite('store guests');

test('a guest has a lock file of his own, and one snapshot, though every page is written anew', () =>
  withStore(async (store, directory) => {
    await rewrite(store, 0);
    const child = new Child('read', directory);
    const ready = await child.line();
    assert.match(ready, /^ready /);
    if (existsSync('/proc/self/fd'))
      assert.match(ready, /^ready \S+\/relay\.lmdb\.guest-[^/,]+\/relay\.lmdb-lock$/);
    assert.is(guests(directory).length, 1);
    for (let n = 1; n <= 20; n++) await rewrite(store, n);
    child.go();
    assert.is(await child.line(), `${ROWS} 1`);
    assert.is(await child.line(), 'end');
    await child.ended;
    assert.equal(guests(directory), []);
  }));

test('when the guest is gone, or dead, his pages are used again', () =>
  withStore(async (store, directory) => {
    await rewrite(store, 0);
    const child = new Child('read', directory);
    await child.line();
    await rewrite(store, 1);
    await child.kill();
    await until(() => guests(directory).length === 0); // the owner tidies up
    await rewrite(store, 2);
    await rewrite(store, 3);
    const before = statSync(join(directory, 'relay.lmdb')).size;
    for (let n = 4; n < 20; n++) await rewrite(store, n);
    const after = statSync(join(directory, 'relay.lmdb')).size;
    assert.ok(after < before * 1.5, `${before} ${after}`);
  }));

test('an owner who starts while a guest reads leaves him his pages', async () => {
  const directory = temporaryDirectory();
  try {
    const first = await openStore(directory, 'relay', OPENING);
    await rewrite(first, 0);
    await first.close();
    const child = new Child('read', directory);
    await child.line();
    const second = await openStore(directory, 'relay', OPENING);
    for (let n = 1; n <= 20; n++) await rewrite(second, n);
    child.go();
    assert.is(await child.line(), `${ROWS} 1`);
    assert.is(await child.line(), 'end');
    await second.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('two guests of one process, one after the other', () =>
  withStore(async (store, directory) => {
    await rewrite(store, 0);
    for (let n = 0; n < 3; n++) {
      const reader = await readStore(directory, 'relay', OPENING);
      await reader.close();
    }
    assert.equal(guests(directory), []);
  }));

test('an owner who is stopped does not answer: store-busy, and nothing is left', async () => {
  const directory = temporaryDirectory();
  const child = new Child('open', directory);
  try {
    await child.until('ready');
    child.process.kill('SIGSTOP');
    let waited = 0;
    const clock = () => (waited += 3_000);
    await readStore(directory, 'relay', { ...OPENING, clock }).then(
      () => assert.unreachable(),
      (error: unknown) => {
        assert.ok(isFleximError(error, 'store-busy'), `${error}`);
        assert.ok((error as Error).message.includes(`${child.pid}, which does not answer`));
      },
    );
    assert.equal(guests(directory), []);
  } finally {
    await child.kill();
    rmSync(directory, { recursive: true });
  }
});

test.run();
