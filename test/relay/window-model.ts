// The window and its slow twin through one history: an output made of blocks, as a connection makes it.

import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { Window } from '../../src/relay/window.ts';
import { SlowWindow } from './slow-window.ts';

export type Step =
  | { readonly do: 'push'; readonly kind: 'needed' | 'stored' | 'live'; readonly length: number }
  | { readonly do: 'run'; readonly lengths: readonly number[] }
  | { readonly do: 'answer' | 'hand' | 'release' | 'take' }
  | { readonly do: 'shift' | 'forget'; readonly times: number }
  | { readonly do: 'written'; readonly part: number; readonly times: number };

const step = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const plain = (weight: number, name: 'answer' | 'hand' | 'release' | 'take') =>
  step(weight, fc.constant({ do: name }));
export const steps = (maxLength: number): fc.Arbitrary<Step[]> =>
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
      step(
        6,
        fc.record({
          do: fc.constant('run' as const),
          lengths: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 9 }),
        }),
      ),
      step(2, fc.record({ do: fc.constant('forget' as const), times: fc.nat(12) })),
      step(
        2,
        fc.record({
          do: fc.constant('written' as const),
          part: fc.integer({ min: 1, max: 100 }),
          times: fc.nat(30),
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
export class Pair {
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
    else if (each.do === 'run') this.#run(each.lengths);
    else if (each.do === 'forget') this.#forget(each.times, Number.POSITIVE_INFINITY);
    else if (each.do === 'written')
      this.#forget(each.times, Math.floor((this.#handedTo * each.part) / 100));
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

  /** Of one sender who may go on after other runs. */
  #run(lengths: readonly number[]): void {
    const start = this.#handedTo + this.#output.length;
    const first = this.#number + 1;
    this.#number += lengths.length;
    const each = Uint32Array.from([...lengths, 99]); // more room than there are
    this.fast.pushRun(first, 'sender', start, { count: lengths.length, each });
    let at = start;
    for (const [i, length] of lengths.entries()) {
      this.slow.push(first + i, 'sender', at, length);
      at += length;
      this.#write(Buffer.alloc(length, `${first + i},`));
    }
    this.most = Math.max(this.most, this.fast.count);
  }

  #forget(times: number, position: number): void {
    let last = 0;
    for (let i = 0; i < times && this.slow.firstEnd <= position; i++)
      last = this.slow.shift() || last;
    const told =
      position === Number.POSITIVE_INFINITY
        ? this.fast.forget(times)
        : this.fast.forgetTo(position, times);
    assert.is(told, last);
  }

  #write(bytes: Buffer): void {
    this.#output = Buffer.concat([this.#output, bytes]);
  }

  #hand(): void {
    if (this.#output.length === 0) return;
    const block = Buffer.allocUnsafeSlow(this.#output.length + 7); // not all of it is used
    this.#output.copy(block);
    this.fast.keep(this.#handedTo, block, this.#output.length);
    this.slow.keep(this.#handedTo, block.subarray(0, this.#output.length));
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
      assert.ok(sender === `sender ${number}` || sender === 'sender');
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
