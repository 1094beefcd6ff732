// Turns: addresses are served in rotation, whatever one of them piles up.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Turns } from '../../src/relay/turns.ts';
import { turn } from '../channel.ts';

/** Each look at the clock takes a millisecond. */
function ticking() {
  let time = 0;
  return { now: () => time++, wall: () => 0 };
}
const frozen = { now: () => 0, wall: () => 0 };

/** A job that is done when it was done once. */
function once(work: () => unknown) {
  return () => {
    work();
    return false;
  };
}

const turns = suite('turns');

turns('a flooding address delays the single job of another one by one job at most', async () => {
  const all = new Turns({ turnMs: 1_000, waiting: 500, clock: frozen });
  const done: string[] = [];
  for (let i = 0; i < 500; i++)
    all.add(
      'flood',
      once(() => done.push(`flood ${i}`)),
    );
  all.add(
    'a',
    once(() => done.push('a')),
  );
  all.add(
    'b',
    once(() => done.push('b')),
  );
  assert.equal(done, [], 'nothing is done in the caller’s turn');
  await turn();
  assert.equal(done.slice(0, 5), ['flood 0', 'a', 'b', 'flood 1', 'flood 2']);
  assert.is(done.length, 502);
});

turns('also when it comes in the middle, and when jobs add jobs', async () => {
  const all = new Turns({ turnMs: 0, waiting: 500, clock: ticking() }); // one job a turn
  const done: string[] = [];
  let added = 0;
  const again = once(() => {
    done.push('flood');
    if (added++ < 48) all.add('flood', again);
  });
  for (let i = 0; i < 100; i++) all.add('flood', again);
  await turn();
  assert.equal(done, ['flood']);
  all.add(
    'a',
    once(() => done.push('a')),
  );
  await turn();
  await turn();
  assert.ok(done.slice(0, 3).includes('a'), done.join());
  while (done.filter((each) => each === 'flood').length < 148) await turn();
});

turns(
  'three addresses with many jobs are served one each in rotation, each in its order',
  async () => {
    const all = new Turns({ turnMs: 1_000, waiting: 10, clock: frozen });
    const done: string[] = [];
    for (const address of ['a', 'b', 'c'])
      for (let i = 0; i < 3; i++)
        all.add(
          address,
          once(() => done.push(address + i)),
        );
    await turn();
    assert.equal(done, ['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
  },
);

turns('when the time of a turn is over, the event loop goes on before the next job', async () => {
  const all = new Turns({ turnMs: 3, waiting: 100, clock: ticking() });
  let done = 0;
  for (let i = 0; i < 10; i++)
    all.add(
      'a',
      once(() => done++),
    );
  const seen: number[] = [];
  while (done < 10) {
    await turn();
    seen.push(done);
  }
  assert.equal(seen, [3, 6, 9, 10]);
});

turns(
  'what was gathered goes out before a turn, and a job with more to do comes again',
  async () => {
    const all = new Turns({ turnMs: 0, waiting: 10, clock: ticking() });
    const done: string[] = [];
    all.before = () => done.push('before');
    let steps = 0;
    all.add('a', () => {
      done.push(`step ${++steps}`);
      return steps < 3;
    });
    all.add(
      'a',
      once(() => done.push('next of a')),
    );
    all.add(
      'b',
      once(() => done.push('b')),
    );
    while (done.length < 10) await turn();
    assert.equal(
      done.filter((each) => each !== 'before'),
      ['step 1', 'b', 'step 2', 'step 3', 'next of a'],
    );
    assert.equal(
      done.filter((_, i) => i % 2 === 0),
      Array(5).fill('before'),
    );
  },
);

turns('more than may wait are refused, for that address only, and for now only', async () => {
  const all = new Turns({ turnMs: 1_000, waiting: 2, clock: frozen });
  let done = 0;
  const job = once(() => done++);
  assert.equal(
    [1, 2, 3, 4].map(() => all.add('a', job)),
    [true, true, false, false],
  );
  assert.ok(all.add('b', job));
  await turn();
  assert.is(done, 3);
  assert.ok(all.add('a', job));
  await turn();
  assert.is(done, 4);
});

turns.run();
