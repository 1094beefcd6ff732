// A short fuzz of every target with a fixed seed, and the fuzzer itself: it repeats, and it goes red.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FleximError } from '../src/lib/errors.ts';
import { count } from './count.ts';
import { input, random } from './fuzz/inputs.ts';
import { fuzz, type Outcome } from './fuzz/run.ts';
import { TARGETS, type Target } from './fuzz/targets.ts';

const COUNT = count(500, 10_000);
const test = suite('fuzz');

for (const target of TARGETS)
  test(`${target.name}: ${COUNT / (target.cost ?? 1)} inputs`, async () => {
    const [outcome] = await fuzz([target], { count: COUNT, seed: 1 });
    const { failure, inputs, accepted } = outcome as Outcome;
    assert.is(failure, null);
    assert.ok(accepted > inputs / 100, `accepted only ${accepted} of ${inputs}`);
  });

test('the names are all different', () => {
  assert.is(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
});

const seeds = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(0xff, 0, 0xff)];

test('the same seed gives the same inputs, another one others, and seeds stay as they are', () => {
  const inputs = (seed: number) => {
    const next = random(seed);
    return Array.from({ length: 200 }, () => Buffer.from(input(next, seeds)).toString('hex'));
  };
  assert.equal(inputs(1), inputs(1));
  assert.not.equal(inputs(1), inputs(2));
  assert.ok(new Set(inputs(1)).size > 100);
  assert.equal(seeds, [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(0xff, 0, 0xff)]);
});

test('anything thrown that is no FleximError fails, with the input as hex', async () => {
  const run = async (parse: Target['parse']) =>
    (await fuzz([{ name: 'x', seeds, parse }], { count: 500, seed: 1 }))[0]?.failure ?? null;
  const when = (error: unknown) => (bytes: Uint8Array) => {
    if (bytes[0] === 0xff) throw error;
  };
  assert.is(await run(when(new FleximError('malformed', 'fine'))), null);
  assert.match(
    (await run(when(new TypeError('oops')))) ?? '',
    /^input \d+ \(ff[0-9a-f]*\): TypeError: oops/,
  );
  assert.match((await run(when('a string'))) ?? '', /: a string$/);
  assert.match((await run(async (bytes) => when('late')(bytes))) ?? '', /: late$/);
});

test('a target with a cost gets fewer inputs', async () => {
  let calls = 0;
  const parse = () => {
    calls++;
  };
  const [outcome] = await fuzz([{ name: 'x', seeds, parse, cost: 20 }], { count: 90, seed: 1 });
  assert.equal([outcome?.inputs, outcome?.accepted, calls], [5, 5, 5]);
});

test('an input that takes more than a second fails', async () => {
  const { now } = performance;
  let time = 0;
  performance.now = () => time;
  try {
    const takes = (ms: number): Target => {
      const parse = () => {
        time += ms;
      };
      return { name: 'x', seeds, parse };
    };
    const run = async (ms: number) => (await fuzz([takes(ms)], { count: 5, seed: 1 }))[0]?.failure;
    assert.match((await run(1001)) ?? '', /took 1001 ms/);
    assert.is(await run(999), null);
  } finally {
    performance.now = now;
  }
});

test.run();
