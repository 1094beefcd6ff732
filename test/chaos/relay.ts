// The relay under test: the real program over dist/, as a process of its own on one directory of data
// and keys, started again after every end.

import { childrenNamed } from '../children.ts';
import { Home, RelayProcess, type Result } from '../cli/program.ts';
import type { Tunnel } from './tunnel.ts';

export interface RelayOptions {
  readonly args?: readonly string[];
  /** Gets a function that names a file beside the relay's data. */
  readonly env?: (file: (name: string) => string) => Readonly<Record<string, string>>;
  /** Clients come through it, by CommStream. */
  readonly tunnel?: Tunnel | null;
  /** A copy of the programs, as `planted.ts` makes them; else the ones built here. */
  readonly root?: string | undefined;
}

/** One life of the relay. */
export interface Life {
  readonly port: number;
  readonly startMs: number;
  /** Kept with what it said when nobody asked for its end. */
  readonly crashed: Promise<string>;
  /** Ends it from outside, and kills it when that takes longer than so many milliseconds. */
  end(signal: EndSignal, killAfter?: number): Promise<Result>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Those of its processes that read and write for it. */
  workers(): readonly number[];
}

export type EndSignal = 'SIGKILL' | 'SIGTERM' | 'SIGINT';

// All clients come from one address, again and again; what rates do has tests of its own.
const NO_RATES = [
  'connects-per-second',
  'logins-per-minute',
  'new-keys-per-hour',
  'messages-per-second',
  'commands-per-second',
].flatMap((rate) => [`--${rate}`, '0']);
const START_MS = 20_000; // longer is a hang
const STOP_MS = 15_000;

const alive = new Set<RelayProcess>();
const homes = new Set<Home>();
process.on('exit', () => {
  for (const each of alive) each.child.kill('SIGKILL');
  for (const each of homes) each.remove();
});

export class RelayPlace {
  readonly #home = new Home();
  readonly #options: RelayOptions;
  #key = '';

  constructor(options: RelayOptions) {
    this.#options = options;
    homes.add(this.#home);
  }

  file(name: string): string {
    return this.#home.file(name);
  }

  /** Starts the relay and waits for its address. */
  async start(): Promise<Life> {
    const began = performance.now();
    const relay = this.#spawn();
    const late = setTimeout(() => relay.child.kill('SIGKILL'), START_MS);
    const { tunnel } = this.#options;
    const ready = async () => {
      await relay.ready();
      if (tunnel) tunnel.target = await relay.secondPort();
    };
    await ready().finally(() => clearTimeout(late));
    this.#sameKey(relay.key);
    return life(relay, tunnel?.port ?? relay.port, performance.now() - began);
  }

  /** Starts the relay and kills it so many milliseconds later, ready or not. */
  async startAndKill(ms: number): Promise<void> {
    const relay = this.#spawn();
    relay.ready().catch(() => {});
    const timer = setTimeout(() => relay.child.kill('SIGKILL'), ms);
    const { signal, stderr } = await relay.ended;
    clearTimeout(timer);
    if (signal !== 'SIGKILL') throw new Error(`the relay did not start: ${stderr}`);
  }

  #spawn(): RelayProcess {
    const { args = [], env, root } = this.#options;
    const relay = new RelayProcess(this.#home, ['--log-level', 'warn', ...NO_RATES, ...args], {
      env: env?.((name) => this.file(name)) ?? {},
      ...(root === undefined ? {} : { root }),
    });
    alive.add(relay);
    relay.ended.finally(() => alive.delete(relay));
    return relay;
  }

  #sameKey(key: string): void {
    if (this.#key !== '' && key !== this.#key) throw new Error('the relay has another key');
    this.#key = key;
  }

  remove(): void {
    homes.delete(this.#home);
    this.#home.remove();
  }
}

function life(relay: RelayProcess, port: number, startMs: number): Life {
  let asked = false;
  return {
    port,
    startMs,
    crashed: new Promise((resolve) => {
      relay.ended.then(({ code, signal, stderr }) => {
        if (!asked) resolve(`${code ?? signal}: ${stderr.slice(-2_000)}`);
      });
    }),
    end: async (signal, killAfter = STOP_MS) => {
      asked = true;
      const late = setTimeout(() => relay.child.kill('SIGKILL'), killAfter);
      relay.child.kill('SIGCONT'); // a stopped process would take no other signal
      return relay.stop(signal).finally(() => clearTimeout(late));
    },
    signal: (signal) => {
      relay.child.kill(signal);
    },
    workers: () => childrenNamed('worker', relay.child.pid as number),
  };
}
