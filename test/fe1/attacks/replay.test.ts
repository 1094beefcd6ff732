// The same bytes again, to whomever: docs/protocols/fe1.md §6.4 and §9. Everything opens once.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attempt,
  friends,
  hear,
  invite,
  pair,
  person,
  refuses,
  refusesDuplicate,
  say,
  session,
  side,
  stolen,
} from '../pair.ts';

const test = suite('FE1 attacks: replay');

for (const otk of [true, false])
  test(`an INIT ${otk ? 'with' : 'without'} a one-time key opens one session, for ever`, () => {
    const { A, B } = pair(`replay ${otk}`, { otk });
    const init = say(A, 'hello');
    const early = say(A, 'also an INIT');
    hear(B, init);
    refusesDuplicate(() => attempt(B, init), 'at once');
    assert.is(hear(B, early), 'also an INIT');
    refusesDuplicate(() => attempt(B, early));
    for (let i = 0; i < 20; i++) {
      hear(A, say(B, 'b'));
      hear(B, say(A, 'a'));
    }
    refuses(() => attempt(B, init), undefined, 'after many turns: its chain is forgotten');
    refuses(() => attempt(B, early));
    const kept = stolen(B);
    kept.session = null;
    refuses(() => attempt(kept, init), undefined, 'after the session was deleted: tombstone');
    kept.inits.clear();
    if (otk)
      refuses(() => attempt(kept, init), undefined, 'the OTK is gone, whatever is forgotten');
    else assert.ok(attempt(kept, init).opened, 'only the tombstone stands between: keep it');
  });

test('an INIT that failed may still come whole', () => {
  const { A, B } = pair('retry');
  const init = say(A, 'hello');
  refuses(() => attempt(B, init.subarray(0, 2047)));
  assert.is(hear(B, init), 'hello');
});

test('a MSG opens once: in order, late, and after its chain ended', () => {
  const { A, B } = friends('replay MSG');
  const [one, two, three, four] = [say(A, '1'), say(A, '2'), say(A, '3'), say(A, '4')];
  assert.is(hear(B, one), '1');
  refusesDuplicate(() => attempt(B, one));
  assert.is(hear(B, three), '3');
  refusesDuplicate(() => attempt(B, three));
  assert.is(hear(B, two), '2');
  refusesDuplicate(() => attempt(B, two), 'from the kept keys');
  const five = say(A, '5');
  hear(A, say(B, 'b'));
  assert.is(hear(B, say(A, 'next chain')), 'next chain');
  refusesDuplicate(() => attempt(B, two), 'in an old chain with kept keys');
  assert.is(hear(B, four), '4');
  refusesDuplicate(() => attempt(B, four));
  assert.is(hear(B, five), '5');
  refuses(() => attempt(B, five), undefined, 'nothing of the old chain is left');
});

test('a duplicate with a changed body says no more than a duplicate', () => {
  const { A, B } = friends('changed duplicate');
  const envelope = say(A, 'x');
  hear(B, envelope);
  const changed = Uint8Array.from(envelope);
  changed[envelope.length - 1] = (changed[envelope.length - 1] as number) ^ 1;
  refusesDuplicate(() => attempt(B, changed));
});

test('reflected to the sender', () => {
  const { A, B } = pair('reflect');
  const init = say(A, 'hello');
  refuses(() => attempt(A, init), undefined, 'INIT');
  hear(B, init);
  for (let i = 0; i < 12; i++) {
    const back = say(B, 'b');
    refuses(() => attempt(B, back), undefined, `B ${i}`);
    hear(A, back);
    refuses(() => attempt(B, back), undefined, `B ${i}, after it was opened`);
    const forth = say(A, 'a');
    refuses(() => attempt(A, forth), undefined, `A ${i}`);
    hear(B, forth);
    refuses(() => attempt(A, forth), undefined, `A ${i}, after it was opened`);
  }
});

test('redirected to a third person, or to another session of the same two', () => {
  const { A, B } = friends('redirect');
  const C = friends('redirect C');
  const other = side(A.person, invite(A.person, B.person, { otk: false }));
  const there = side(B.person);
  hear(there, say(other, 'second session'));
  const [msg, msg2] = [say(A, 'x'), say(other, 'y')];
  for (const to of [C.A, C.B, there, side(person('nobody'))])
    refuses(() => attempt(to, msg), undefined, 'first session');
  assert.is(hear(B, msg), 'x');
  assert.is(hear(there, msg2), 'y');
  assert.is.not(session(B).sid, session(there).sid);
});

test.run();
