// The relay's end of its porter (porter.ts): a Door whose connections another process has accepted. When
// that one dies another takes its place, and who is in notices nothing.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FleximError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type PromiseWithResolvers, withResolvers } from '../../lib/queue.ts';
import type { Channel } from '../../net/channel.ts';
import type { Door } from '../../net/door.ts';
import { type Arrival, adopted, type Listener, type TcpAddress } from '../../net/tcp.ts';
import { DOOR_LIMITS, type DoorLimits, type Shut, type ShutReason } from '../../relay/doors.ts';
import type { FromPorter, ToPorter } from './words.ts';

const AGAIN_MS = 1_000;
const EXTENSION = /\.[jt]s$/.exec(import.meta.url)?.[0] ?? '.js';
const PROGRAM = fileURLToPath(new URL(`./porter${EXTENSION}`, import.meta.url));

interface Way {
  readonly accept: (channel: Channel) => void;
  at: TcpAddress; // with the port that it really has, once it is open
  readonly opened: PromiseWithResolvers<Listener>;
  isOpen: boolean;
  isClosing: boolean;
  readonly closed: PromiseWithResolvers<void>;
}

export interface PorterOptions {
  readonly limits: DoorLimits; // 0: no limit
  readonly log: Log;
}

export class PorterDoor implements Door {
  /** Hears of who was not let in. */
  shut: Shut = () => {};
  readonly #log: Log;
  readonly #ways = new Map<number, Way>();
  readonly #inside = new Map<string, number>(); // connections that were let in, by where they came from
  #limits: DoorLimits;
  #left: string[] = [];
  #nextWay = 0;
  #porter: ChildProcess;
  #isOver = false;

  /** It begins to start at once, and is waited for by `open`. */
  constructor({ limits, log }: PorterOptions) {
    this.#log = log;
    this.#limits = limits;
    this.#porter = this.#start();
  }

  get pid(): number | undefined {
    return this.#porter.pid;
  }

  open(at: TcpAddress, accept: (channel: Channel) => void): Promise<Listener> {
    const way: Way = {
      ...{ at, accept, isOpen: false, isClosing: false },
      ...{ opened: withResolvers<Listener>(), closed: withResolvers<void>() },
    };
    const id = this.#nextWay++;
    this.#ways.set(id, way);
    this.#tell({ listen: id, ...at });
    return way.opened.promise;
  }

  left(remote: string): void {
    const others = (this.#inside.get(remote) ?? 0) - 1;
    if (others > 0) this.#inside.set(remote, others);
    else this.#inside.delete(remote);
    if (this.#left.push(remote) === 1) setImmediate(this.#tellLeft);
  }

  limits(limits: DoorLimits): void {
    this.#limits = limits;
    this.#tellLimits();
  }

  /** Nobody more comes in. */
  end(): void {
    this.#isOver = true;
    this.#porter.stdin?.destroy();
    if (this.#porter.connected) this.#porter.disconnect();
  }

  // ---- the porter's life ----

  #start(): ChildProcess {
    const porter = fork(PROGRAM, [], { stdio: ['pipe', 'ignore', 'inherit', 'ipc'] });
    porter.on('message', (word: FromPorter, socket) => {
      if (porter === this.#porter) this.#heard(word, socket as Arrival | undefined);
    });
    porter.stdin?.on('error', () => {}); // it is only there to be closed
    porter.on('error', () => {}); // `exit`, or the lack of it, says all
    porter.on('exit', (code, signal) => this.#died({ code, signal }));
    this.#porter = porter;
    this.#tellLimits();
    return porter;
  }

  #died(how: object): void {
    for (const [id, { isClosing }] of this.#ways) if (isClosing) this.#closed(id);
    if (this.#isOver) return;
    this.#log.error(how, 'the process at the door died; another one takes its place');
    setTimeout(() => {
      if (!this.#isOver) this.#startAgain();
    }, AGAIN_MS);
  }

  /** It is told who is in, and opens what was open. What the old one had in its hands is lost. */
  #startAgain(): void {
    this.#porter = this.#start();
    this.#left = [];
    const inside = [...this.#inside].flatMap(([remote, n]) => Array<string>(n).fill(remote));
    this.#tell({ inside });
    for (const [id, { at }] of this.#ways) this.#tell({ listen: id, ...at });
  }

  #tell(word: ToPorter): void {
    if (this.#porter.connected) this.#porter.send(word, () => {}); // of its death `exit` tells
  }

  #tellLimits(): void {
    const limits = Object.fromEntries(DOOR_LIMITS.map((name) => [name, this.#limits[name]]));
    this.#tell({ limits: limits as DoorLimits });
  }

  readonly #tellLeft = (): void => {
    if (this.#left.length > 0) this.#tell({ left: this.#left });
    this.#left = [];
  };

  // ---- what it says ----

  #heard(word: FromPorter, socket: Arrival | undefined): void {
    if ('came' in word) this.#came(word.came, word.from, socket);
    else if ('shut' in word) this.#shutOut(word.shut);
    else if ('listening' in word) this.#listening(word.listening, word.at);
    else if ('refused' in word)
      this.#refused(word.refused, new FleximError(word.code, word.message));
    else if ('closed' in word) this.#closed(word.closed);
  }

  #came(id: number, from: string, socket: Arrival | undefined): void {
    const way = this.#ways.get(id);
    this.#inside.set(from, (this.#inside.get(from) ?? 0) + 1);
    if (!socket) {
      // No descriptor was left for it in this process, or it was reset on the way.
      this.left(from);
      return this.shut('no-descriptors');
    }
    const channel = adopted(socket, from);
    if (way) return way.accept(channel);
    this.left(from);
    channel.reset();
  }

  #shutOut(times: Readonly<Partial<Record<ShutReason, number>>>): void {
    for (const [reason, n] of Object.entries(times)) this.shut(reason as ShutReason, n);
  }

  #listening(id: number, at: TcpAddress): void {
    const way = this.#ways.get(id);
    if (!way) return;
    way.at = at;
    if (way.isOpen) return this.#log.info({ ...at }, 'listening again');
    way.isOpen = true;
    way.opened.resolve({ address: at, close: () => this.#close(id, way) });
  }

  #close(id: number, way: Way): Promise<void> {
    way.isClosing = true;
    this.#tell({ close: id });
    if (!this.#porter.connected) this.#closed(id);
    return way.closed.promise;
  }

  #closed(id: number): void {
    this.#ways.get(id)?.closed.resolve();
    this.#ways.delete(id);
  }

  /** At the start it is an error; later the port may come back. */
  #refused(id: number, error: FleximError): void {
    const way = this.#ways.get(id);
    if (!way) return;
    if (!way.isOpen) {
      this.#ways.delete(id);
      return way.opened.reject(error);
    }
    this.#log.error({ code: error.code }, `cannot listen again: ${error.message}`);
    setTimeout(() => this.#tell({ listen: id, ...way.at }), AGAIN_MS);
  }
}
