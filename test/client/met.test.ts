// Who is met directly, by a clock that the test holds: when silence ends it, and what is no answer.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Met } from '../../src/client/met.ts';

const test = suite('met');

const SILENCE = 100;
const KEY = 'bob';

function world() {
  const turns: boolean[] = [];
  let now = 1_000;
  const met = new Met({
    ...{ silenceMs: SILENCE, lookMs: 10, now: () => now, prove: () => {} },
    turned: (_, isDirect) => turns.push(isDirect),
  });
  const after = (ms: number) => {
    now += ms;
    met.look();
  };
  met.arrived(KEY, { name: 'bob', spr: null, since: 0 });
  met.heard(KEY, 0);
  return { met, turns, after };
}

test('what he should answer and does not ends it, once', () => {
  const { met, turns, after } = world();
  met.said(KEY, 'a');
  after(SILENCE - 1);
  assert.equal(turns, [true]);
  after(1);
  after(SILENCE);
  assert.equal(turns, [true, false]);
});

test('what he says otherwise is no answer: it may have been on its way before', () => {
  const { met, turns, after } = world();
  met.said(KEY, 'a');
  met.heard(KEY, 1);
  after(SILENCE);
  assert.equal(turns, [true, false]);
});

test('who answers everything in time stays, however busy it is', () => {
  const { met, turns, after } = world();
  for (let n = 0; n < 50; n++) {
    met.said(KEY, `${n}`);
    after(SILENCE / 2 - 1);
    if (n > 0) met.answered(KEY, `${n - 1}`);
  }
  met.said(KEY, null);
  met.answered(KEY, '49');
  after(10 * SILENCE);
  assert.equal(turns, [true]);
});

test('what is sent again is not younger for it', () => {
  const { met, turns, after } = world();
  met.said(KEY, 'a');
  after(SILENCE / 2);
  met.said(KEY, 'a');
  after(SILENCE / 2);
  assert.equal(turns, [true, false]);
});

test.run();
