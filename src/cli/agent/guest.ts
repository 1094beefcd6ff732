// One guest, as the owner sees him: he says hello, asks, and is told. Whatever he sends, or does not take,
// costs the owner no more than the limits.

import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import { Connection } from '../../net/connection.ts';
import { malformed } from '../../wire/msgpack.ts';
import type { Agent } from './agent.ts';
import { decodeArgs, encodeEvent, encodeResult, isVerb, wireError } from './values.ts';
import type { VerbName } from './verbs.ts';
import { cut, frame, type Hello, type HouseDatum, opened, unpack, type Welcome } from './wire.ts';

export interface GuestLimits {
  readonly hello: number; // bytes of the first frame …
  readonly helloMs: number; // … and how long it may take
  readonly frame: number; // bytes of any other
  readonly asked: number; // requests that wait or are under way …
  readonly asking: number; // … and their bytes; then nothing more is read
  readonly waiting: number; // bytes of answers, or of events, that wait to be taken; then none is added
  readonly answer: number; // bytes of one answer
}

export interface GuestOptions {
  readonly agent: Agent;
  readonly limits: GuestLimits;
  /** Throws why he cannot come in. */
  readonly admit: (hello: Hello) => Welcome;
  readonly closed: (guest: Guest) => void;
  /** He holds more bytes than before. */
  readonly grew: () => void;
}

interface Asked {
  readonly n: number;
  readonly verb: VerbName;
  readonly args: readonly unknown[];
  readonly size: number;
}

interface Answer {
  readonly n: number;
  readonly bytes: Uint8Array;
  at: number;
}

const PART = 64 * 1024;
/** Their answers may be long, so each guest has one of them at a time. */
const LISTS: readonly VerbName[] = ['contacts', 'history', 'unread', 'roster', 'search'];
type Ask = (verb: VerbName, ...args: readonly unknown[]) => Promise<unknown>;

export class Guest {
  readonly #options: GuestOptions;
  readonly #connection: Connection;
  readonly #queue: Asked[] = [];
  readonly #answers: Answer[] = []; // those that do not fit one frame
  #hello: NodeJS.Timeout | null;
  #running = 0;
  #asking = 0; // bytes of what waits or runs
  #listing = false;
  #held = false;
  #missed = 0;
  #seen = -1; // bytes that he had taken at the last look, if some waited then

