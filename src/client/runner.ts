// Runs steps one at a time over the state: rules first, then one durable batch for all that waited, then
// the effects, in order. A step that throws is taken back alone; a batch that fails is taken back whole.

import { withResolvers } from '../lib/queue.ts';
import { type Core, down, type Effect } from './core.ts';
import type { Opened } from './state.ts';

const MOST = 256; // steps in one batch

/** Where a test may stop everything; it throws, and then nothing more is done. */
export type Point =
  | 'before commit'
  | 'after commit'
  | 'before effect'
  | 'after effect'
  | 'after done';

export interface RunnerOptions {
  readonly core: Core;
  readonly opened: Opened;
  /** The last step of every batch. */
  readonly settle: (core: Core) => void;
  readonly carryOut: (effect: Effect) => void;
  /** A batch is on the disk. */
  readonly kept?: () => void;
  /** The store refused a batch; nothing of it has happened. */
  readonly failed: (error: unknown) => void;
  readonly point?: ((point: Point) => void) | undefined;
}

interface Step {
  readonly work: (core: Core) => unknown;
  readonly done: () => void;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Ran {
  readonly step: Step;
  readonly value: unknown;
  readonly effects: readonly Effect[];
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #waiting: Step[] = [];
  readonly #last: Step;
  #running: Promise<void> | null = null;
  #stopped: Error | null = null;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#last = { work: options.settle, done: nothing, resolve: nothing, reject: nothing };
  }

  /** The result of a step, when its rows are on the disk and before its effects. `done` runs then, too. */
  step<T>(work: (core: Core) => T, done: () => void = () => {}): Promise<T> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    const { promise, resolve, reject } = withResolvers<unknown>();
    this.#waiting.push({ work, done, resolve, reject });
    this.#running ??= this.#run();
    return promise as Promise<T>;
  }

  /** Nothing more is begun; what is under way is waited for. */
  async stop(error: Error): Promise<void> {
    this.#stopped ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#stopped);
    await this.#running;
  }

  async #run(): Promise<void> {
    await turn(); // what arrives in the same turn goes into the same batch
    while (this.#waiting.length > 0) {
      const ran = this.#waiting.splice(0, MOST).flatMap((step) => this.#try(step));
      ran.push(...this.#try(this.#last, this.#options.failed));
      if (await this.#commit(ran)) this.#finish(ran);
    }
    this.#running = null;
  }

  #try(step: Step, thrown: (error: Error) => void = step.reject): Ran[] {
    const { core, opened } = this.#options;
    const mark = opened.journal.mark;
    core.effects = [];
    try {
      const value = step.work(core);
      return [{ step, value, effects: core.effects }];
    } catch (error) {
      opened.journal.undoTo(mark);
      thrown(error as Error);
      return [];
    }
  }

  async #commit(ran: readonly Ran[]): Promise<boolean> {
    const { core, opened, point, kept, failed } = this.#options;
    try {
      point?.('before commit');
      await opened.commit();
    } catch (error) {
      opened.journal.undoTo(0);
      down(core);
      for (const { step } of ran) step.reject(error as Error);
      failed(error);
      return false;
    }
    if (opened.journal.mark > 0) kept?.();
    opened.journal.clear();
    return true;
  }

  #finish(ran: readonly Ran[]): void {
    const { point, carryOut, failed } = this.#options;
    try {
      point?.('after commit');
      for (const { step, value, effects } of ran) {
        step.done();
        point?.('after done');
        step.resolve(value);
        for (const effect of effects) {
          point?.('before effect');
          carryOut(effect);
          point?.('after effect');
        }
      }
    } catch (error) {
      for (const { step } of ran) step.reject(error as Error);
      failed(error);
    }
  }
}

const nothing = () => {};

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
