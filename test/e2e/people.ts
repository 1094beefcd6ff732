// The programs as people use them: a relay behind a tap, and alice and bob with homes of their own, each with a
// receiver that acknowledges, and with commands beside it. All that runs is known, and ends with the rig.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Env, Home, program } from '../cli/program.ts';
import type { Account, Line, Way } from './account.ts';

const running = new Set<ChildProcess>();

export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

/** A process of ours, its lines and its end. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  isKilled = false;
  #stderr = '';

  constructor(home: Home, args: readonly string[], heard: (line: string) => void, env: Env = {}) {
    const [name = '', ...rest] = args;
    this.child = spawn(process.execPath, [name, ...rest], {
      cwd: home.path,
      env: { ...home.env, ...env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(this.child);
    this.child.stdin?.on('error', () => {}); // it may be killed before it reads
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    const lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream });
    lines.on('line', heard);
    const read = once(lines, 'close');
    this.ended = once(this.child, 'close').then(async ([code, signal]) => {
      running.delete(this.child);
      await read;
      return { code, signal, stderr: this.#stderr };
    });
  }

  kill(): void {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.isKilled = true;
    this.child.kill('SIGKILL');
  }
}

export class Relay {
  readonly home = new Home();
  readonly #root: string | undefined;
  #running: Running | null = null;
  key = '';
  port = 0;

  constructor(root?: string) {
    this.#root = root;
  }

  async start(): Promise<this> {
    let heard: (line: string) => void = () => {};
    const address = new Promise<string>((resolve) => {
      heard = resolve;
    });
    const args = [
      '--port',
      '0',
      '--keys',
      this.home.file('keys'),
      '--data',
      this.home.file('data'),
    ];
    this.#running = new Running(this.home, [program('flexim-relay', this.#root), ...args], heard);
    const first = await Promise.race([address, this.#running.ended]);
    if (typeof first !== 'string') throw new Error(`the relay ended: ${first.stderr}`);
    this.port = Number(/:(\d+)\?/.exec(first)?.[1]);
    this.key = /relay=([0-9a-f]{64})$/.exec(first)?.[1] ?? '';
    return this;
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended | null> {
    this.#running?.child.kill(signal);
    return (await this.#running?.ended) ?? null;
  }
}

export interface PersonOptions {
  readonly account: Account;
  readonly relay: string; // its address, as a client is given it
  readonly root?: string | undefined;
  readonly sendTimeout: string;
}

export class Person {
  readonly home = new Home();
  readonly name: string;
  readonly #options: PersonOptions;
  key = '';
  /** What others write to this one. */
  way: Way | null = null;
  receiver: Running | null = null;
  receivers = 0;

  constructor(name: string, options: PersonOptions) {
    this.name = name;
    this.#options = options;
  }

  start(args: readonly string[], heard: (line: string) => void = () => {}): Running {
    const { root, relay } = this.#options;
    return new Running(this.home, [program('flexim', root), ...args], heard, {
      FLEXIM_RELAY: relay,
    });
  }

  /** Runs a command that must go well, and gives its lines. */
  async ok(...args: string[]): Promise<string[]> {
    const lines: string[] = [];
    const run = this.start(args, (line) => lines.push(line));
    run.child.stdin?.end();
    const { code, stderr } = await run.ended;
    if (code !== 0) throw new Error(`${this.name}: flexim ${args.join(' ')}: ${code}: ${stderr}`);
    return lines;
  }

  /** Both directions, the oldest first. */
  async history(who: string): Promise<Line[]> {
    const lines = await this.ok('history', who, '--json', '--limit', '1000000');
    return lines.map((line) => JSON.parse(line));
  }

  /** A program that takes what comes: it sends each id back, as a bot would once it has the message safely. */
  receive({ forgets = () => false }: { forgets?: (id: string) => boolean } = {}): Running {
    const number = ++this.receivers;
    const receiver = this.start(['receive', '--follow', '--json', '--ack-stdin'], (text) => {
      const line = JSON.parse(text) as Line;
      this.way?.show(line, number);
      if (forgets(line.id)) return;
      this.way?.acknowledge(line.id);
      receiver.child.stdin?.write(`${line.id}\n`);
    });
    this.receiver = receiver;
    void receiver.ended.then((ended) => {
      if (this.receiver === receiver) this.receiver = null;
      if (!receiver.isKilled && ended.code !== 0) this.#crashed('receive', ended);
    });
    return receiver;
  }

  /** Ends the receiver as its user would, by the end of its stdin. What was acknowledged is so for good. */
  async rest(): Promise<void> {
    const { receiver } = this;
    if (!receiver) return;
    receiver.child.stdin?.end();
    const { code } = await receiver.ended;
    if (code === 0) this.way?.confirm();
  }

  /** Sends each text as a message, and keeps the account. With `pause` they come one by one, as from a program. */
  send(to: Person, texts: readonly string[], pause: () => number = () => 0): Running {
    const args = ['send', to.key, '--lines', '--json', '--timeout', this.#options.sendTimeout];
    const run = this.start(args, (text) => {
      const { id, state } = JSON.parse(text) as { id: string; state: string };
      to.way?.promise(id, state);
    });
    const given = feed(run, texts, { pause, post: (text) => to.way?.post(text) });
    void run.ended.then(async (ended) => {
      if (ended.code === 0) to.way?.sure(await given);
      else if (!run.isKilled && (ended.signal !== null || ![69, 75].includes(ended.code ?? -1)))
        this.#crashed('send', ended);
    });
    return run;
  }

  #crashed(command: string, { code, signal, stderr }: Ended): void {
    const last = stderr.trimEnd().split('\n').slice(-3).join(' / ');
    this.#options.account.violation(
      'crash',
      `${this.name}: ${command}: ${code ?? signal}: ${last}`,
    );
  }
}

/** Writes one line after the other while somebody reads; gives those that were written. */
async function feed(
  { child }: Running,
  texts: readonly string[],
  { pause, post }: { pause(): number; post(text: string): void },
): Promise<string[]> {
  const given: string[] = [];
  for (const text of texts) {
    const ms = pause();
    if (ms > 0) await sleep(ms);
    if (child.exitCode !== null || child.signalCode !== null) break;
    post(text);
    given.push(text);
    child.stdin?.write(`${text}\n`);
  }
  child.stdin?.end();
  return given;
}
