// The rivals of the relay bench, each started on loopback with what is printed here: nothing is kept on
// a disk but the relay's own store, and nothing is dropped for being slow.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../test/ports.ts';
import { Place, pinned, type RelaySettings, UNLIMITED } from '../process.ts';
import type { WireName } from './load.ts';
import { sleep } from './time.ts';

export interface Rival {
  readonly name: string;
  readonly wire: WireName;
  readonly port: number;
  readonly pid: number;
}

/** A server that is not ours. */
interface Peer {
  readonly name: string;
  readonly wire: WireName;
  /** The command, for a port and a directory of its own. */
  command(port: number, directory: string): readonly string[];
  readonly config: (port: number) => readonly string[];
  readonly version: readonly [string, ...string[]];
}

const PEERS: readonly Peer[] = [
  {
    name: 'NATS',
    wire: 'nats',
    command: (_, directory) => ['nats-server', '-c', join(directory, 'config')],
    config: (port) => [`listen: "127.0.0.1:${port}"`, 'ping_interval: "10m"', 'max_pending: 256MB'],
    version: ['nats-server', '--version'],
  },
  {
    name: 'Redis',
    wire: 'redis',
    command: (_, directory) => ['redis-server', join(directory, 'config')],
    config: (port) => [
      'bind 127.0.0.1',
      `port ${port}`,
      'save ""',
      'appendonly no',
      'client-output-buffer-limit pubsub 0 0 0',
    ],
    version: ['redis-server', '--version'],
  },
  {
    name: 'Mosquitto',
    wire: 'mqtt',
    command: (_, directory) => ['mosquitto', '-c', join(directory, 'config')],
    config: (port) => [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'max_queued_messages 0',
      'set_tcp_nodelay true',
      'log_type none',
    ],
    version: ['mosquitto', '-h'],
  },
];

const PATIENCE_MS = 10_000;

/** Everything that was started; `end` ends it. */
export class Servers {
  readonly place = new Place();
  readonly #core: number | null;
  readonly #started: ChildProcess[] = [];

  constructor(core: number | null) {
    this.#core = core;
  }

  /** The relay is there twice, without and with acknowledgements: one process. */
  async ours(): Promise<readonly [Rival, Rival]> {
    const plain = await this.relay('flexim', 'flexim', UNLIMITED);
    return [plain, { ...plain, name: 'flexim+acks', wire: 'fleximAcks' }];
  }

  /** A relay with other settings. */
  async relay(name: string, wire: WireName, settings: RelaySettings): Promise<Rival> {
    const { port, child } = await this.place.relay(settings, { name, core: this.#core });
    return { name, wire, port, pid: child.pid };
  }

  async forwarder(): Promise<Rival> {
    const script = join(import.meta.dirname, 'forwarder.ts');
    const child = this.#start([process.execPath, '--import', 'tsx', script]);
    const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data');
    return { name: 'forwarder', wire: 'forward', port: Number(line), pid: child.pid as number };
  }

  /** Those that are installed. */
  async peers(): Promise<Rival[]> {
    const rivals: Rival[] = [];
    for (const peer of PEERS) {
      if (versionOf(peer) === null) continue;
      const { name, wire } = peer;
      const port = await freePort();
      const directory = join(this.place.path, wire);
      mkdirSync(directory);
      writeFileSync(join(directory, 'config'), `${peer.config(port).join('\n')}\n`);
      const child = this.#start(peer.command(port, directory), directory);
      child.stdout?.resume();
      await listens(port, name);
      rivals.push({ name, wire, port, pid: child.pid as number });
    }
    return rivals;
  }

  #start(command: readonly string[], directory = import.meta.dirname): ChildProcess {
    const [program, ...args] = pinned(this.#core, command);
    const child = spawn(program as string, args, {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#started.push(child);
    return child;
  }

  async end(): Promise<void> {
    for (const child of this.#started) {
      const closed = once(child, 'close');
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await closed;
    }
    await this.place.end();
  }
}

/** Where processes run: the server on the first core and the load on the last, or anywhere. */
export const canPin = (): boolean =>
  spawnSync('taskset', ['-c', '1', process.execPath, '-e', '0']).status === 0;

function versionOf({ version: [program, ...args] }: Peer): string | null {
  const { error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (error) return null;
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'of unknown version';
}

/** How they are started, for the reader of a table. */
export function configurations(): readonly string[] {
  return PEERS.map((peer) => {
    const version = versionOf(peer);
    const shown = version === null ? 'not installed' : `${version}; ${peer.config(0).join('; ')}`;
    return `${peer.name} ${shown.replace(/\b0(?= 127)|(?<=:)0\b|(?<=port )0/, '<port>')}`;
  });
}

async function listens(port: number, name: string): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; ; await sleep(20)) {
    const socket = connect(port, '127.0.0.1');
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
    if (performance.now() > end) throw new Error(`${name} does not start`);
  }
}
