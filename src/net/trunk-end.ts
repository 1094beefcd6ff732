// Many channels over one, between two processes of ours: a relay, and a worker that has the sockets of its
// users and reads and writes for it. What comes on a socket goes over the trunk as it is, and back; the channel at
// the relay's end behaves as the socket would, and ends with the trunk.
//
//   u8 what | u32 channel | u32 length | bytes        big-endian
//
// A channel is a number, counted up by the relay's end. The sockets come by another way, in that order; what
// is said to one that is not there yet waits for it.

import { fill, giveBlock, NO_BLOCK, takeBlock } from '../lib/blocks.ts';
import type { Channel, ChannelHandler } from './channel.ts';
import { atTurnsEnd } from './connection.ts';

/** To the worker. */
export const TO = {
  open: 1,
  keep: 2,
  write: 3, // the last piece of a write; answered by `written`
  part: 4, // another piece of it
  pause: 5,
  resume: 6,
  end: 7,
  reset: 8,
} as const;

/** From the worker. */
export const FROM = {
  here: 1, // its socket, which the relay's end need not hold on to any more
  data: 2,
  written: 3,
  closed: 4, // the text of an error, or nothing
  agreed: 5, // binding and, if it was proven, key of the server; before any data, where there is more than zero
} as const;

const HEAD = 9;
export const PIECE = 64 * 1024; // bytes behind a head at most
const BLOCK = 128 * 1024;
const FULL = 512 * 1024; // bytes on their way to the relay, beyond which no socket is read
export const KEY = 32;
export const NO_BINDING = Buffer.alloc(KEY);
export const NOTHING = Buffer.alloc(0);

export interface EndHandler {
  /** What stands behind a head may come in parts; the last says so. The memory is the end's again on return. */
  heard(what: number, channel: number, bytes: Buffer, isLast: boolean): void;
  /** Something was written. */
  written(): void;
  failed(error: Error): void;
  closed(): void;
}

/** One end. What is said in a turn of the event loop is written at its end. */
export class End implements ChannelHandler {
  readonly #channel: Channel;
  readonly #handler: EndHandler;
  #block = NO_BLOCK; // what was said: #block[0..#filled)
  #filled = 0;
  #waiting = 0; // bytes, from when they were said until they are written
  #isDirty = false;
  readonly #head = Buffer.alloc(HEAD); // of what comes
  #headed = 0;
  #what = 0;
  #number = 0;
  #left = 0; // behind that head
  #isOver = false;

  constructor(channel: Channel, handler: EndHandler) {
    this.#channel = channel;
    this.#handler = handler;
    channel.open(this);
  }

  get isFull(): boolean {
    return this.#waiting > FULL;
  }

  // ---- what is said ----

  say(what: number, channel: number, bytes: Buffer = NOTHING): void {
    if (this.#isOver) return;
    const length = HEAD + bytes.length;
    if (this.#block.length - this.#filled < length) this.#next();
    const block = this.#block;
    const at = this.#filled;
    block[at] = what;
    block.writeUInt32BE(channel, at + 1);
    block.writeUInt32BE(bytes.length, at + 5);
    if (bytes.length > 0) fill(block, at + HEAD, bytes, 0, bytes.length);
    this.#filled = at + length;
    this.#waiting += length;
    if (this.#isDirty) return;
    this.#isDirty = true;
    atTurnsEnd(this);
  }

  /** What is full goes out at once: much must not look like slowness. */
  #next(): void {
    this.#write();
    this.#block = takeBlock(BLOCK);
  }

  turned(): void {
    this.#isDirty = false;
    this.#write();
  }

  #write(): void {
    const bytes = this.#block.subarray(0, this.#filled);
    this.#block = NO_BLOCK;
    this.#filled = 0;
    if (bytes.length === 0 || this.#isOver) return;
    this.#channel.write(bytes, () => {
      this.#waiting -= bytes.length;
      giveBlock(bytes);
      this.#handler.written();
    });
  }

  /** Everything that was said goes out; then it ends. */
  end(): void {
    if (this.#isOver) return;
    this.#write();
    this.#channel.end();
  }

  reset(): void {
    this.#isOver = true;
    this.#channel.reset();
  }

  // ---- what comes ----

  data(chunk: Buffer): void {
    try {
      this.#cut(chunk);
    } catch (error) {
      this.#handler.failed(error as Error);
    }
  }

  #cut(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#isOver; ) {
      if (this.#left === 0) at = this.#begin(chunk, at);
      else {
        const end = Math.min(chunk.length, at + this.#left);
        this.#left -= end - at;
        this.#pass(chunk.subarray(at, end));
        at = end;
      }
    }
  }

  /** Reads a head, or a part of it; gives the place behind. */
  #begin(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + HEAD - this.#headed);
    chunk.copy(this.#head, this.#headed, at, end);
    this.#headed += end - at;
    if (this.#headed < HEAD) return end;
    this.#headed = 0;
    this.#what = this.#head[0] as number;
    this.#number = this.#head.readUInt32BE(1);
    this.#left = this.#head.readUInt32BE(5);
    if (this.#left > PIECE) throw new Error('a piece on the trunk is too long');
    if (this.#left === 0) this.#pass(NOTHING);
    return end;
  }

  #pass(bytes: Buffer): void {
    this.#handler.heard(this.#what, this.#number, bytes, this.#left === 0);
  }

  closed(): void {
    this.#isOver = true;
    this.#handler.closed();
  }
}

/** Says something of one channel. */
export type Say = (what: number, bytes?: Buffer) => void;
