// A process that runs test files (inside.ts): is told one after the other, says on its stdout when each is done, and
// must end by itself after the last. Whatever it does not say itself, it is judged by: silence, its end, its output.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const LINGER_MS = 5_000;
export const DONE = '\x1e done '; // begins the line that ends a file's output; behind it what is wrong, if anything

export interface Task {
  readonly path: string;
  /** The process is to end by itself after it. */
  readonly isLast: boolean;
}

export interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly trouble: string | null;
  readonly output: string;
}

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

export class Host {
  readonly ran: string[] = [];
  readonly #child: ChildProcess;
  readonly #ceilingMs: number;
  readonly #ended: Promise<Ended>;
  #output = '';
  #late: string | null = null;
  #heard: () => void = () => {};

  constructor(ceilingMs: number) {
    this.#ceilingMs = ceilingMs;
    const args = ['--import', 'tsx', join(import.meta.dirname, 'inside.ts')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
    const collect = (bytes: Buffer) => {
      this.#output += bytes;
      this.#heard();
    };
    for (const stream of streams) stream.on('data', collect);
    child.on('error', () => {}); // told to one that has ended: its end says it
    // Not 'close', which does not come once the channel was closed from here.
    this.#ended = once(child, 'exit').then(async ([code, signal]) => {
      const orphans = setTimeout(() => {
        this.#late ??= 'a process that it started is still there';
        for (const stream of streams) stream.destroy();
      }, LINGER_MS);
      await Promise.all(streams.map((stream) => stream.closed || once(stream, 'close')));
      clearTimeout(orphans);
      return { code, signal };
    });
  }

  async run({ path, isLast }: Task): Promise<Result> {
    this.ran.push(path);
    this.#output = '';
    const ceiling = setTimeout(
      () => this.#ask(`did not end in ${this.#ceilingMs / 1000} s`),
      this.#ceilingMs,
    );
    this.#child.send({ path, isLast }, () => {});
    const done = new Promise<null>((resolve) => {
      this.#heard = () => this.#output.split(DONE)[1]?.includes('\n') && resolve(null);
    });
    let ended = await Promise.race([done, this.#ended]);
    clearTimeout(ceiling);
    if (isLast) ended ??= await this.#end();
    return this.#judge(ended);
  }

  /** No more files: what came after the last one was done. */
  async finish(): Promise<Result> {
    return this.#judge(await this.#end());
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #end(): Promise<Ended> {
    if (this.#child.connected) this.#child.disconnect();
    const linger = setTimeout(() => this.#ask('its tests ended, but not its process'), LINGER_MS);
    const ended = await this.#ended;
    clearTimeout(linger);
    return ended;
  }

  /** What is seen only when the process ends may be of any file that it ran. */
  #judge(ended: Ended | null): Result {
    const [output = '', rest = ''] = this.#output.split(DONE);
    // Behind that line comes what was written to stderr before it, and arrived later.
    const [said = '', ...late] = rest.split('\n');
    const all = output + late.join('\n');
    const result = judge(all, this.#late ?? (said.trim() || null), ended);
    if (!ended || result.trouble === null || this.ran.length === 1) return result;
    return { ...result, trouble: `${result.trouble}; its process ran ${this.ran.join(', ')}` };
  }

  #ask(why: string): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#late = why;
    this.#child.kill('SIGUSR2');
    setTimeout(() => this.#child.kill('SIGKILL'), LINGER_MS).unref();
  }
}

function judge(output: string, said: string | null, ended: Ended | null): Result {
  const total = Number(/ {2}Total: +(\d+)/.exec(output)?.[1] ?? 0);
  const passed = Number(/ {2}Passed: +(\d+)/.exec(output)?.[1] ?? 0);
  const failed = total - passed;
  const how = ended && (ended.code ?? ended.signal);
  let trouble = said;
  if (!trouble && total === 0)
    trouble = `ran no test${ended ? ` (exit ${how})` : ''}: crashed or was silent`;
  if (!trouble && failed === 0 && ended && how !== 0) trouble = `passed, then ended with ${how}`;
  return { passed, failed: failed + (trouble ? 1 : 0), trouble, output };
}
