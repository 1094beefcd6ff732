// Deadlines on a clock and a timer of our own: who expires when, in which order, with how many timers.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, DAY_S, Deadlines, systemClock } from '../../src/lib/time.ts';

const test = suite('deadlines');
const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };

/** Time that stands still until `pass`; stands in for the global timers while `work` runs. */
class Time implements Clock {
  #now = 1000;
  readonly #timers = new Map<object, { at: number; fire: () => void }>();
  now = () => this.#now;
  wall = () => 0;

  get timers(): number {
    return this.#timers.size;
  }

  /** Fires what is due, in order, each at its own time. */
  pass(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      const next = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0];
      if (!next || next[1].at > until) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].fire();
    }
    this.#now = until;
  }

  during(work: () => void): void {
    const start = (fire: () => void, delay: number) => {
      const timer = {};
      this.#timers.set(timer, { at: this.#now + delay, fire });
      return timer;
    };
    Object.assign(globalThis, {
      setTimeout: start,
      clearTimeout: (timer: object) => this.#timers.delete(timer),
    });
    try {
      work();
    } finally {
      Object.assign(globalThis, real);
    }
  }
}

/** Deadlines of 100 ms; what expires is logged as `item@time since the start`. */
function fixture(work: (time: Time, due: Deadlines<string>, log: string[]) => void): void {
  const time = new Time();
  const log: string[] = [];
  const due = new Deadlines<string>(100, time, (item) => log.push(`${item}@${time.now() - 1000}`));
  time.during(() => work(time, due, log));
}

test('each expires once, at its time, not before', () => {
  fixture((time, due, log) => {
    due.start('a');
    time.pass(30);
    due.start('b');
    time.pass(69);
    assert.equal(log, []);
    time.pass(1);
    assert.equal(log, ['a@100']);
    time.pass(1000);
    assert.equal(log, ['a@100', 'b@130']);
    assert.is(time.timers, 0);
  });
});

test('one timer for all', () => {
  fixture((time, due, log) => {
    for (let i = 0; i < 1000; i++) due.start(`${i}`);
    assert.is(time.timers, 1);
    time.pass(100);
    assert.is(log.length, 1000);
  });
});

test('start again begins anew, stop ends it', () => {
  fixture((time, due, log) => {
    due.start('a');
    due.start('b');
    due.start('c');
    time.pass(60);
    due.start('a');
    due.stop('c');
    time.pass(99);
    assert.equal(log, ['b@100']);
    time.pass(1);
    assert.equal(log, ['b@100', 'a@160']);
  });
});

test('without deadlines there is no timer that keeps a process alive', () => {
  fixture((time, due) => {
    due.start('a');
    due.start('b');
    due.stop('a');
    assert.is(time.timers, 1);
    due.stop('b');
    due.stop('unknown');
    assert.is(time.timers, 0);
    due.start('a');
    assert.is(time.timers, 1);
    time.pass(100);
    assert.is(time.timers, 0);
  });
});

test('what expire() starts does not make the others late', () => {
  const time = new Time();
  const log: string[] = [];
  const due: Deadlines<string> = new Deadlines(100, time, (item) => {
    log.push(`${item}@${time.now() - 1000}`);
    if (item === 'a') due.start('c');
  });
  time.during(() => {
    due.start('a');
    time.pass(5);
    due.start('b');
    time.pass(96);
    assert.equal(log, ['a@100']);
    assert.is(time.timers, 1);
    time.pass(1000);
  });
  assert.equal(log, ['a@100', 'b@105', 'c@200']);
  assert.is(time.timers, 0);
});

test('a timer that fires early waits for the rest', () => {
  const time = new Time();
  const log: string[] = [];
  let late = 0; // the clock of the deadlines lags behind the timers
  const clock = { now: () => time.now() - late, wall: () => 0 };
  const due = new Deadlines<string>(100, clock, (item) => log.push(item));
  time.during(() => {
    due.start('a');
    late = 3;
    time.pass(100);
    assert.equal(log, []);
    time.pass(3);
    assert.equal(log, ['a']);
  });
});

test('the system clock: monotonic milliseconds, Unix seconds', () => {
  const first = systemClock.now();
  assert.ok(systemClock.now() >= first);
  assert.ok(Number.isInteger(systemClock.wall()));
  assert.ok(Math.abs(systemClock.wall() - Date.now() / 1000) < 60);
  assert.is(DAY_S, 24 * 60 * 60);
});

test.run();
