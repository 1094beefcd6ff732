// The parent's side of child.ts: a process that keeps a store on a disk that fails.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withResolvers } from '../../src/lib/queue.ts';

export type Api = 'transaction' | 'batch';

export type Order =
  | { readonly do: 'open'; readonly directory: string }
  | { readonly do: 'put'; readonly api: Api; readonly key: string; readonly value: string }
  | { readonly do: 'get'; readonly api: Api; readonly key: string }
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'close' }
  | { readonly do: 'leave' };

/** What came of an order: a value, or an error. */
export interface Said {
  readonly value?: string | null;
  readonly error?: { readonly name: string; readonly message: string; readonly code: string };
}

export class StoreProcess {
  stderr = '';
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (said: Said) => void>();
  #last = 0;
  #end: Said | null = null;

  constructor(root: string, env: Readonly<Record<string, string>>) {
    const store = join(root, 'src', 'store', 'store.ts');
    this.#child = fork(join(import.meta.dirname, 'child.ts'), [store], {
      execArgv: ['--import', 'tsx'],
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    this.#child.on('error', () => {}); // an order to a process that has ended
    this.#child.on('message', ({ id, said }: { id: number; said: Said }) => this.#tell(id, said));
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      const end = String(signal ?? code);
      this.#end = { error: { name: 'ended', message: this.stderr, code: end } };
      for (const id of this.#waiting.keys()) this.#tell(id, this.#end);
      return end;
    });
  }

  ask(order: Order): Promise<Said> {
    if (this.#end) return Promise.resolve(this.#end);
    const { promise, resolve } = withResolvers<Said>();
    const id = ++this.#last;
    this.#waiting.set(id, resolve);
    this.#child.send({ id, order });
    return promise;
  }

  /** Ends the process, its store in whatever state: 'SIGKILL'. */
  kill(): Promise<string> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** Lets the process end by itself. */
  leave(): Promise<string> {
    void this.ask({ do: 'leave' });
    return this.ended;
  }

  #tell(id: number, said: Said): void {
    this.#waiting.get(id)?.(said);
    this.#waiting.delete(id);
  }
}
