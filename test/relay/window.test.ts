// The window against its slow twin, with an output that is made of blocks as a connection makes them.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Window } from '../../src/relay/window.ts';
import { count } from '../count.ts';
import { histories } from '../histories.ts';
import { Pair, type Step, steps } from './window-model.ts';

const test = suite('window');

for (const [name, maxLength, numRuns] of [
  ['short', 40, count(200, 1_000)],
  ['long', 600, count(15, 40)],
] as const)
  test(`does what its slow twin does, in ${name} histories`, async () => {
    let taken = 0;
    let most = 0;
    const run = async (history: readonly Step[]) => {
      const pair = new Pair();
      pair.run(history);
      taken += pair.taken;
      most = Math.max(most, pair.most);
    };
    await histories(steps(maxLength), run, { seed: 20_260_701, numRuns });
    assert.ok(taken > numRuns, `${taken} were taken`);
    assert.ok(most > maxLength / 6, `${most} at most`);
  });

test('an idle one owns nothing, and grows and goes round without losing anything', () => {
  const window = new Window();
  assert.equal([window.count, window.bytes, window.held], [0, 0, 0]);
  assert.is(window.firstEnd, Number.POSITIVE_INFINITY);
  let [pushed, shifted] = [0, 0];
  for (let round = 1; round <= 200; round++) {
    for (let i = 0; i < round; i++) window.push(++pushed, null, pushed * 10, 10);
    while (window.count > round / 2) {
      assert.is(window.firstEnd, (shifted + 1) * 10 + 10);
      assert.is(window.shift(), ++shifted);
    }
  }
  while (window.count > 0) assert.is(window.shift(), ++shifted);
  assert.is(shifted, pushed);
});

test('what is on the disk, or not needed, keeps no output', () => {
  const window = new Window();
  window.push(1, null, 0, 10);
  window.push(0, null, 10, 10);
  window.keep(0, Buffer.allocUnsafeSlow(20), 20);
  assert.is(window.held, 0);
  window.push(2, 'a', 20, 10);
  window.keep(20, Buffer.allocUnsafeSlow(10), 10);
  assert.is(window.held, 10);
  assert.is([...window.takeNeeded()].length, 1);
  assert.is(window.held, 0);
  window.keep(30, Buffer.allocUnsafeSlow(10), 10);
  assert.is(window.held, 0);
});

test('numbers and places go as far as a connection can', () => {
  const window = new Window();
  const far = 2 ** 48 - 1;
  window.push(far, 'a', far, 5);
  window.keep(far - 3, Buffer.from('...after'), 8);
  const [sent] = [...window.takeNeeded()];
  assert.equal([sent?.number, sent?.frame.toString()], [far, 'after']);
  assert.is(window.shift(), far);
});

test.run();
