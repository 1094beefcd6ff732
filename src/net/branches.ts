// The worker's end of a trunk (trunk-end.ts): its sockets, or what was made of them.

import { fill, giveBlock, takeBlock } from '../lib/blocks.ts';
import type { Channel, ChannelHandler } from './channel.ts';
import {
  End,
  type EndHandler,
  FROM,
  NO_BINDING,
  NOTHING,
  PIECE,
  type Say,
  TO,
} from './trunk-end.ts';

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
