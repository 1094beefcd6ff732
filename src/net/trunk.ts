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
const TO = {
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
const FROM = {
  here: 1, // its socket, which the relay's end need not hold on to any more
  data: 2,
  written: 3,
  closed: 4, // the text of an error, or nothing
  agreed: 5, // binding and, if it was proven, key of the server; before any data, where there is more than zero
} as const;

const HEAD = 9;
const PIECE = 64 * 1024; // bytes behind a head at most
const BLOCK = 128 * 1024;
const FULL = 512 * 1024; // bytes on their way to the relay, beyond which no socket is read
const KEY = 32;
const NO_BINDING = Buffer.alloc(KEY);
const NOTHING = Buffer.alloc(0);

interface EndHandler {
  /** What stands behind a head may come in parts; the last says so. The memory is the end's again on return. */
  heard(what: number, channel: number, bytes: Buffer, isLast: boolean): void;
  /** Something was written. */
  written(): void;
  failed(error: Error): void;
  closed(): void;
}

/** One end. What is said in a turn of the event loop is written at its end. */
class End implements ChannelHandler {
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

// ---- the relay's end ----

/** What the worker is to do for a channel, said to it. */
type Say = (what: number, bytes?: Buffer) => void;

class Remote implements Channel {
  readonly remote: string;
  readonly #say: Say;
  #agreed: Buffer = NO_BINDING;
  #handler: ChannelHandler | null = null;
  #writes: (() => void)[] = []; // not written yet
  #isCut = false; // by us: what is still on its way is nobody's
  #isOver: { readonly error: Error | null } | null = null;

  constructor(remote: string, say: Say) {
    this.remote = remote;
    this.#say = say;
  }

  get binding(): Uint8Array {
    return this.#agreed.subarray(0, KEY);
  }

  get serverKey(): Uint8Array | null {
    return this.#agreed.length > KEY ? this.#agreed.subarray(KEY) : null;
  }

  open(handler: ChannelHandler): void {
    const isFirst = this.#handler === null;
    this.#handler = handler;
    if (isFirst) this.#do(TO.open);
    if (isFirst && this.#isOver) setImmediate(() => handler.closed(this.#isOver?.error ?? null));
  }

  keep(): void {
    this.#do(TO.keep);
  }

  write(bytes: Uint8Array, written: () => void): void {
    if (this.#isOver || this.#isCut) return;
    this.#writes.push(written);
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (; all.length - at > PIECE; at += PIECE) this.#do(TO.part, all.subarray(at, at + PIECE));
    this.#do(TO.write, at === 0 ? all : all.subarray(at));
  }

  pause(): void {
    this.#do(TO.pause);
  }

  resume(): void {
    this.#do(TO.resume);
  }

  end(): void {
    this.#do(TO.end);
  }

  reset(): void {
    this.#do(TO.reset);
    this.#isCut = true;
  }

  #do(what: number, bytes?: Buffer): void {
    if (!this.#isOver && !this.#isCut) this.#say(what, bytes);
  }

  // ---- what the worker says ----

  agreed(bytes: Buffer): void {
    this.#agreed = Buffer.from(bytes);
  }

  data(chunk: Buffer): void {
    if (!this.#isCut) this.#handler?.data(chunk);
  }

  written(): void {
    const written = this.#writes.shift();
    if (!this.#isCut) written?.();
  }

  closed(error: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = { error };
    this.#writes = [];
    this.#handler?.closed(error);
  }
}

export interface TrunkOptions {
  /** The worker has the socket of that channel, or it is gone. */
  readonly arrived: (channel: number) => void;
  /** The worker, or who listens to it, has made a mistake; the trunk ends. */
  readonly failed: (error: Error) => void;
  /** After all its channels. */
  readonly closed: () => void;
}

export class Trunk implements EndHandler {
  readonly #end: End;
  readonly #options: TrunkOptions;
  readonly #channels = new Map<number, Remote>();
  #short: Buffer[] = []; // what is no data, as far as it has come
  #last = 0;

  constructor(channel: Channel, options: TrunkOptions) {
    this.#options = options;
    this.#end = new End(channel, this);
  }

  get size(): number {
    return this.#channels.size;
  }

  /** A channel over a socket that the caller sends to the worker, next and under this number. */
  add(remote: string): { readonly number: number; readonly channel: Channel } {
    const number = ++this.#last;
    const channel = new Remote(remote, (what, bytes) => this.#end.say(what, number, bytes));
    this.#channels.set(number, channel);
    return { number, channel };
  }

  /** Everything that was written goes out; then the worker ends, too. */
  end(): void {
    this.#end.end();
  }

  heard(what: number, number: number, bytes: Buffer, isLast: boolean): void {
    const channel = this.#channels.get(number);
    if (what === FROM.data) channel?.data(bytes);
    else if (what === FROM.written) channel?.written();
    else if (what === FROM.here) this.#options.arrived(number);
    else if (what === FROM.agreed || what === FROM.closed) {
      this.#short.push(Buffer.from(bytes));
      if (isLast) this.#whole(what, number, Buffer.concat(this.#short.splice(0)));
    } else throw new Error(`a worker does not say ${what}`);
  }

  #whole(what: number, number: number, bytes: Buffer): void {
    const channel = this.#channels.get(number);
    if (what === FROM.agreed) return channel?.agreed(bytes);
    this.#channels.delete(number);
    this.#options.arrived(number);
    channel?.closed(bytes.length === 0 ? null : new Error(bytes.toString('latin1')));
  }

  written(): void {}

  /** A worker that cannot be believed is none. */
  failed(error: Error): void {
    this.#options.failed(error);
    this.#end.reset();
  }

  closed(): void {
    const error = new Error('the worker that had this connection is gone');
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const channel of channels) channel.closed(error);
    this.#options.closed();
  }
}

// ---- the worker's end ----

/** One socket. */
class Branch implements ChannelHandler {
  readonly #channel: Channel;
  readonly #say: Say;
  readonly #crowded: (branch: Branch) => void;
  readonly #gone: () => void;
  #isPaused = false; // by the relay
  #isHeld = false; // for the trunk is full
  #isAgreed = false; // the relay knows the binding

  constructor(
    channel: Channel,
    { say, crowded, gone }: { say: Say; crowded: (branch: Branch) => void; gone: () => void },
  ) {
    this.#channel = channel;
    this.#say = say;
    this.#crowded = crowded;
    this.#gone = gone;
  }

  told(what: number, bytes: Buffer): void {
    const channel = this.#channel;
    switch (what) {
      case TO.open:
        return channel.open(this);
      case TO.keep:
        return channel.keep();
      case TO.part:
        return this.#write(bytes, () => {});
      case TO.write:
        return this.#write(bytes, () => this.#say(FROM.written));
      case TO.pause:
        this.#isPaused = true;
        return channel.pause();
      case TO.resume:
        this.#isPaused = false;
        if (!this.#isHeld) channel.resume();
        return;
      case TO.end:
        this.#isPaused = false; // ending reads on
        return channel.end();
      case TO.reset:
        return channel.reset();
      default:
        throw new Error(`a relay does not say ${what}`);
    }
  }

  #write(bytes: Buffer, written: () => void): void {
    const block = takeBlock(bytes.length);
    fill(block, 0, bytes, 0, bytes.length);
    const copy = block.subarray(0, bytes.length);
    this.#channel.write(copy, () => {
      giveBlock(copy);
      written();
    });
  }

  /** The trunk has room again. */
  goOn(): void {
    this.#isHeld = false;
    if (!this.#isPaused) this.#channel.resume();
  }

  data(chunk: Buffer): void {
    if (!this.#isAgreed) this.#agree();
    for (let at = 0; at < chunk.length; at += PIECE)
      this.#say(FROM.data, chunk.subarray(at, at + PIECE));
    this.#crowded(this);
  }

  /** What comes first shows that there is a stream: the other end is told by what it is bound. */
  #agree(): void {
    this.#isAgreed = true;
    const { binding, serverKey } = this.#channel;
    if (serverKey || !NO_BINDING.equals(binding))
      this.#say(FROM.agreed, Buffer.concat([binding, serverKey ?? NOTHING]));
  }

  /** Reads no more until `goOn`. */
  hold(): void {
    this.#isHeld = true;
    this.#channel.pause();
  }

  closed(error: Error | null): void {
    this.#say(FROM.closed, error ? Buffer.from(error.message || 'an error', 'latin1') : NOTHING);
    this.#gone();
  }
}

interface Early {
  readonly what: number;
  readonly bytes: Buffer;
}

export class Branches implements EndHandler {
  readonly #end: End;
  readonly #closed: () => void;
  readonly #branches = new Map<number, Branch>();
  readonly #early = new Map<number, Early[]>(); // for sockets that are on their way
  readonly #held = new Set<Branch>();
  #arrived = 0; // the last number that had its socket

  /** `closed`: the relay is gone, or wants us to go. */
  constructor(trunk: Channel, closed: () => void) {
    this.#closed = closed;
    this.#end = new End(trunk, this);
  }

  get size(): number {
    return this.#branches.size;
  }

  /** Channels to which something was said, and whose sockets are on their way. */
  get awaited(): number {
    return this.#early.size;
  }

  /** The socket of that channel; null: it was lost on the way. */
  take(number: number, channel: Channel | null): void {
    for (let lost = this.#arrived + 1; lost < number; lost++) this.#lose(lost);
    this.#arrived = number;
    if (!channel) return this.#lose(number);
    const early = this.#early.get(number) ?? [];
    this.#early.delete(number);
    const say: Say = (what, bytes) => this.#end.say(what, number, bytes);
    const branch = new Branch(channel, {
      say,
      crowded: (each) => this.#crowded(each),
      gone: () => {
        this.#branches.delete(number);
        this.#held.delete(branch);
      },
    });
    this.#branches.set(number, branch);
    say(FROM.here);
    for (const { what, bytes } of early) branch.told(what, bytes);
  }

  #lose(number: number): void {
    this.#early.delete(number);
    this.#end.say(FROM.closed, number, Buffer.from('the connection was lost on the way'));
  }

  heard(what: number, number: number, bytes: Buffer, isLast: boolean): void {
    const part = what === TO.write && !isLast ? TO.part : what;
    const branch = this.#branches.get(number);
    if (branch) return branch.told(part, bytes);
    if (number <= this.#arrived) return; // it is closed, and the relay does not know yet
    const early = this.#early.get(number) ?? [];
    early.push({ what: part, bytes: Buffer.from(bytes) });
    this.#early.set(number, early);
  }

  #crowded(branch: Branch): void {
    if (!this.#end.isFull || this.#held.has(branch)) return;
    this.#held.add(branch);
    branch.hold();
  }

  written(): void {
    if (this.#held.size === 0 || this.#end.isFull) return;
    const held = [...this.#held];
    this.#held.clear();
    for (const branch of held) branch.goOn();
  }

  failed(error: Error): void {
    throw error; // a mistake of ours: this process ends, and with it its sockets
  }

  closed(): void {
    this.#closed();
  }
}
