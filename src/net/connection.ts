// A channel that speaks in frames: cutting, output gathered and written once per turn of the event
// loop, backpressure by not reading, and an account of every byte that waits to be written.

import { fill, giveBlock, NO_BLOCK, takeBlock } from '../lib/blocks.ts';
import { eachOf } from '../lib/queue.ts';
import { type Delimiter, FrameReader } from '../wire/frames.ts';
import type { Channel } from './channel.ts';

export interface ConnectionHandler {
  /** The memory is the connection's again on return. What it throws is passed to `failed`. */
  frame(bytes: Buffer, start: number, end: number): void;
  /** May take whole frames from the head of what came; where it stopped. The next goes to `frame`. */
  run?(bytes: Buffer, start: number, end: number): number;
  failed(error: Error): void;
  /**
   * A piece of the output, from this place on, was handed to the channel: block[0..length), which does not
   * change any more. True: the block is kept, and given back by `recycle`, or never.
   */
  handed?(start: number, block: Buffer, length: number): boolean;
  /** The output is written up to this place. */
  written?(position: number): void;
  /** So many bytes came, and what could be cut of them was; not called while it is ending. */
  read?(bytes: number): void;
  /** Once; nothing is called after it. */
  closed(error: Error | null): void;
}

export interface ConnectionOptions {
  /** Unread answers beyond this many bytes stop reading until they are written (TCP pushes back). */
  readonly replyBytes: number;
  /** Hears every change of the number of waiting bytes. */
  readonly account?: (change: number) => void;
}

type Taker = (channel: Channel, early: Buffer) => void;

const LINGER_MS = 5_000;
const EARLY_BYTES = 48 * 1024; // with what comes then, it mostly fits in a block of 64 KiB
const SPARSE = 16; // a block that is filled by less than such a part is exchanged for a smaller one

/** Has something to do at the end of a turn of the event loop. */
interface Gathering {
  turned(): void;
}

const NONE: never[] = [];
let dirty: Gathering[] = NONE;

export function atTurnsEnd(gathering: Gathering): void {
  if (dirty.length > 0) return void dirty.push(gathering);
  dirty = [gathering]; // mostly it is the only one: `push` would make room for seventeen
  setImmediate(flushAll);
}

const endTurn = (each: Gathering) => each.turned();

/** Writes what all connections have gathered; at the end of each turn it comes by itself. */
export function flushAll(): void {
  // What goes over a trunk makes another one dirty.
  for (let turn = dirty; turn.length > 0; turn = dirty) {
    dirty = NONE;
    eachOf(turn, endTurn, atTurnsEnd);
  }
}

export class Connection {
  readonly channel: Channel;
  readonly #handler: ConnectionHandler;
  readonly #options: ConnectionOptions;
  readonly #reader: FrameReader;
  #block: Buffer = NO_BLOCK; // output gathered since the last write: #block[0..#filled)
  #filled = 0;
  #usual = 0; // bytes of the last write: so large is the next block
  #handed: Buffer = NO_BLOCK; // the block that is being written
  #isKept = false; // by the handler
  #writing = 0; // bytes handed to the channel, not yet written
  #written = 0; // bytes written in all
  #received = 0;
  #replies = 0; // bytes of answers since reading was last stopped for them, or nothing waited
  #readAgainAt = -1; // reading is stopped until so many bytes are written; -1: it is not
  #scheduled = false;
  #holds = 0;
  #ahead = 0; // bytes that are read while it is held
  #ending = false;
  #readsOn = false;
  #ended = false;
  #linger: NodeJS.Timeout | null = null;
  #taker: Taker | null = null; // who gets the channel when all is written
  #over = false;

