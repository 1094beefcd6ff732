// The account of the end-to-end rig: a faultless run is faultless, and each fault has its name.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Account, type Line, Way } from './account.ts';

const test = suite('e2e account');

/** Three messages that went well, and an account that can be spoilt. */
function three() {
  const account = new Account();
  const way = new Way(account, 'alice to bob');
  const lines = ['one', 'two', 'three'].map((text, i) => ({ id: `id${i}`, text }));
  for (const { text } of lines) way.post(text);
  const line = (i: number) => lines[i] as Omit<Line, 'outgoing'>;
  return {
    account,
    way,
    show: (i: number, receiver = 1) => way.show({ ...line(i), outgoing: false }, receiver),
    line,
    out: lines.map((each): Line => ({ ...each, outgoing: true })),
    came: lines.map((each): Line => ({ ...each, outgoing: false })),
    kinds: () => account.violations.map(({ kind }) => kind),
  };
}

test('all is well: once, in order, also after a receiver was killed before it acknowledged', () => {
  const { way, show, line, out, came, account } = three();
  for (const i of [0, 1, 2]) way.promise(line(i).id, 'accepted');
  way.promise(line(2).id, 'delivered');
  way.sure(['one', 'two', 'three']);
  assert.is(way.missing.length, 3);
  show(0);
  show(1);
  way.acknowledge('id0');
  show(0, 2); // it was killed: an acknowledgement that may not have been kept
  show(1, 2);
  show(2, 2);
  for (const i of [0, 1, 2]) way.acknowledge(line(i).id);
  way.confirm();
  assert.equal(way.missing, []);
  way.settle([...out, ...came], [...came, ...out]); // what is of the other way does not count
  assert.equal(account.violations, []);
  const counts = { posted: 3, promised: 3, shown: 3, repeated: 2, delivered: 3, unreceipted: 0 };
  assert.equal(account.counts, counts);
});

test('a send that was killed: what it had not promised may be missing on both sides', () => {
  const { way, show, out, came, kinds } = three();
  show(0);
  way.settle(out.slice(0, 1), came.slice(0, 1));
  assert.equal(kinds(), []);
});

const SPOILT: readonly [string, string, (it: ReturnType<typeof three>) => void][] = [
  ['twice by one receiver', 'doubled', ({ show }) => [show(0), show(0)]],
  [
    'again after a confirmed acknowledgement',
    'doubled',
    ({ way, show }) => {
      show(0);
      way.acknowledge('id0');
      way.confirm();
      show(0, 2);
    },
  ],
  ['a later one first', 'order', ({ show }) => [show(1), show(0)]],
  ['words of nobody', 'unsent', ({ way }) => way.show({ id: 'x', text: 'x', outgoing: false }, 1)],
  [
    'other words under one id',
    'unsent',
    ({ way, show }) => {
      show(0);
      way.show({ id: 'id0', text: 'One', outgoing: false }, 2);
    },
  ],
  ['kept by its sender alone', 'lost', ({ way, out }) => way.settle(out.slice(0, 1), [])],
  [
    'forgotten by its sender',
    'lost',
    ({ way, show, came }) => {
      show(0);
      way.settle([], came.slice(0, 1));
    },
  ],
  ['never shown', 'lost', ({ way, out, came }) => way.settle(out.slice(0, 1), came.slice(0, 1))],
  [
    'shown and not kept',
    'lost',
    ({ way, show }) => {
      show(0);
      way.settle([], []);
    },
  ],
  [
    'promised, and in no history',
    'lost',
    ({ way }) => {
      way.promise('id0', 'accepted');
      way.settle([], []);
    },
  ],
  [
    'a send that ended well, and nothing is there',
    'lost',
    ({ way }) => {
      way.sure(['one']);
      way.settle([], []);
    },
  ],
  [
    'twice in a history',
    'doubled',
    ({ way, show, out, came }) => {
      show(0);
      const again = { id: 'other', text: 'one', outgoing: false };
      way.settle(out.slice(0, 1), [...came.slice(0, 1), again]);
    },
  ],
  [
    'a history in another order',
    'order',
    ({ way, show, out, came }) => {
      for (const i of [0, 1, 2]) show(i);
      way.settle(out, [...came].reverse());
    },
  ],
];

for (const [name, kind, spoil] of SPOILT)
  test(`${name}: ${kind}`, () => {
    const it = three();
    spoil(it);
    assert.ok(it.kinds().length > 0, 'nothing was found');
    assert.ok((it.kinds() as string[]).includes(kind), it.kinds().join());
  });

test.run();