  constructor(channel: Channel, options: GuestOptions) {
    const { limits } = options;
    this.#options = options;
    this.#connection = new Connection(channel, cut(limits.hello), this, {
      replyBytes: limits.waiting,
    });
    this.#hello = setTimeout(() => this.drop(), limits.helloMs);
  }

  get isIn(): boolean {
    return this.#hello === null;
  }

  /** Bytes that wait for him. */
  get waiting(): number {
    const left = this.#answers.reduce((sum, { bytes, at }) => sum + bytes.length - at, 0);
    return left + this.#connection.waiting;
  }

  /** An event, as a frame. Who is behind hears later how many he missed. */
  tell(event: Buffer): void {
    if (!this.isIn) return;
    if (this.#missed === 0 && this.#connection.waiting <= this.#options.limits.waiting)
      this.#connection.send(event);
    else this.#missed++;
  }

  /** Whether bytes wait for him and he took none since the last look. */
  isStuck(): boolean {
    const taken = this.#connection.position - this.#connection.waiting;
    const waits = this.waiting > 0;
    const isStuck = waits && taken === this.#seen;
    this.#seen = waits ? taken : -1;
    return isStuck;
  }

  end(): void {
    this.#connection.end();
  }

  drop(): void {
    this.#connection.reset();
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    const { name, body } = opened(bytes, start, end);
    if (!this.isIn) {
      if (name !== 'hello') throw malformed('a hello comes first');
      return this.#enter(unpack('hello', body));
    }
    if (name === 'ping') return this.#connection.reply(frame('pong', {}));
    if (name !== 'ask') throw malformed(`a guest sends no ${name}`);
    this.#ask(unpack('ask', body));
  }

  failed(): void {
    this.drop(); // his bytes are none of ours
  }

  written(): void {
    this.#flow();
    this.#tellMissed();
    this.#serve();
  }

  closed(): void {
    if (this.#hello) clearTimeout(this.#hello);
    this.#queue.length = 0;
    this.#answers.length = 0;
    this.#options.closed(this);
  }

  // ----

  #enter(hello: Hello): void {
    try {
      const welcome = this.#options.admit(hello);
      if (this.#hello) clearTimeout(this.#hello);
      this.#hello = null;
      this.#connection.cutBy(cut(this.#options.limits.frame));
      this.#connection.send(frame('welcome', welcome));
    } catch (error) {
      if (!isFleximError(error)) throw error;
      this.#connection.send(frame('bye', { code: error.code, message: error.message }));
      this.end();
    }
  }

  #ask({ n, verb, args }: HouseDatum<'ask'>): void {
    try {
      if (!isVerb(verb)) throw malformed('there is no such verb');
      // A copy: the frame's memory is the connection's again.
      const size = args.length;
      this.#queue.push({ n, verb, args: decodeArgs(verb, args.slice()), size });
      this.#asking += size;
    } catch (error) {
      return this.#refuse(n, error);
    }
    this.#serve();
  }

  /** Begins what may begin, in the order in which it was asked. */
  #serve(): void {
    const { asked, asking, waiting } = this.#options.limits;
    for (;;) {
      const [next] = this.#queue;
      if (!next || this.#running >= asked || this.waiting > waiting) break;
      if (this.#listing && LISTS.includes(next.verb)) break;
      this.#queue.shift();
      void this.#do(next);
    }
    const count = this.#queue.length + this.#running;
    const isFull = count >= asked || this.#asking >= asking;
    if (isFull === this.#held) return;
    this.#held = isFull;
    if (isFull) this.#connection.hold();
    else this.#connection.release();
  }

  async #do({ n, verb, args, size }: Asked): Promise<void> {
    const isList = LISTS.includes(verb);
    this.#running++;
    if (isList) this.#listing = true;
    try {
      const result = await (this.#options.agent.ask as Ask)(verb, ...args);
      this.#answer(n, encodeResult(verb, result));
    } catch (error) {
      this.#refuse(n, error);
    }
    this.#running--;
    this.#asking -= size;
    if (isList) this.#listing = false;
    this.#serve();
  }

  #answer(n: number, bytes: Uint8Array): void {
    if (bytes.length > this.#options.limits.answer)
      throw new FleximError(
        'content-too-large',
        `the answer has ${bytes.length} bytes; the limit is ${this.#options.limits.answer}`,
      );
    if (bytes.length <= PART) this.#connection.reply(frame('answer', { n, bytes }));
    else this.#answers.push({ n, bytes, at: 0 });
    this.#flow();
    this.#options.grew();
  }

  #refuse(n: number, error: unknown): void {
    this.#connection.reply(frame('refusal', { n, ...wireError(error) }));
  }

  /** Long answers go part by part, as he takes them. */
  #flow(): void {
    while (this.#connection.waiting <= PART) {
      const [answer] = this.#answers;
      if (!answer) return;
      const { n, at } = answer;
      const bytes = answer.bytes.subarray(at, at + PART);
      answer.at += bytes.length;
      const isLast = answer.at === answer.bytes.length;
      this.#connection.send(frame(isLast ? 'answer' : 'part', { n, bytes }));
      if (isLast) this.#answers.shift();
    }
  }

  #tellMissed(): void {
    if (this.#missed === 0 || this.#connection.waiting > this.#options.limits.waiting / 2) return;
    const bytes = encodeEvent({ kind: 'missed', count: this.#missed });
    this.#missed = 0;
    this.#connection.send(frame('event', { bytes }));
  }
}
