// A relay's queue and its users made of paper: no socket, no wire. A Paper does with its output what
// src/net/connection.ts does: it gathers, hands a block on, and hears later that it is written.

import { createHash } from 'node:crypto';
import { silent } from '../../src/lib/log.ts';
import { Drops } from '../../src/relay/drops.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/relay/limits.ts';
import type { Draft, Refusal } from '../../src/relay/mailbox.ts';
import type { Memory } from '../../src/relay/memory.ts';
import type { Member, Outcome, Outlet, Sender } from '../../src/relay/outlet.ts';
import { Queue, type QueueStore } from '../../src/relay/queue.ts';
import { Router } from '../../src/relay/router.ts';
import { type MapStore, mapStore } from './map-store.ts';

export const KEY = 'ab'.repeat(32);
export const OTHER = 'cd'.repeat(32);
export const SENDER = 'ef'.repeat(32);

/** Who sends: hears what became of each Message, by number. */
export class PaperSender implements Sender {
  readonly key: string;
  readonly told: string[] = []; // 'n' or 'n refusal'
  holds = 0;

  constructor(key = SENDER) {
    this.key = key;
  }

  hold(): void {
    this.holds++;
  }

  release(): void {
    this.holds--;
  }

  settled({ n, told }: Draft, refusal: Refusal | null): void {
    if (refusal) this.told.push(`${n} ${refusal}`);
    else if (told) this.told.push(String(n));
  }
}

/** A connected user; `got` is what was written to him, `seen` what was put into his output. */
export class Paper implements Member {
  readonly key: string;
  outlet!: Outlet; // as soon as he has joined
  readonly seen: string[] = [];
  readonly got: string[] = [];
  calls: string[] = []; // caughtUp, replaced, stalled
  isOver = false;
  readonly #memory: Memory;
  #gathered: string[] = [];
  #writing: string[] = [];
  #written = 0;
  readonly #leave: (outlet: Outlet) => void;

  constructor(key: string, memory: Memory, leave: (outlet: Outlet) => void) {
    this.key = key;
    this.#memory = memory;
    this.#leave = leave;
  }

  get waiting(): number {
    return sum(this.#gathered) + sum(this.#writing);
  }

  get position(): number {
    return this.#written + this.waiting;
  }

  deliver(bytes: Buffer, start: number, end: number): void {
    if (this.isOver) return;
    const text = bytes.toString('latin1', start, end);
    this.#gathered.push(text);
    for (const frame of text.split(/(?<=>)/)) this.seen.push(frame);
    this.#memory.account(end - start);
  }

  caughtUp(): void {
    this.calls.push('caughtUp');
  }

  replaced(): void {
    this.calls.push('replaced');
    this.#leave(this.outlet);
  }

  stalled(): void {
    this.calls.push('stalled');
  }

  recycle(): void {}

  surrender(): void {
    if (this.#gathered.length === 0) return;
    const block = blockOf(this.#gathered);
    this.outlet.handed(this.#written + sum(this.#writing), block, block.length);
  }

  /** What was gathered is handed on, unless a write is under way. */
  flush(): void {
    if (this.isOver || this.#writing.length > 0 || this.#gathered.length === 0) return;
    this.#writing = this.#gathered;
    this.#gathered = [];
    const block = blockOf(this.#writing);
    this.outlet.handed(this.#written, block, block.length);
  }

  /** The write that is under way has ended; `done` is called before anybody is told. */
  wrote(done: () => void = () => {}): void {
    if (this.isOver || this.#writing.length === 0) return;
    const length = sum(this.#writing);
    this.#written += length;
    this.#memory.account(-length);
    for (const text of this.#writing) this.got.push(...text.split(/(?<=>)/));
    this.#writing = [];
    done();
    this.flush();
    this.outlet.written(this.#written);
  }

  /** Takes everything there is. */
  takeAll(): void {
    for (this.flush(); this.#writing.length > 0; this.flush()) this.wrote();
  }

  /** The connection is cut. */
  cut(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#memory.account(-this.waiting);
    this.surrender();
    this.#gathered = [];
    this.#writing = [];
    this.#leave(this.outlet);
    this.outlet.close();
  }
}

/** Memory of its own, none to spare. */
function blockOf(texts: readonly string[]): Buffer {
  const block = Buffer.allocUnsafeSlow(sum(texts));
  block.write(texts.join(''), 'latin1');
  return block;
}

function sum(texts: readonly string[]): number {
  return texts.reduce((bytes, { length }) => bytes + length, 0);
}

export function tagOf(recipient: string, sender: string): Buffer {
  return createHash('sha256').update(`${recipient} ${sender}`).digest().subarray(0, 8);
}

/** Frames that can be told apart in a stream: <text>. */
export function framed(text: string): Buffer {
  return Buffer.from(`<${text}>`, 'latin1');
}

export interface House {
  readonly store: MapStore;
  readonly clock: { time: number; seconds: number; now(): number; wall(): number };
  readonly limits: Limits;
  readonly drops: Drops;
  readonly queue: Queue;
  readonly router: Router;
  /** What the queue gave up for. */
  readonly broken: Error[];
  readonly sender: PaperSender;
  /** A user who has logged in; his queue is pumped. */
  join(key?: string, options?: { readonly acks?: boolean }): Paper;
  route(to: string, text?: string, sender?: PaperSender): Outcome;
  /** Everything that is under way is on the disk. */
  settle(): Promise<void>;
}

export interface HouseOptions {
  readonly limits?: Partial<Limits>;
  readonly durable?: boolean;
  readonly store?: MapStore;
}

/** KEY, OTHER and SENDER are known here; KEY is alice. */
export function house({
  limits: some = {},
  durable = false,
  store: old,
}: HouseOptions = {}): House {
  const store = old ?? mapStore();
  const drops = new Drops();
  const clock = {
    time: 0,
    seconds: 1_700_000_000,
    now: () => clock.time,
    wall: () => clock.seconds,
  };
  const limits = { ...DEFAULT_LIMITS, ...some };
  const broken: Error[] = [];
  const queue = new Queue({
    store: store as QueueStore,
    limits,
    clock,
    log: silent,
    tagOf,
    broken: (error) => broken.push(error),
  });
  const names = {
    isKnown: (key: string) => [KEY, OTHER, SENDER].includes(key),
    keyOf: (alias: string) => (alias === 'alice' ? KEY : null),
  };
  const router = new Router({ names, queue, limits, drops, clock, durable });
  const sender = new PaperSender();
  const numbers = new Map<PaperSender, number>();
  return {
    store,
    clock,
    limits,
    drops,
    queue,
    router,
    broken,
    sender,
    join: (key = KEY, { acks = false } = {}) => {
      const paper = new Paper(key, router.memory, (outlet) => router.leave(outlet));
      paper.outlet = router.join(paper, acks);
      paper.outlet.pump();
      return paper;
    },
    route: (to, text = 'x', from = sender) => {
      const frame = framed(text);
      const bytes = Buffer.concat([Buffer.from('~'), frame, Buffer.from('~')]);
      const n = (numbers.get(from) ?? 0) + 1;
      numbers.set(from, n);
      const end = bytes.length - 1;
      const outcome = router.route({ sender: from, to, n, bytes, start: 1, end });
      bytes.fill(0xee); // its memory is used again
      return outcome;
    },
    settle: async () => {
      for (let left = queue.settled(); left; left = queue.settled()) await left;
    },
  };
}
