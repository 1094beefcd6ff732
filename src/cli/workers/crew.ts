// The relay's end of its workers (worker.ts): sockets go out to them, and come back as channels. When a worker
// dies its connections are cut, as if the network had failed; another takes its place, and until then the
// relay does its work.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { KeyPair } from '../../crypto/sodium.ts';
import { hostGroup } from '../../lib/address.ts';
import type { Log } from '../../lib/log.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Channel } from '../../net/channel.ts';
import { pipeChannel } from '../../net/local.ts';
import { stopReading } from '../../net/socket.ts';
import { type Arrival, adopted } from '../../net/tcp.ts';
import { Trunk } from '../../net/trunk.ts';
import type { DropReason, Drops } from '../../relay/drops.ts';
import type { Limits } from '../../relay/limits.ts';
import { written } from '../porter/words.ts';
import {
  type FromWorker,
  type Streams,
  type ToWorker,
  TRUNK,
  WORKER_LIMITS,
  type WorkerLimits,
} from './words.ts';

export const MAX_WORKERS = 64;
const AGAIN_MS = 1_000;
const END_MS = 1_000;
const EXTENSION = /\.[jt]s$/.exec(import.meta.url)?.[0] ?? '.js';
const PROGRAM = fileURLToPath(new URL(`./worker${EXTENSION}`, import.meta.url));

interface Hearing {
  readonly failed: (error: Error) => void;
  readonly counted: (reason: DropReason, times: number) => void;
  readonly died: (how: object) => void;
}

class Worker {
  readonly #process: ChildProcess;
  readonly #trunk: Trunk;
  readonly #underWay = new Map<number, Arrival>(); // sockets that it does not have yet
  /** It takes sockets, or it never will. */
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  #isThere = false;

  /** Throws when there can be no more processes, or no more descriptors. */
  constructor({ counted, failed, died }: Hearing) {
    this.#process = fork(PROGRAM, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'] });
    this.#process.on('error', () => {}); // `exit`, or the lack of it, says all
    const pipe = this.#process.stdio?.[TRUNK];
    if (this.#process.pid === undefined || !pipe) throw new Error('no process could be started');
    this.#trunk = new Trunk(pipeChannel(pipe), {
      arrived: (channel) => this.#arrived(channel),
      failed,
      closed: () => {
        this.#isThere = false;
        for (const channel of [...this.#underWay.keys()]) this.#arrived(channel);
        setTimeout(() => this.#process.kill('SIGKILL'), END_MS).unref(); // if it goes on without
      },
    });
    const { promise: ready, resolve: isReady } = withResolvers<void>();
    this.ready = ready;
    this.#process.on('message', (word: FromWorker) => {
      if ('ready' in word) {
        this.#isThere = true;
        return isReady();
      }
      for (const [reason, times] of Object.entries(word.counted))
        counted(reason as DropReason, times);
    });
    this.gone = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        died({ code, signal });
        isReady();
        // Words of its last moment may still come.
        if (this.#process.connected) this.#process.once('disconnect', () => resolve());
        else resolve();
      });
    });
  }

  /** Connections; infinite for one that is dying. */
  get load(): number {
    return this.#isThere && this.#process.connected ? this.#trunk.size : Number.POSITIVE_INFINITY;
  }

  tell(word: ToWorker): void {
    if (this.#process.connected) this.#process.send(word, () => {}); // of its death the trunk tells
  }

  take(socket: Arrival, remote: string): Channel {
    const { number, channel } = this.#trunk.add(remote);
    this.#underWay.set(number, socket);
    stopReading(socket);
    const word: ToWorker = { channel: number, remote };
    // Kept open here: closed by ourselves, also when the worker dies before it has it.
    this.#process.send(word, socket, { keepOpen: true }, () => {});
    return channel;
  }

  #arrived(channel: number): void {
    this.#underWay.get(channel)?.destroy();
    this.#underWay.delete(channel);
  }

  /** It says what it has counted, and is gone then. */
  end(): Promise<void> {
    this.#trunk.end();
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_MS);
    return this.gone.then(() => clearTimeout(late));
  }
}

export interface CrewOptions {
  readonly workers: number;
  readonly limits: Limits; // 0: no limit
  readonly log: Log;
}

/** How a relay makes streams, and who does it where there is no worker. */
export interface StreamsOptions extends Pick<Streams, 'insecurePlaintext'> {
  readonly exchange: KeyPair;
  readonly own: (channel: Channel) => Channel;
}

export class Crew {
  /** Counts what became of strangers. */
  drops: Pick<Drops, 'count'> = { count() {} };
  readonly #log: Log;
  readonly #workers: (Worker | null)[];
  #limits: WorkerLimits;
  #streams: Streams | null = null;
  #isOver = false;

  /** They begin to start at once. */
  constructor({ workers, limits, log }: CrewOptions) {
    this.#log = log;
    this.#limits = limitsOf(limits);
    this.#workers = new Array(workers).fill(null);
    for (const place of this.#workers.keys()) this.#start(place);
  }

  /** Kept when all that could be started take sockets. */
  async ready(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker?.ready));
  }

  /** What makes a stream of a socket. */
  streams({ exchange, insecurePlaintext, own }: StreamsOptions) {
    this.#streams = { exchange: written(exchange), insecurePlaintext };
    this.#tell({ streams: this.#streams });
    return (socket: Arrival, remote: string): Channel => {
      const worker = this.#chosen(remote);
      return worker ? worker.take(socket, remote) : own(adopted(socket, remote));
    };
  }

  limits(limits: Limits): void {
    this.#limits = limitsOf(limits);
    this.#tell({ limits: this.#limits });
  }

  /** Nobody is connected any more. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers.map((worker) => worker?.end()));
  }

  /** One address always has the same worker, which counts its negotiations; without that limit, who has least. */
  #chosen(remote: string): Worker | null {
    const all = this.#workers;
    const isLimited = this.#limits.loginsPerMinute !== 0;
    const chosen = isLimited
      ? all[hashOf(hostGroup(remote)) % all.length]
      : all.reduce((least, each) => (loadOf(each) < loadOf(least) ? each : least), null);
    return chosen && Number.isFinite(chosen.load) ? chosen : null;
  }

  #tell(word: ToWorker): void {
    for (const worker of this.#workers) worker?.tell(word);
  }

  #start(place: number): void {
    let worker: Worker;
    try {
      worker = new Worker({
        counted: (reason, times) => this.drops.count(reason, times),
        failed: (error) => this.#log.error({ err: error }, 'a connection of a worker failed'),
        died: (how) => this.#died(place, how),
      });
    } catch (error) {
      return this.#died(place, { err: error });
    }
    worker.tell({ limits: this.#limits });
    if (this.#streams) worker.tell({ streams: this.#streams });
    this.#workers[place] = worker;
  }

  #died(place: number, how: object): void {
    this.#workers[place] = null;
    if (this.#isOver) return;
    this.#log.error(how, 'a worker died with its connections; another one takes its place');
    setTimeout(() => {
      if (!this.#isOver) this.#start(place);
    }, AGAIN_MS);
  }
}

const loadOf = (worker: Worker | null): number => worker?.load ?? Number.POSITIVE_INFINITY;

function hashOf(text: string): number {
  let hash = 0;
  for (const letter of text) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return hash;
}

function limitsOf(limits: Limits): WorkerLimits {
  return Object.fromEntries(WORKER_LIMITS.map((name) => [name, limits[name]])) as WorkerLimits;
}
