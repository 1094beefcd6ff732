// A real flexim-relay on a disk that fails, and the peers who talk to it.

import { mkdirSync } from 'node:fs';
import { decode } from '@msgpack/msgpack';
import * as assert from 'uvu/assert';
import { Home, type LogLine, RelayProcess } from '../cli/program.ts';
import { Faults } from '../faults/faults.ts';
import { type Frame, type Keys, Peer, statusOf, TYPE } from '../peer.ts';

export interface SceneOptions {
  readonly args?: readonly string[];
  /** The checkout whose bin/ and dist/ run, else this one. */
  readonly root?: string;
}

export class RelayScene {
  readonly faults = new Faults();
  readonly #home = new Home();
  readonly #options: SceneOptions;
  readonly #relays: RelayProcess[] = [];
  readonly #peers: Peer[] = [];

  constructor(options: SceneOptions) {
    this.#options = options;
    mkdirSync(this.data, { mode: 0o700 });
  }

  get data(): string {
    return this.#home.file('store');
  }

  /** The relay that runs, or ran last. */
  get relay(): RelayProcess {
    return this.#relays.at(-1) as RelayProcess;
  }

  /** Starts the relay, on the store of the one before. Its address is waited for by `ready`. */
  start(): RelayProcess {
    const { args = [], root } = this.#options;
    const env = this.faults.env(this.data);
    const options = { env, ...(root === undefined ? {} : { root }) };
    this.#relays.push(new RelayProcess(this.#home, ['--data', this.data, ...args], options));
    return this.relay;
  }

  /** A connection that is not logged in. */
  async stranger(): Promise<Peer> {
    const peer = await Peer.connect(this.relay.port);
    this.#peers.push(peer);
    return peer;
  }

  async online(keys: Keys): Promise<Peer> {
    const peer = await this.stranger();
    await peer.login(keys);
    return peer;
  }

  /** Makes a key known, and leaves it away. */
  async away(keys: Keys): Promise<void> {
    const peer = await this.online(keys);
    await peer.ask('BYE'); // who was answered is away
    await peer.closed;
  }

  /** What is queued for a key, taken from the queue. */
  async fetched(keys: Keys): Promise<string[]> {
    const peer = await this.stranger();
    const { queued } = await peer.login(keys);
    await peer.ask('BYE');
    await peer.closed;
    return queued.map(textOf);
  }

  get log(): readonly LogLine[] {
    const lines = this.relay.stderr.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line));
  }

  async end(): Promise<void> {
    for (const peer of this.#peers) peer.socket.destroy();
    for (const relay of this.#relays) relay.child.kill('SIGKILL');
    await Promise.all(this.#relays.map(({ ended }) => ended));
    this.faults.remove();
    this.#home.remove();
  }
}

export function withRelayScene(
  body: (scene: RelayScene) => Promise<void>,
  options: SceneOptions = {},
): Promise<void> {
  const scene = new RelayScene(options);
  const run = async () => {
    await scene.start().ready();
    await body(scene);
  };
  return run().finally(() => scene.end());
}

export function textOf({ type, body }: Frame): string {
  assert.is(type, TYPE.Message);
  return (decode(body) as { msg: string }).msg;
}

/** A Status as `code payload`. */
export function shown(frame: Frame): string {
  const { status, payload } = statusOf(frame);
  return `${status} ${payload}`;
}
