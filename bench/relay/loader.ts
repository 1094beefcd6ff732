// The load's process as its parent sees it: one order at a time.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pinned } from '../process.ts';
import type { Cell } from './cells.ts';
import type { Answer, Order } from './load.ts';
import type { Delay } from './pace.ts';
import type { Rival } from './servers.ts';
import type { Rate, Span } from './traffic.ts';

export class Loader {
  readonly #child: ChildProcess;
  readonly #over: Promise<readonly [Answer]>;

  /** `calm`: it seldom collects garbage, so that it adds no pauses to those that it measures. */
  constructor(core: number | null, { calm = false } = {}) {
    const [program, ...args] = pinned(core, [
      ...[process.execPath, '--import', 'tsx'],
      ...(calm ? ['--expose-gc', '--min-semi-space-size=32', '--max-semi-space-size=32'] : []),
    ]);
    this.#child = fork(join(import.meta.dirname, 'load.ts'), {
      execPath: program as string,
      execArgv: [...args],
    });
    this.#over = once(this.#child, 'exit').then(() => [{ error: 'the load ended' }]);
  }

  async #ask(order: Order): Promise<unknown> {
    this.#child.send(order);
    const heard = new Promise<readonly [Answer]>((resolve) => {
      this.#child.once('message', (answer) => resolve([answer as Answer]));
    });
    const [answer] = await Promise.race([heard, this.#over]);
    if ('error' in answer)
      throw new Error(`${'rival' in order ? order.rival : ''}: ${answer.error}`);
    return answer.result;
  }

  async open({ name, wire, port }: Rival, pairs: number): Promise<void> {
    await this.#ask({ do: 'open', rival: name, wire, port, pairs });
  }

  async run({ name, pid }: Rival, cell: Cell, span: Span): Promise<Rate> {
    return (await this.#ask({ do: 'run', rival: name, cell, pid, ...span })) as Rate;
  }

  async pace(
    { name, pid }: Rival,
    cell: Cell,
    how: Span & { readonly rate: number },
  ): Promise<Delay> {
    return (await this.#ask({ do: 'pace', rival: name, cell, pid, ...how })) as Delay;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await this.#over;
  }
}
