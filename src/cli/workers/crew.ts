// The relay's end of its workers (worker.ts): sockets go out to whoever has the fewest, and come back as
// channels. When a worker dies its connections are cut, as if the network had failed; another takes its
// place, and until then the rest, or the relay itself, have what comes.

import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Log } from '../../lib/log.ts';
import type { Channel } from '../../net/channel.ts';
import { SocketChannel, stopReading } from '../../net/socket.ts';
import { type Arrival, adopted } from '../../net/tcp.ts';
import { Trunk } from '../../net/trunk.ts';
import { type Handed, TRUNK } from './words.ts';

export const MAX_WORKERS = 64;
const AGAIN_MS = 1_000;
const EXTENSION = /\.[jt]s$/.exec(import.meta.url)?.[0] ?? '.js';
const PROGRAM = fileURLToPath(new URL(`./worker${EXTENSION}`, import.meta.url));

export interface CrewOptions {
  readonly workers: number;
  readonly log: Log;
}

class Worker {
  readonly #process: ChildProcess;
  readonly #trunk: Trunk;
  readonly #underWay = new Map<number, Arrival>(); // sockets that it does not have yet
  #isThere = true;

  constructor(gone: (worker: Worker, how: object) => void) {
    this.#process = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'] });
    this.#trunk = new Trunk(new SocketChannel(this.#process.stdio[TRUNK] as Socket, false), {
      arrived: (channel) => this.#underWay.delete(channel),
      closed: () => {
        this.#isThere = false;
        for (const socket of this.#underWay.values()) socket.destroy();
        if (this.#process.exitCode === null) this.#process.kill('SIGKILL');
      },
    });
    this.#process.on('error', () => {}); // `exit`, or the lack of it, says all
    this.#process.on('exit', (code, signal) => gone(this, { code, signal }));
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Connections; infinite for one that is dying. */
  get load(): number {
    return this.#isThere && this.#process.connected ? this.#trunk.size : Number.POSITIVE_INFINITY;
  }

  take(socket: Arrival, remote: string): Channel {
    const { number, channel } = this.#trunk.add(remote);
    this.#underWay.set(number, socket);
    const word: Handed = { channel: number, remote };
    this.#process.send(word, socket, () => {}); // of its death the trunk tells
    return channel;
  }

  end(): void {
    this.#trunk.end();
    if (this.#process.connected) this.#process.disconnect();
  }
}

export class Crew {
  readonly #log: Log;
  readonly #workers = new Set<Worker>();
  #isOver = false;

  constructor({ workers, log }: CrewOptions) {
    this.#log = log;
    for (let i = 0; i < workers; i++) this.#start();
  }

  get pids(): readonly number[] {
    return [...this.#workers].flatMap(({ pid }) => pid ?? []);
  }

  /** A socket as a channel, wherever it is read. */
  readonly adopt = (socket: Arrival, remote: string): Channel => {
    let least: Worker | null = null;
    for (const worker of this.#workers) if (worker.load < (least?.load ?? Infinity)) least = worker;
    if (!least) return adopted(socket, remote);
    stopReading(socket);
    return least.take(socket, remote);
  };

  /** Nobody is connected any more. */
  end(): void {
    this.#isOver = true;
    for (const worker of this.#workers) worker.end();
  }

  #start(): void {
    const worker = new Worker((gone, how) => {
      this.#workers.delete(gone);
      if (this.#isOver) return;
      this.#log.error(how, 'a worker died with its connections; another one takes its place');
      setTimeout(() => {
        if (!this.#isOver) this.#start();
      }, AGAIN_MS);
    });
    this.#workers.add(worker);
  }
}
