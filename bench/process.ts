// Programs of a bench as processes of their own: started, heard line by line, asked for their memory,
// and ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../src/lib/address.ts';

// On SIGUSR2 a process collects its garbage and says so.
const COLLECT = `data:text/javascript,process.on('SIGUSR2',()=>{gc();gc();process.stdout.write('collected\\n')})`;

/** A command that runs on one core, or on all of them for null. */
export function pinned(core: number | null, command: readonly string[]): readonly string[] {
  return core === null ? command : ['taskset', '-c', String(core), ...command];
}

export class Child {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';
  #isOver = false;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, core: number | null = null) {
    const [command, ...rest] = pinned(core, [process.execPath, '--expose-gc', '--import', COLLECT]);
    this.#process = spawn(command as string, [...rest, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process.stdout?.on('data', (bytes) => {
      this.#output += bytes;
    });
    this.#closed = once(this.#process, 'close').then(() => {
      this.#isOver = true;
    });
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#output.indexOf('\n');
      if (end >= 0) {
        const line = this.#output.slice(0, end);
        this.#output = this.#output.slice(end + 1);
        return line;
      }
      if (this.#isOver) throw new Error('a program of the bench ended without an answer');
      const more = new Promise((resolve) => this.#process.stdout?.once('data', resolve));
      await Promise.race([more, this.#closed]);
    }
  }

  /** Resident KiB after a collection. */
  async memory(): Promise<number> {
    this.#process.kill('SIGUSR2');
    await this.line();
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'latin1');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#isOver) return;
    this.#process.kill(signal);
    await this.#closed;
  }
}

/** What the relay of a bench is told: environment variables without FLEXIM_. */
export type RelaySettings = Readonly<Record<string, string>>;

/** No rate, no quota: a bench asks what the relay can, not what it allows. */
export const UNLIMITED: RelaySettings = {
  CONNECTIONS: '0',
  CONNECTIONS_PER_ADDRESS: '0',
  CONNECTS_PER_SECOND: '0',
  ARRIVALS_PER_SECOND: '0',
  LOGINS_PER_MINUTE: '0',
  NEW_KEYS_PER_HOUR: '0',
  MESSAGES_PER_SECOND: '0',
  BYTES_PER_SECOND: '0',
  COMMANDS_PER_SECOND: '0',
  QUEUE_MESSAGES: '0',
  QUEUE_BYTES: '0',
  QUEUE_SHARE: '100',
};

export interface BenchRelay {
  readonly port: number;
  readonly child: Child;
  /** From the start of the process to the line that says it is ready. */
  readonly startMs: number;
}

/** A place for relays of a bench, which is removed with everything in it. */
export class Place {
  readonly path = mkdtempSync(join(tmpdir(), 'flexim-bench-'));
  readonly #relays: Child[] = [];

  async relay(
    settings: RelaySettings = {},
    { name = 'relay', core = null }: { name?: string; core?: number | null } = {},
  ): Promise<BenchRelay> {
    const began = performance.now();
    const env = Object.entries(settings).map(([key, value]) => [`FLEXIM_${key}`, value]);
    const child = new Child(
      [
        join(import.meta.dirname, '../bin/flexim-relay'),
        ...['--port', '0', '--log-level', 'error'],
        ...['--data', join(this.path, name), '--keys', join(this.path, `${name}-keys`)],
      ],
      { ...Object.fromEntries(env), XDG_CONFIG_HOME: this.path, XDG_DATA_HOME: this.path },
      core,
    );
    this.#relays.push(child);
    const { port } = parseAddress(await child.line());
    return { port, child, startMs: performance.now() - began };
  }

  async end(): Promise<void> {
    await Promise.all(this.#relays.map((each) => each.stop()));
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a script of this folder with a task, and gives its answer. */
export async function ask<T>(script: string, task: object): Promise<T> {
  const child = new Child([
    '--import',
    'tsx',
    join(import.meta.dirname, script),
    JSON.stringify(task),
  ]);
  return JSON.parse(await child.line()) as T;
}
