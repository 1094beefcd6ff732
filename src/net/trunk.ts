// The relay's end of a trunk (trunk-end.ts): a channel for each socket that a worker has.

import type { Channel, ChannelHandler } from './channel.ts';
import { End, type EndHandler, FROM, KEY, NO_BINDING, PIECE, type Say, TO } from './trunk-end.ts';

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