  constructor(
    channel: Channel,
    delimiter: Delimiter,
    handler: ConnectionHandler,
    options: ConnectionOptions,
  ) {
    this.channel = channel;
    this.#handler = handler;
    this.#options = options;
    this.#reader = new FrameReader(
      delimiter,
      (bytes, start, end) => handler.frame(bytes, start, end),
      handler.run ? (bytes, start, end) => handler.run?.(bytes, start, end) ?? start : null,
    );
    channel.open(this);
  }

  /** Bytes that were read and not cut yet. */
  get unread(): number {
    return this.#reader.pending;
  }

  /** Bytes that wait to be written. */
  get waiting(): number {
    return this.#filled + this.#writing;
  }

  /** Bytes of output so far, written or waiting. */
  get position(): number {
    return this.#written + this.waiting;
  }

  /** Bytes received so far. */
  get received(): number {
    return this.#received;
  }

  /** It is to last. */
  keep(): void {
    this.channel.keep();
  }

  /**
   * Gives the channel away as soon as everything is written, with what was read and not cut; it is not
   * ours any more then. Until then nothing is read, and it may still end.
   */
  give(taker: Taker): void {
    this.hold();
    this.#taker = taker;
    setImmediate(this.#giveAway); // a chunk that is being cut is kept by then
  }

  readonly #giveAway = (): void => {
    const taker = this.#taker;
    if (!taker || this.#ending || this.#over) return;
    this.flush();
    if (this.waiting > 0) return; // when it is written
    this.#over = true;
    this.#taker = null;
    taker(this.channel, this.#reader.take());
  };

  /** How frames are cut from the next one on. */
  cutBy(delimiter: Delimiter): void {
    this.#reader.delimiter = delimiter;
  }

  /** Queues a copy of bytes[start..end); they are written at the end of this turn. */
  send(bytes: Buffer, start = 0, end = bytes.length): void {
    if (this.#over || this.#ending) return;
    const length = end - start;
    this.#append(bytes, start, length);
    this.#options.account?.(length);
    // A burst must not look like a slow reader: much goes out early, while the turn goes on. Not before
    // these bytes: who sent them has noted that they lie behind what was gathered.
    if (this.#filled >= EARLY_BYTES && this.#writing === 0) this.flush();
    if (this.#scheduled || this.#filled === 0) return;
    this.#scheduled = true;
    atTurnsEnd(this);
  }

  /**
   * So many bytes behind what was gathered: whoever asks writes them at once, and calls `flush` himself, in
   * this turn. What is ending takes no more.
   */
  reserve(length: number): { readonly bytes: Buffer; readonly at: number } {
    if (this.#over || this.#ending)
      throw new TypeError('a connection that is ending takes no more');
    const at = this.#filled;
    if (this.#block.length < at + length) this.#grow(at + length);
    this.#filled = at + length;
    this.#options.account?.(length);
    return { bytes: this.#block, at };
  }

  #append(bytes: Buffer, start: number, length: number): void {
    const filled = this.#filled;
    if (this.#block.length < filled + length) this.#grow(filled + length);
    fill(this.#block, filled, bytes, start, start + length);
    this.#filled = filled + length;
  }

  /** Like `send`, for an answer to the other side: who does not read his answers is not read from. */
  reply(bytes: Buffer): void {
    this.send(bytes);
    this.#replies += bytes.length;
    if (this.#replies <= this.#options.replyBytes || this.#readAgainAt >= 0) return;
    this.#readAgainAt = this.#written + this.waiting;
    this.hold();
  }

  /** At the end of a turn of the event loop. */
  turned(): void {
    this.#scheduled = false;
    this.flush();
  }

  /** What goes out next is in it; who keeps it must not keep a large block for a few bytes. */
  #gathered(): Buffer {
    const [block, filled] = [this.#block, this.#filled];
    if (filled * SPARSE >= block.length) return block;
    const small = takeBlock(filled);
    if (small.length >= block.length) {
      giveBlock(small);
      return block;
    }
    block.copy(small, 0, 0, filled);
    giveBlock(block);
    return small;
  }

  /** The handler needs a block no more that it kept. */
  recycle(block: Buffer): void {
    if (block === this.#handed) this.#isKept = false;
    else giveBlock(block);
  }

  /** Writes what was gathered, unless a write is under way: then that write's end does it. */
  flush(): void {
    if (this.#over) return;
    if (this.#filled > 0 && this.#writing === 0) {
      const [block, length] = [this.#gathered(), this.#filled];
      this.#writing = length;
      this.#usual = length;
      this.#block = NO_BLOCK;
      this.#filled = 0;
      this.#handed = block;
      this.#isKept = this.#handler.handed?.(this.#written, block, length) ?? false;
      this.channel.write(block.subarray(0, length), this.#wrote);
    }
    if (this.#ending && this.#filled === 0 && !this.#ended) {
      this.#ended = true;
      this.channel.end();
      if (this.#readsOn && this.#holds > 0) this.channel.pause(); // ending made it read on
    }
  }

  readonly #wrote = (): void => {
    if (this.#over) return;
    this.#written += this.#writing;
    this.#options.account?.(-this.#writing);
    this.#writing = 0;
    if (!this.#isKept) giveBlock(this.#handed);
    this.#handed = NO_BLOCK;
    this.flush();
    this.#handler.written?.(this.#written);
    if (this.waiting === 0) this.#replies = 0;
    if (this.#taker) setImmediate(this.#giveAway);
    if (this.#readAgainAt < 0 || this.#written < this.#readAgainAt) return;
    this.#readAgainAt = -1;
    this.#replies = 0;
    this.release();
  };

  /** Hands over what no write has begun for. It is written all the same, unless the connection ends. */
  surrender(): void {
    if (this.#filled === 0) return;
    this.#handler.handed?.(this.#written + this.#writing, this.#block, this.#filled);
  }

  /** Stops reading and cutting until as many `release` calls; frames already cut stay delivered. */
  hold(): void {
    if (this.#holds++ > 0 || this.#over) return this.#readNoFurther();
    this.#reader.stop();
    this.channel.pause();
  }

  /** The same, but up to so many bytes are read and kept, so that it is seen when the other side goes. */
  holdWithin(bytes: number): void {
    if (this.#holds++ > 0 || this.#over) return;
    this.#reader.stop();
    this.#ahead = bytes;
  }

  #readNoFurther(): void {
    if (this.#ahead === 0 || this.#over) return;
    this.#ahead = 0;
    this.channel.pause();
  }

  release(): void {
    if (--this.#holds > 0 || this.#over) return;
    this.#ahead = 0;
    try {
      const before = this.unread;
      this.#reader.resume();
      const isCut = this.unread < before; // then it is to be paid for
      if (isCut && !this.#ending && !this.#over) this.#handler.read?.(0);
    } catch (error) {
      this.#failed(error);
    }
    if (this.#holds === 0 && !this.#over) this.channel.resume();
  }

  /** Writes what is queued, then the end; frames that still come are ignored. */
  end(): void {
    if (this.#ending || this.#over) return;
    this.#ending = true;
    // Who takes nothing, or does not end its side, must not hold the connection for ever.
    this.#linger = setTimeout(() => this.reset(), LINGER_MS);
    if (!this.#scheduled) this.flush();
  }

  /** Like `end`, but goes on cutting what comes until the other side ends, too. */
  finish(): void {
    if (this.#ending) return;
    this.#readsOn = true;
    this.end();
  }

  /** Cuts at once; what is queued is lost. */
  reset(): void {
    if (this.#over) return;
    this.channel.reset();
  }

  // ---- ChannelHandler ----

  data(chunk: Buffer): void {
    if (this.#over || (this.#ending && !this.#readsOn)) return;
    this.#received += chunk.length;
    try {
      this.#reader.push(chunk);
      if (this.#reader.pending > this.#ahead) this.#readNoFurther();
      if (!this.#ending && !this.#over) this.#handler.read?.(chunk.length);
    } catch (error) {
      this.#failed(error);
    }
  }

  closed(error: Error | null): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#linger) clearTimeout(this.#linger);
    this.#options.account?.(-this.waiting);
    this.surrender();
    this.#block = NO_BLOCK;
    this.#handed = NO_BLOCK;
    this.#filled = 0;
    this.#writing = 0;
    this.#handler.closed(error);
  }

  #failed(error: unknown): void {
    this.#handler.failed(error instanceof Error ? error : new Error(String(error)));
  }

  #grow(atLeast: number): void {
    const old = this.#block;
    const grown = takeBlock(old === NO_BLOCK ? Math.max(atLeast, this.#usual) : atLeast);
    old.copy(grown, 0, 0, this.#filled);
    giveBlock(old);
    this.#block = grown;
  }
}
