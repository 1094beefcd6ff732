// The built programs as real child processes, each with a home of its own in a temporary directory and
// with nothing of this machine's environment.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import * as assert from 'uvu/assert';

const ROOT = join(import.meta.dirname, '..', '..');
if (!existsSync(join(ROOT, 'dist', 'cli', 'flexim.js')))
  throw new Error('these tests run what npm run build makes: run that first');

export type Env = Readonly<Record<string, string>>;

export interface Result {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Env;
  readonly input?: string;
  /** The test writes its stdin, and ends it. */
  readonly isOpen?: boolean;
  /** Written to descriptor 3. */
  readonly secret?: string;
  readonly cwd?: string;
  readonly node?: readonly string[];
  /** How many files it may have open. */
  readonly files?: number;
  /** Another checkout, or a copy of this one. */
  readonly root?: string;
}

export const program = (name: string, root = ROOT) => join(root, 'bin', name);

export class Home {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'flexim-cli-')));
  readonly keys = join(this.path, 'data', 'flexim', 'keys');
  readonly pins = join(this.path, 'data', 'flexim', 'known-relays');

  get env(): Env {
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.path,
      XDG_DATA_HOME: join(this.path, 'data'),
      XDG_CONFIG_HOME: join(this.path, 'config'),
    };
  }

  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes a configuration file: config.toml or relay.toml. */
  configure(name: string, text: string): void {
    const path = this.file('config', 'flexim', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  start(name: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
    const { env = {}, cwd = this.path, node = [], secret, files, root } = options;
    const command = [process.execPath, ...node, program(name, root), ...args];
    // A shell sets the limit, and is replaced by the program.
    const limited = ['/bin/sh', '-c', `ulimit -n ${files} && exec "$@"`, 'sh', ...command];
    const [file = '', ...rest] = files === undefined ? command : limited;
    const child = spawn(file, rest, {
      cwd,
      env: { ...this.env, ...env },
      // In a session of its own: there is no terminal to ask for a passphrase.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', secret === undefined ? 'ignore' : 'pipe'],
    });
    child.stdin?.on('error', () => {}); // it may not read its input
    if (!options.isOpen) child.stdin?.end(options.input ?? '');
    const third = child.stdio[3];
    if (secret !== undefined && third && 'end' in third) {
      third.on('error', () => {});
      third.end(secret);
    }
    return child;
  }

  async run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return ended(this.start('flexim', args, options));
  }

  /** Runs what must go well, and gives its stdout. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    assert.is(result.code, 0, `${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  /** Runs what must fail: nothing on stdout, one line with the code last on stderr. */
  async fails(
    args: readonly string[],
    [exit, code]: readonly [number, string],
    options: RunOptions = {},
  ): Promise<string> {
    const result = await this.run(args, options);
    return failed(result, [exit, code], 'flexim');
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Checks an expected failure and gives stderr. */
export function failed(
  { code, stdout, stderr }: Result,
  [exit, name]: readonly [number, string],
  who: string,
): string {
  assert.is(code, exit, stderr);
  assert.is(stdout, '');
  assert.not.match(stderr, /^\s+at /m, 'a stack trace for an expected failure');
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  assert.match(last, new RegExp(`^${who}: .*\\[${name}\\]$`));
  return stderr;
}

/** Runs a test with a home that is removed after it. */
export function withHome(test: (home: Home) => Promise<void>): () => Promise<void> {
  return async () => {
    const home = new Home();
    try {
      await test(home);
    } finally {
      home.remove();
    }
  };
}

export async function ended(child: ChildProcess): Promise<Result> {
  const texts = Promise.all([read(child.stdout), read(child.stderr)]);
  const [code, signal] = await once(child, 'close');
  const [stdout, stderr] = await texts;
  return { code, signal, stdout, stderr };
}

async function read(stream: Readable | null): Promise<string> {
  let text = '';
  if (!stream || stream.destroyed) return text;
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return text;
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A flexim-relay, from its address on stdout to its end. */
export class RelayProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Result>;
  address = '';
  stderr = '';
  #stdout = '';
  readonly #waiting = new Set<() => void>();

  constructor(home: Home, args: readonly string[] = [], options: RunOptions = {}) {
    const port = args.includes('--port') ? [] : ['--port', '0'];
    this.child = home.start('flexim-relay', [...port, ...args], options);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#wake();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.#wake();
      return { code, signal, stdout: this.#stdout, stderr: this.stderr };
    });
  }

  /** Waits for the address on stdout. */
  async ready(): Promise<this> {
    await this.#until(() => this.#stdout.includes('\n'));
    this.address = this.#stdout.trimEnd();
    return this;
  }

  get port(): number {
    return Number(/:(\d+)\?/.exec(this.address)?.[1]);
  }

  /** Where it listens for CommStream, waited for: its second line on stdout. */
  async secondPort(): Promise<number> {
    const second = () => /\n.*:(\d+)\?.*\n/.exec(this.#stdout)?.[1];
    await this.#until(() => second() !== undefined);
    return Number(second());
  }

  get key(): string {
    return /relay=([0-9a-f]{64})(?=&|$)/m.exec(this.address)?.[1] ?? '';
  }

  get log(): readonly LogLine[] {
    return this.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  /** The first log line with this message, waited for. */
  async logged(msg: string, count = 1): Promise<LogLine> {
    const lines = () => {
      const whole = this.stderr.slice(0, this.stderr.lastIndexOf('\n') + 1).split('\n');
      return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    };
    const found = () => lines().filter((line) => line.msg === msg)[count - 1];
    await this.#until(() => found() !== undefined);
    return found();
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Result> {
    this.child.kill(signal);
    return this.ended;
  }

  #until(done: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const over = this.child.exitCode !== null || this.child.signalCode !== null;
        if (!done() && !over) return;
        this.#waiting.delete(look);
        if (done()) resolve();
        else reject(new Error(`the relay ended: ${this.stderr}`));
      };
      this.#waiting.add(look);
      look();
    });
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }
}

/** Runs a test with a relay that is killed whatever happens. */
export async function withRelayProcess(
  home: Home,
  args: readonly string[],
  test: (relay: RelayProcess) => Promise<void>,
): Promise<void> {
  const relay = new RelayProcess(home, args);
  try {
    await test(await relay.ready());
  } finally {
    relay.child.kill('SIGKILL');
    await relay.ended;
  }
}
