// The relay's end of its porter (porter.ts): a Door whose connections another process has accepted, and a
// lobby where it has received them until they had logged in. When that process dies another takes its place,
// and who is in notices nothing.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { KeyPair } from '../../crypto/sodium.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type PromiseWithResolvers, withResolvers } from '../../lib/queue.ts';
import type { Channel } from '../../net/channel.ts';
import type { Door } from '../../net/door.ts';
import { type Arrival, adopted, type Listener, type TcpAddress } from '../../net/tcp.ts';
import type { Hall, RemoteLobby } from '../../protocols/protocol.ts';
import type { Shut, ShutReason } from '../../relay/doors.ts';
import type { DropReason, Drops } from '../../relay/drops.ts';
import type { Limits } from '../../relay/limits.ts';
import {
  bytesOf,
  type Came,
  type FromPorter,
  PORTER_LIMITS,
  type PorterLimits,
  type Times,
  type ToPorter,
  type WrittenKeys,
  written,
} from './words.ts';

const AGAIN_MS = 1_000;
const EXTENSION = /\.[jt]s$/.exec(import.meta.url)?.[0] ?? '.js';
const PROGRAM = fileURLToPath(new URL(`./porter${EXTENSION}`, import.meta.url));

/** Makes a channel of a socket that came. */
export type Adopt = (socket: Arrival, remote: string) => Channel;

interface Way {
  /** Who has logged in, or anybody where strangers are not received. */
  readonly accept: (channel: Channel, word: Came) => void;
  readonly hall: Hall | null; // null: strangers are not received
  readonly adopt: Adopt;
  at: TcpAddress; // with the port that it really has, once it is open
  readonly opened: PromiseWithResolvers<Listener>;
  isOpen: boolean;
  isClosing: boolean;
  readonly closed: PromiseWithResolvers<void>;
}

export interface PorterOptions {
  readonly limits: Limits; // 0: no limit
  readonly log: Log;
}

// Helpers of the engine would take the relay's core for milliseconds, and do not have the porter's priority.
const LEAN = ['--single-threaded', '--max-semi-space-size=1'];

export class PorterDoor implements Door {
  /** Hears of who was not let in. */
  shut: Shut = () => {};
  /** Counts what became of strangers. */
  drops: Pick<Drops, 'count'> = { count() {} };
  readonly #log: Log;
  readonly #ways = new Map<number, Way>();
  readonly #inside = new Map<string, number>(); // connections that were let in, by where they came from
  #limits: Limits;
  #exchange: WrittenKeys | null = null; // with which logins are done
  #dismissed: (() => void) | null = null;
  #isArrived = false; // the socket that is on its way
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

  open(
    at: TcpAddress,
    accept: (channel: Channel) => void,
    adopt: Adopt = adopted,
  ): Promise<Listener> {
    return this.#open(at, { accept, hall: null, adopt });
  }

  /** The lobby of a relay with that key. */
  lobby(exchange: KeyPair): RemoteLobby {
    this.#exchange = written(exchange);
    return {
      receive: (at, hall) => {
        const accept: Way['accept'] = (channel, word) => entered(hall, channel, word);
        return this.#open(at, { accept, hall, adopt: adopted });
      },
      dismiss: (seconds) => this.#dismiss(seconds),
      left: (remote) => this.left(remote),
    };
  }

