// The order that everything rests on: commit, acknowledge, tell, effects. A failed batch does none of it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { begin, newCore, SIZES } from '../../src/client/core.ts';
import { Runner } from '../../src/client/runner.ts';
import { openState } from '../../src/client/state.ts';
import { Vault } from '../../src/client/vault.ts';
import { newIdentity } from '../../src/crypto/identity.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { MemoryStore } from './memory.ts';

function made() {
  const store = new MemoryStore();
  const log: string[] = [];
  const opened = openState(new Vault(store, new Uint8Array(32), randomBytes), 'memory');
  const host = { random: randomBytes, sizes: SIZES, now: () => 1, count: () => {} };
  const core = newCore(newIdentity(), opened.state, host);
  const runner = new Runner({
    ...{ core, opened, settle: () => {}, carryOut: ({ kind }) => void log.push(kind) },
    failed: () => void log.push('failed'),
  });
  const { batch } = store;
  store.batch = (work) => batch.call(store, work).then(() => void log.push('kept'));
  return { store, log, core, runner };
}

const test = suite('client: runner');

test('rows first, then the acknowledgement, then effects; what came together is one batch', async () => {
  const { log, runner, store } = made();
  const step = () =>
    runner.step(
      (core) => {
        begin(core);
        core.effects.push({ kind: 'count' });
        log.push('work');
      },
      () => void log.push('done'),
    );
  await Promise.all([step(), step()]);
  assert.equal(log, ['work', 'work', 'kept', 'done', 'count', 'done', 'count']);
  assert.is(store.batches, 1);
});

test('a batch that fails is taken back, and nothing of it is acknowledged or carried out', async () => {
  const { log, core, runner, store } = made();
  store.before = () => {
    throw new Error('full');
  };
  const result = runner.step(
    (core) => {
      begin(core);
      core.effects.push({ kind: 'count' });
    },
    () => void log.push('done'),
  );
  assert.is(await result.catch((error: Error) => error.message), 'full');
  assert.equal(log, ['failed']);
  assert.is(core.state.own.get('own'), undefined);
});

test('a step that throws is taken back alone', async () => {
  const { core, runner } = made();
  const bad = runner.step((core) => {
    begin(core);
    throw new Error('no');
  });
  const good = runner.step((core) => core.state.own.get('own') === undefined);
  assert.is(await bad.catch((error: Error) => error.message), 'no');
  assert.is(await good, true);
  assert.is(core.state.own.get('own'), undefined);
});

test.run();
