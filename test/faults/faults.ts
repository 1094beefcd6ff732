// A disk that fails when a test says so: builds fault.c, gives the environment for a process under it,
// and switches its faults. fault.c says what each fault does.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  type FSWatcher,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withResolvers } from '../../src/lib/queue.ts';

export type Place = 'pages' | 'sync' | 'meta';
type Failure = 'full' | 'eio' | 'short';
export type Fault = 'hold-sync' | 'hold-meta' | 'read-only' | Failure | `${Failure}-${Place}`;

const SOURCE = join(import.meta.dirname, 'fault.c');
const FLAGS = ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror'];

function build(target: string): void {
  const { error, status, stderr } = spawnSync('cc', [...FLAGS, '-o', target, SOURCE, '-ldl']);
  if (error)
    throw new Error(`a C compiler named cc is needed here (apt install gcc): ${error.message}`);
  if (status !== 0) throw new Error(`fault.c does not compile on this system: ${stderr}`);
}

export class Faults {
  readonly #path = realpathSync(mkdtempSync(join(tmpdir(), 'flexim-faults-')));
  readonly #shim = join(this.#path, 'fault.so');
  readonly #control = join(this.#path, 'control');
  readonly #watchers = new Set<FSWatcher>();

  constructor() {
    mkdirSync(this.#control);
    build(this.#shim);
  }

  /** For a process whose *.lmdb files below a directory (which must be there) are to fail. */
  env(below: string): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.#shim,
      FLEXIM_FAULTS: this.#control,
      FLEXIM_FAULTS_BELOW: realpathSync(below),
    };
  }

  on(fault: Fault): void {
    writeFileSync(join(this.#control, fault), '');
  }

  off(fault: Fault): void {
    rmSync(join(this.#control, fault));
  }

  /** Waits until so many syncs in all have come to a gate. */
  entered(count = 1): Promise<void> {
    return this.#until(() => this.#lines('sync-entered').length >= count);
  }

  /** How many syncs at that place have returned, well or not. */
  returned(place: 'sync' | 'meta'): number {
    return this.#lines('sync-log').filter((line) => line.startsWith(`${place} `)).length;
  }

  /** The faults that struck: `pages ENOSPC` and the like. */
  struck(): readonly string[] {
    return this.#lines('fault-log');
  }

  /** Also for who waits still: he waits for ever, without keeping the process alive. */
  remove(): void {
    for (const watcher of this.#watchers) watcher.close();
    rmSync(this.#path, { recursive: true });
  }

  #lines(log: string): string[] {
    const path = join(this.#control, log);
    if (!existsSync(path)) return [];
    return readFileSync(path, 'latin1').split('\n').slice(0, -1);
  }

  async #until(done: () => boolean): Promise<void> {
    const { promise, resolve } = withResolvers<void>();
    const watcher = watch(this.#control, () => done() && resolve());
    this.#watchers.add(watcher);
    if (done()) resolve();
    await promise;
    this.#watchers.delete(watcher);
    watcher.close();
  }
}