  #open(at: TcpAddress, how: Pick<Way, 'accept' | 'hall' | 'adopt'>): Promise<Listener> {
    const way: Way = {
      ...{ at, ...how, isOpen: false, isClosing: false },
      ...{ opened: withResolvers<Listener>(), closed: withResolvers<void>() },
    };
    const id = this.#nextWay++;
    this.#ways.set(id, way);
    this.#tellWay(id, way);
    return way.opened.promise;
  }

  #tellWay(id: number, { at, hall }: Way): void {
    if (hall) this.#tellLimits(); // its name may be another now
    if (hall && this.#exchange) this.#tell({ receive: id, ...at, exchange: this.#exchange });
    else this.#tell({ listen: id, ...at });
  }

  #dismiss(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#dismissed = resolve;
      if (this.#porter.connected) this.#tell({ dismiss: seconds });
      else resolve();
    });
  }

  left(remote: string): void {
    const others = (this.#inside.get(remote) ?? 0) - 1;
    if (others > 0) this.#inside.set(remote, others);
    else this.#inside.delete(remote);
    if (this.#left.push(remote) === 1) setImmediate(this.#tellLeft);
  }

  limits(limits: Limits): void {
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
    const porter = fork(PROGRAM, [], {
      execArgv: [...process.execArgv, ...LEAN],
      stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
    });
    porter.on('message', (word: FromPorter, socket) => {
      if (porter === this.#porter) this.#heard(word, socket as Arrival | undefined);
    });
    porter.stdin?.on('error', () => {}); // it is only there to be closed
    porter.on('error', (error) => {
      if (porter.pid === undefined) this.#died({ err: error }); // else `exit` says all
    });
    porter.on('exit', (code, signal) => this.#died({ code, signal }));
    this.#porter = porter;
    this.#tellLimits();
    return porter;
  }

  #died(how: object): void {
    for (const [id, { isClosing }] of this.#ways) if (isClosing) this.#closed(id);
    this.#dismissed?.(); // with it the strangers are gone
    this.#isArrived = false;
    if (this.#isOver) return;
    this.#log.error(how, 'the process at the door died; another one takes its place');
    this.#later();
  }

  #later(): void {
    setTimeout(() => {
      if (this.#isOver) return;
      try {
        this.#startAgain();
      } catch (error) {
        // No descriptor or no memory for it now.
        this.#log.error({ err: error }, 'no process could be started for the door');
        this.#later();
      }
    }, AGAIN_MS);
  }

  /** It is told who is in, and opens what was open. What the old one had in its hands is lost. */
  #startAgain(): void {
    this.#porter = this.#start();
    this.#left = [];
    const inside = [...this.#inside].flatMap(([remote, n]) => Array<string>(n).fill(remote));
    this.#tell({ inside });
    for (const [id, way] of this.#ways) this.#tellWay(id, way);
  }

  #tell(word: ToPorter): void {
    if (this.#porter.connected) this.#porter.send(word, () => {}); // of its death `exit` tells
  }

  #tellLimits(): void {
    const limits = Object.fromEntries(PORTER_LIMITS.map((name) => [name, this.#limits[name]]));
    const halls = [...this.#ways.values()].flatMap(({ hall }) => hall ?? []);
    this.#tell({ limits: limits as PorterLimits, name: halls[0]?.name() ?? '' });
  }

  readonly #tellLeft = (): void => {
    if (this.#left.length > 0) this.#tell({ left: this.#left });
    this.#left = [];
  };

  // ---- what it says ----

  #heard(word: FromPorter, socket: Arrival | undefined): void {
    if ('came' in word) this.#came(word, socket);
    else if ('handed' in word) this.#handed(word.handed);
    else if ('ask' in word) this.#asked(word.ask, word.key);
    else if ('counted' in word) this.#counted(word.counted);
    else if ('shut' in word) this.#shutOut(word.shut);
    else if ('listening' in word) this.#listening(word.listening, word.at);
    else if ('refused' in word)
      this.#refused(word.refused, new FleximError(word.code, word.message));
    else if ('closed' in word) this.#closed(word.closed);
    else if ('failure' in word) this.#log.error({ stack: word.failure }, 'a connection failed');
    else this.#dismissed?.();
  }

  #came(word: Came, socket: Arrival | undefined): void {
    if (!socket) return; // it was lost, as `handed` says
    const { came, from } = word;
    const way = this.#ways.get(came);
    this.#isArrived = true;
    this.#inside.set(from, (this.#inside.get(from) ?? 0) + 1);
    if (way) return way.accept(way.adopt(socket, from), word);
    this.left(from);
    socket.resetAndDestroy();
  }

  #handed(from: string): void {
    this.#tell({ took: true });
    if (!this.#isArrived) {
      // No descriptor was left for it in this process, or it was reset on the way.
      this.#tell({ left: [from] });
      this.shut('no-descriptors');
    }
    this.#isArrived = false;
  }

  #asked(n: number, key: string): void {
    const [hall] = [...this.#ways.values()].flatMap((way) => way.hall ?? []);
    if (hall) this.#tell({ known: n, ...hall.lookUp(key) });
  }

  #counted(times: Times<DropReason>): void {
    for (const [reason, n] of Object.entries(times)) this.drops.count(reason as DropReason, n);
  }

  #shutOut(times: Times<ShutReason>): void {
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
    setTimeout(() => this.#tellWay(id, way), AGAIN_MS);
  }
}

function entered(hall: Hall, channel: Channel, { admission, early = '' }: Came): void {
  if (admission) hall.enter({ channel, early: bytesOf(early), admission });
  else channel.reset();
}
