// A terminal that is always given back as it was: at the end, after an exception, by SIGTERM, SIGHUP and
// SIGINT, and for the time in which the program is stopped. Only SIGKILL leaves it (`reset` helps).

import { writeSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import { systemCode } from '../../lib/errors.ts';

/** quit: the user left; gone: the terminal was closed; else the signal that ended it. */
export type End = 'quit' | 'gone' | 'SIGTERM' | 'SIGHUP' | 'SIGINT';

export interface Guarded {
  readonly input: ReadStream;
  readonly output: WriteStream & { readonly fd?: number };
  /** Written when the terminal is taken, and when it is given back. */
  readonly enter: string;
  readonly leave: () => string;
  readonly onEnd: (end: End) => void;
  /** Others wrote on the screen meanwhile. */
  readonly onResume: () => void;
}

const ENDING = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;
const TRIES = 50;

export class Guard {
  readonly #terminal: Guarded;
  #taken = false;
  #closed = false;
  readonly #enders = ENDING.map((signal) => [signal, () => this.#end(signal)] as const);
  readonly #suspend = () => this.suspend();
  readonly #resume = () => this.#retake();
  readonly #giveBack = () => this.#leave();
  readonly #lost = (error: unknown) => {
    if (!['EPIPE', 'EIO'].includes(systemCode(error) ?? '')) throw error;
    this.#end('gone');
  };
  readonly #hungUp = () => this.#end('gone');

  constructor(terminal: Guarded) {
    this.#terminal = terminal;
    const { input, output } = terminal;
    for (const [signal, ender] of this.#enders) process.on(signal, ender);
    process.on('SIGTSTP', this.#suspend);
    process.on('SIGCONT', this.#resume);
    // Before an exception is printed, so that it is seen on the screen that stays.
    process.on('uncaughtExceptionMonitor', this.#giveBack);
    process.on('exit', this.#giveBack);
    output.on('error', this.#lost);
    input.on('error', this.#lost);
    input.on('end', this.#hungUp);
    this.#enter();
  }

  /** Ctrl-Z: the terminal is given back, and the whole job stops until `fg`. */
  suspend(): void {
    this.#leave();
    process.off('SIGTSTP', this.#suspend); // now it stops, as by default
    process.kill(0, 'SIGTSTP');
    // Here after SIGCONT, or at once where nobody could continue us (an orphaned process group).
    setImmediate(() => {
      if (this.#closed) return;
      process.on('SIGTSTP', this.#suspend);
      this.#retake();
    });
  }

  close(): void {
    this.#leave();
    this.#closed = true;
    const { input, output } = this.#terminal;
    for (const [signal, ender] of this.#enders) process.off(signal, ender);
    process.off('SIGTSTP', this.#suspend);
    process.off('SIGCONT', this.#resume);
    process.off('uncaughtExceptionMonitor', this.#giveBack);
    process.off('exit', this.#giveBack);
    output.off('error', this.#lost);
    input.off('error', this.#lost);
    input.off('end', this.#hungUp);
  }

  #end(end: End): void {
    this.#leave();
    this.#terminal.onEnd(end);
  }

  #enter(): void {
    this.#taken = true;
    this.#terminal.input.setRawMode(true);
    this.#terminal.output.write(this.#terminal.enter);
  }

  #retake(): void {
    if (this.#closed) return;
    // The shell has changed the mode behind Node's back, which would think that nothing is to do.
    this.#terminal.input.setRawMode(false);
    this.#enter();
    this.#terminal.onResume();
  }

  #leave(): void {
    if (!this.#taken) return;
    this.#taken = false;
    writeHard(this.#terminal.output.fd ?? 1, this.#terminal.leave());
    try {
      this.#terminal.input.setRawMode(false);
    } catch {
      // the terminal is gone
    }
  }
}

/** At once, for the process may end now; a terminal that is full gets a moment. */
function writeHard(fd: number, text: string): void {
  for (let i = 0; i < TRIES; i++)
    try {
      writeSync(fd, text);
      return;
    } catch (error) {
      if (systemCode(error) !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
}

/** A promise of the end, and the function that keeps it; Node 20 has no Promise.withResolvers. */
export function ending(): { readonly ended: Promise<End>; readonly end: (end: End) => void } {
  let end: (end: End) => void = () => {};
  const ended = new Promise<End>((resolve) => {
    end = resolve;
  });
  return { ended, end };
}
