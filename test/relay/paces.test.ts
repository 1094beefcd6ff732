// The pace of a key, with a connection made of paper: who is held, for how long, and that coming back
// refills nothing.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_LIMITS, type Limits, liveLimits } from '../../src/relay/limits.ts';
import { Paces } from '../../src/relay/paces.ts';
import { Pauses } from '../../src/relay/pauses.ts';
import { FakeClock } from '../clock.ts';
import { CROWD } from '../relay.ts';

class Paper {
  holds = 0;
  hold = () => {
    this.holds++;
  };
  release = () => {
    this.holds--;
  };
}

function house(limits: Partial<Limits>) {
  const clock = new FakeClock();
  const paces = new Paces(liveLimits({ ...DEFAULT_LIMITS, ...CROWD, ...limits }), clock);
  return { clock, paces };
}

const pace = suite('paces');

pace('messages beyond the rate hold the connection until they are paid for', async () => {
  const { clock, paces } = house({ messagesPerSecond: 10, messagesBurst: 20 });
  await clock.during(() => {
    const paper = new Paper();
    const one = paces.enter('k', paper);
    one.read(1_000, 20);
    assert.is(paper.holds, 0);
    one.read(1_000, 25);
    assert.is(paper.holds, 1);
    clock.pass(490);
    assert.is(paper.holds, 1);
    clock.pass(20);
    assert.is(paper.holds, 0);
    assert.is(paces.pauses.size, 0);
    one.read(0, 26);
    assert.is(paper.holds, 1);
    one.end(26);
  });
});

pace(
  'what was sent while there was no limit is not owed when there is one, and the other way round',
  async () => {
    const clock = new FakeClock();
    const rate = { messagesPerSecond: 10, messagesBurst: 20 };
    const limits = liveLimits({ ...DEFAULT_LIMITS, ...CROWD });
    Object.assign(limits, { messagesPerSecond: Infinity, bytesPerSecond: Infinity });
    const paces = new Paces(limits, clock);
    await clock.during(() => {
      const paper = new Paper();
      const one = paces.enter('k', paper);
      one.read(1_000, 1_000);
      Object.assign(limits, rate);
      one.read(10, 1_010);
      assert.is(paper.holds, 0);
      one.read(10, 1_030);
      assert.is(paper.holds, 1);
      Object.assign(limits, { messagesPerSecond: Infinity });
      clock.pass(1_010);
      assert.is(paper.holds, 0);
      one.read(1_000, 9_000);
      assert.is(paper.holds, 0);
      one.end(9_000);
    });
  },
);

pace('so do bytes; each chunk costs, and what comes while it is held makes it longer', async () => {
  const { clock, paces } = house({ bytesPerSecond: 1_000, bytesBurst: 3_000 });
  await clock.during(() => {
    const paper = new Paper();
    const one = paces.enter('k', paper);
    one.read(3_500, 0);
    one.read(500, 0);
    assert.is(paper.holds, 1, 'held once');
    clock.pass(600);
    assert.is(paper.holds, 1);
    clock.pass(410);
    assert.is(paper.holds, 0);
    one.end(0);
  });
});

pace('over a long time the rate is kept, whatever the chunks', async () => {
  const { clock, paces } = house({ bytesPerSecond: 10_000, bytesBurst: 1_000 });
  await clock.during(() => {
    const paper = new Paper();
    const one = paces.enter('k', paper);
    let read = 0;
    for (let ms = 0; ms < 20_000; ms += 5) {
      if (paper.holds === 0) {
        one.read(700, 0);
        read += 700;
      }
      clock.pass(5);
    }
    assert.ok(read > 198_000 && read < 204_000, `${read} bytes in 20 s`);
    one.end(0);
  });
});

pace('commands are counted alone; the wait is told in whole seconds', () => {
  const { clock, paces } = house({ commandsPerSecond: 2, commandsBurst: 3 });
  const one = paces.enter('k', new Paper());
  assert.equal([one.command(), one.command(), one.command()], [0, 0, 0]);
  assert.equal([one.command(), one.command()], [1, 1]);
  clock.pass(500);
  assert.equal([one.command(), one.command()], [0, 1]);
});

