// The window against its slow twin, with an output that is made of blocks as a connection makes them.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Window } from '../../src/relay/window.ts';
import { histories } from '../histories.ts';
import { SlowWindow } from './slow-window.ts';

type Step =
  | { readonly do: 'push'; readonly kind: 'needed' | 'stored' | 'live'; readonly length: number }
  | { readonly do: 'answer' | 'hand' | 'release' | 'take' }
  | { readonly do: 'shift'; readonly times: number };

const step = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const plain = (weight: number, name: 'answer' | 'hand' | 'release' | 'take') =>
  step(weight, fc.constant({ do: name }));
const steps = (maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      step(
        14,
        fc.record({
          do: fc.constant('push' as const),
          kind: fc.constantFrom(
            'needed' as const,
            'needed' as const,
            'stored' as const,
            'live' as const,
          ),
          length: fc.integer({ min: 1, max: 30 }),
        }),
      ),
      plain(1, 'answer'),
      plain(4, 'hand'),
      plain(2, 'release'),
      plain(1, 'take'),
      step(3, fc.record({ do: fc.constant('shift' as const), times: fc.nat(8) })),
    ),
    { minLength: 5, maxLength, size: 'max' },
  );

/** Both windows, and the output they watch. */
class Pair {
  readonly fast = new Window();
  readonly slow = new SlowWindow();
  #output = Buffer.alloc(0); // gathered since the last hand-over
  #handedTo = 0;
  #number = 0;
  taken = 0;
  most = 0;

  run(history: readonly Step[]): void {
    for (const each of history) {
      this.#step(each);
      this.compare();
    }
    this.#step({ do: 'hand' });
    this.#step({ do: 'take' });
    this.#step({ do: 'shift', times: this.slow.count });
    this.#step({ do: 'release' });
    this.compare();
    assert.equal([this.fast.count, this.fast.bytes, this.fast.held], [0, 0, 0]);
  }

  #step(each: Step): void {
    if (each.do === 'push') this.#push(each.kind, each.length);
    else if (each.do === 'answer') this.#write(Buffer.from('an answer'));
    else if (each.do === 'hand') this.#hand();
    else if (each.do === 'shift') this.#shift(each.times);
    else if (each.do === 'take') this.#take();
    else {
      this.fast.release();
      this.slow.release();
    }
  }

  #push(kind: 'needed' | 'stored' | 'live', length: number): void {
    const number = kind === 'live' ? 0 : ++this.#number;
    const sender = kind === 'needed' ? `sender ${number}` : null;
    const start = this.#handedTo + this.#output.length;
    this.fast.push(number, sender, start, length);
    this.slow.push(number, sender, start, length);
    this.#write(Buffer.alloc(length, `${number},`));
    this.most = Math.max(this.most, this.fast.count);
  }

  #write(bytes: Buffer): void {
    this.#output = Buffer.concat([this.#output, bytes]);
  }

  #hand(): void {
    if (this.#output.length === 0) return;
    const block = Buffer.allocUnsafeSlow(this.#output.length + 7); // not all of it is used
    this.#output.copy(block);
    const bytes = block.subarray(0, this.#output.length);
    this.fast.keep(this.#handedTo, bytes);
    this.slow.keep(this.#handedTo, bytes);
    this.#handedTo += this.#output.length;
    this.#output = Buffer.alloc(0);
  }

  #shift(times: number): void {
    for (let i = 0; i < times && this.slow.count > 0; i++)
      assert.is(this.fast.shift(), this.slow.shift());
  }

  #take(): void {
    const copy = (sent: Iterable<{ number: number; sender: string; frame: Buffer }>) =>
      [...sent].map(({ number, sender, frame }) => [number, sender, frame.toString()]);
    const taken = copy(this.slow.takeNeeded());
    assert.equal(copy(this.fast.takeNeeded()), taken);
    for (const [number, sender, text] of taken) {
      assert.is(sender, `sender ${number}`);
      assert.is(text, Buffer.alloc((text as string).length, `${number},`).toString());
    }
    this.taken += taken.length;
  }

  compare(): void {
    const { fast, slow } = this;
    assert.equal(
      [fast.count, fast.bytes, fast.held, fast.firstEnd],
      [slow.count, slow.bytes, slow.held, slow.firstEnd],
    );
  }
}

const test = suite('window');

for (const [name, maxLength, numRuns] of [
  ['short', 40, 1_000],
  ['long', 600, 40],
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
  window.keep(0, Buffer.allocUnsafeSlow(20));
  assert.is(window.held, 0);
  window.push(2, 'a', 20, 10);
  window.keep(20, Buffer.allocUnsafeSlow(10));
  assert.is(window.held, 10);
  assert.is([...window.takeNeeded()].length, 1);
  assert.is(window.held, 0);
  window.keep(30, Buffer.allocUnsafeSlow(10));
  assert.is(window.held, 0);
});

test('numbers and places go as far as a connection can', () => {
  const window = new Window();
  const far = 2 ** 48 - 1;
  window.push(far, 'a', far, 5);
  window.keep(far - 3, Buffer.from('...after'));
  const [sent] = [...window.takeNeeded()];
  assert.equal([sent?.number, sent?.frame.toString()], [far, 'after']);
  assert.is(window.shift(), far);
});

test.run();
