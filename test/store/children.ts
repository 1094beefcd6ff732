// Children of the store tests (child.ts), driven line by line.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  /** All that it has said. */
  readonly said: string[] = [];
  readonly #lines: AsyncIterator<string>;

  constructor(task: string, directory: string, ...more: string[]) {
    const script = join(import.meta.dirname, 'child.ts');
    this.process = spawn(process.execPath, ['--import', 'tsx', script, task, directory, ...more], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.process.stdin?.on('error', () => {}); // it may be dead
    const lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    this.#lines = lines[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => this.process.on('close', () => resolve()));
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** The next line; 'ended' when there is none. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    const line = done ? 'ended' : value;
    this.said.push(line);
    return line;
  }

  /** Reads up to a line that begins like this; gives it. */
  async until(...beginnings: string[]): Promise<string> {
    for (;;) {
      const line = await this.line();
      if (line === 'ended' || beginnings.some((each) => line.startsWith(each))) return line;
    }
  }

  /** Lets it go on. */
  go(): void {
    this.process.stdin?.write('\n');
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}