pace('the buckets belong to the key: coming back, or twice, refills nothing', async () => {
  const { clock, paces } = house({
    messagesPerSecond: 1,
    messagesBurst: 10,
    commandsPerSecond: 1,
    commandsBurst: 2,
  });
  await clock.during(() => {
    const first = paces.enter('k', new Paper());
    first.read(0, 5);
    first.command();
    first.end(8); // three were read and not paid for yet
    const [older, newer] = [new Paper(), new Paper()];
    const second = paces.enter('k', older);
    assert.equal([second.command(), second.command()], [0, 1]);
    second.read(0, 2);
    assert.is(older.holds, 0);
    const third = paces.enter('k', newer); // replaces the second
    second.end(2);
    assert.is(older.holds, 0);
    third.read(0, 1);
    assert.is(newer.holds, 1);
    third.end(1);
    assert.is(newer.holds, 0, 'who ends is not held');
    const other = new Paper();
    paces.enter('other', other).read(0, 10);
    assert.is(other.holds, 0);
  });
});

pace('an older connection that ends takes nothing from the newer one of its key', () => {
  const { clock, paces } = house({ commandsPerSecond: 1, commandsBurst: 2 });
  const older = paces.enter('k', new Paper());
  const newer = paces.enter('k', new Paper());
  older.end(0);
  clock.pass(10_000);
  paces.enter('other', new Paper()).end(0); // full buckets are forgotten
  assert.equal([newer.command(), newer.command()], [0, 0]);
  assert.is(paces.enter('k', new Paper()).command(), 1, 'the newest has the same buckets');
});

pace('who ends while held leaves no timer and no hold; a late call does nothing', async () => {
  const { clock, paces } = house({ messagesPerSecond: 1, messagesBurst: 1 });
  await clock.during(() => {
    const paper = new Paper();
    const one = paces.enter('k', paper);
    one.read(0, 1_000);
    assert.equal([paper.holds, paces.pauses.size], [1, 1]);
    one.end(1_000);
    one.end(1_000);
    one.read(10, 2_000);
    assert.equal([paper.holds, paces.pauses.size], [0, 0]);
    clock.pass(1_000);
    assert.is(paper.holds, 0);
  });
});

pace('buckets of keys that left are forgotten when they are full', () => {
  const { clock, paces } = house({ messagesPerSecond: 10, messagesBurst: 10 });
  for (let i = 0; i < 500; i++) {
    const one = paces.enter(`${i}`, new Paper());
    one.read(0, 10);
    one.end(10);
  }
  assert.is(paces.size, 500);
  clock.pass(1_000);
  for (let i = 0; i < 500; i++) paces.enter('one', new Paper()).end(0);
  assert.is(paces.size, 0);
});

pace('0 is no limit', () => {
  const { paces } = house({});
  const paper = new Paper();
  const one = paces.enter('k', paper);
  one.read(1e12, 1e9);
  for (let i = 0; i < 1_000; i++) assert.is(one.command(), 0);
  assert.is(paper.holds, 0);
});

pace.run();

const pausing = suite('pauses');

pausing('each is over at its time, within a slot; stopped ones never are', async () => {
  const clock = new FakeClock();
  await clock.during(() => {
    const began = clock.now();
    const over: [string, number][] = [];
    const pauses = new Pauses<string>(clock, (item) => over.push([item, clock.now() - began]));
    const lengths = { a: 1, b: 55, c: 55, d: 1_000, e: 200, f: 30 };
    for (const [item, length] of Object.entries(lengths)) pauses.start(item, length);
    pauses.stop('e');
    pauses.start('f', 300);
    clock.pass(2_000);
    assert.equal(
      over.map(([item]) => item),
      ['a', 'b', 'c', 'f', 'd'],
    );
    for (const [item, at] of over) {
      const wanted = item === 'f' ? 300 : lengths[item as keyof typeof lengths];
      assert.ok(at >= wanted && at <= wanted + 25, `${item} at ${at}`);
    }
    assert.is(pauses.size, 0);
  });
});

pausing('one that starts again when it is over, and one that stops another', async () => {
  const clock = new FakeClock();
  await clock.during(() => {
    const over: string[] = [];
    const pauses: Pauses<string> = new Pauses(clock, (item) => {
      over.push(item);
      if (over.length < 5) pauses.start('a', 50);
      pauses.stop('b');
    });
    pauses.start('a', 50);
    pauses.start('b', 50);
    clock.pass(1_000);
    assert.equal(over, ['a', 'a', 'a', 'a', 'a']);
  });
});

pausing.run();
