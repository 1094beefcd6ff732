// The random histories of mailbox, outlet and window, many more of them, and others at every run. A
// failure shows its seed.

import { randomBytes, randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mock } from 'node:test';
import { suite } from 'uvu';
import { Store } from '../../src/store/store.ts';
import { histories } from '../histories.ts';
import { temporaryDirectory } from '../relay.ts';
import { steps as mailboxSteps, Twin } from './mailbox-model.ts';
import { mapStore } from './map-store.ts';
import { steps as outletSteps, World } from './outlet-model.ts';
import { Pair, steps as windowSteps } from './window-model.ts';

const newKey = () => randomBytes(32).toString('hex');
const runs = (numRuns: number) => ({ seed: randomInt(2 ** 31), numRuns });

const test = suite('histories of the queue');

test('mailboxes over Maps', () => {
  const store = mapStore();
  return histories(mailboxSteps, (history) => new Twin(newKey(), store).run(history), runs(700));
});

test('mailboxes over the store', async () => {
  const data = temporaryDirectory();
  const store = new Store(data, 'relay');
  try {
    await histories(mailboxSteps, (history) => new Twin(newKey(), store).run(history), runs(60));
  } finally {
    await store.close();
    rmSync(data, { recursive: true });
  }
});

test('windows', () =>
  histories(windowSteps(2_000), async (history) => new Pair().run(history), runs(150)));

test.run();

const outlets = suite('histories of outlets');

outlets.before(() => mock.timers.enable({ apis: ['setTimeout'] }));
outlets.after(() => mock.timers.reset());

for (const durable of [false, true])
  outlets(durable ? 'durable' : 'not durable', () =>
    histories(outletSteps, (history) => new World(durable).run(history), runs(2_500)),
  );

outlets.run();
