// Two people with homes of their own, at a relay in the test's process.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startRelay, type TestRelay, type TestRelayOptions } from '../relay.ts';
import { Home, type Result, type RunOptions } from './program.ts';

export class Person {
  readonly home = new Home();
  readonly port: number;
  key = '';

  constructor(port: number) {
    this.port = port;
  }

  async make(name: string): Promise<this> {
    this.key = (await this.home.ok(['keygen', name])).trimEnd();
    return this;
  }

  options({ env, ...options }: RunOptions = {}): RunOptions {
    return { ...options, env: { FLEXIM_RELAY: `127.0.0.1:${this.port}`, ...env } };
  }

  ok(line: string, options: RunOptions = {}): Promise<string> {
    return this.home.ok(line.split(' '), this.options(options));
  }

  fails(line: string, as: readonly [number, string], options: RunOptions = {}): Promise<string> {
    return this.home.fails(line.split(' '), as, this.options(options));
  }

  run(line: string, options: RunOptions = {}): Promise<Result> {
    return this.home.run(line.split(' '), this.options(options));
  }

  /** The lines of JSON that a command prints. */
  async json(line: string, options: RunOptions = {}): Promise<Record<string, unknown>[]> {
    return objects(await this.ok(`${line} --json`, options));
  }

  start(line: string, options: RunOptions = {}): Running {
    return new Running(this.home.start('flexim', line.split(' '), this.options(options)));
  }

  /** The directory of the store. */
  get profile(): string {
    return this.home.file('data', 'flexim', this.key.slice(0, 32));
  }

  get storeFiles(): string[] {
    return readdirSync(this.profile);
  }
}

export const objects = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));

/** A command that goes on while the test does. */
export class Running {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
  }

  /** The next line on stdout. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('it ended');
    return value;
  }

  say(text: string): void {
    this.child.stdin?.write(text);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<NodeJS.Signals | number | null> {
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    const [code, by] = await closed;
    return by ?? code;
  }
}

export function withTwo(
  body: (scene: {
    readonly alice: Person;
    readonly bob: Person;
    readonly relay: TestRelay;
  }) => Promise<void>,
  options: TestRelayOptions = {},
): () => Promise<void> {
  return async () => {
    const relay = await startRelay(options);
    const [alice, bob] = [new Person(relay.port), new Person(relay.port)];
    let isStopped = false;
    const stop = async () => {
      if (!isStopped) await relay.stop();
      isStopped = true;
    };
    try {
      await Promise.all([alice.make('alice'), bob.make('bob')]);
      await bob.ok('receive'); // his prekeys are at the relay, and his alias
      await body({ alice, bob, relay: { ...relay, stop } });
    } finally {
      await stop();
      for (const { home } of [alice, bob]) home.remove();
    }
  };
}
