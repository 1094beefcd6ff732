// One stream over one channel, from the first byte to the end: the negotiation, then records both ways,
// then CLOSE. docs/protocols/commstream.md §3 and §6. What a stream is used for is the handler's affair.

import { NO_BYTES, view } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Clock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import { Connection, type ConnectionHandler } from '../../net/connection.ts';
import type { Delimiter } from '../../wire/frames.ts';
import {
  type Agreement,
  type Answering,
  type Asked,
  type Asking,
  answer,
  ask,
} from './negotiation.ts';
import {
  badRecord,
  type Inward,
  type Outward,
  plainInward,
  plainOutward,
  recordOf,
  SealedInward,
  SealedOutward,
} from './records.ts';
import {
  badHandshake,
  EARLY_RECORD,
  HEAD,
  INVALID,
  type Received,
  receive,
  records,
  TYPE,
  unsupported,
} from './wire.ts';

/** Work that is done in steps: it says whether there is more. False: it cannot be taken on now. */
export type Turn = (step: () => boolean) => boolean;

export type Role =
  | { readonly side: 'client'; readonly asking: Asking }
  | {
      readonly side: 'server';
      readonly answering: Answering;
      /** When public-key work for a client is done; at once if it is not said. */
      readonly turn?: Turn;
    };

export interface SessionHandler {
  established(agreement: Agreement): void;
  /** The body of a DATA, bytes[start..end), or of several; the memory is the session's again on return. */
  data(bytes: Buffer, start: number, end: number): void;
  /** Something of what was sent is written. */
  written(): void;
  /** Once, after everything else; null for an end that was said, by the other side or by us. */
  closed(error: FleximError | null): void;
}

export interface SessionOptions {
  readonly role: Role;
  readonly clock: Clock;
  /** The longest record that is taken once the stream is established. */
  readonly maxRecord: number;
  /** Bodies are pieces of one stream: what comes together is given as one. */
  readonly joins?: boolean;
}

type Negotiation = Generator<Uint8Array | null, Agreement | null, Received>;

const atOnce: Turn = (step) => {
  while (step());
  return true;
};

export class Session implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #handler: SessionHandler;
  readonly #role: Role;
  readonly #clock: Clock;
  readonly #joins: boolean;
  #cut: Delimiter; // once it is established
  #negotiation: Negotiation | null = null;
  #out: Outward | null = null; // both from the establishment on
  #in: Inward | null = null;
  #isLast = false; // what is read next is a CLOSE, which was opened
  #isOver = false; // an end was said, or we have cut it
  #why: FleximError | null = null;

  constructor(channel: Channel, handler: SessionHandler, options: SessionOptions) {
    this.#handler = handler;
    this.#role = options.role;
    this.#clock = options.clock;
    this.#joins = options.joins ?? false;
    this.#cut = records(options.maxRecord);
    this.#connection = new Connection(channel, records(EARLY_RECORD), this, {
      replyBytes: Number.POSITIVE_INFINITY,
    });
    if (this.#role.side === 'server') return;
    this.#negotiation = ask(this.#role.asking);
    this.#step();
  }

  /** It is established, and nobody has ended it. */
  get isOpen(): boolean {
    return this.#out !== null && !this.#isOver;
  }

  /** Bytes that wait to be written. */
  get waiting(): number {
    return this.#connection.waiting;
  }

  /** Bytes of output so far, written or waiting. */
  get position(): number {
    return this.#connection.position;
  }

  // ---- once it is established ----

  /** Queues a copy as one DATA record. */
  send(body: Uint8Array): void {
    if (this.isOpen) this.#connection.send(recordOf(this.#out as Outward, TYPE.data, body));
  }

  /** The same, for who calls `flush` himself, in this turn. */
  gather(body: Uint8Array): void {
    if (!this.isOpen) return;
    const out = this.#out as Outward;
    const place = this.#connection.reserve(out.size(body.length));
    try {
      out.write(TYPE.data, body, place);
    } catch (error) {
      this.reset(); // what lies in that room is somebody else's
      throw error;
    }
  }

  flush(): void {
    this.#connection.flush();
  }

  /** Longer records are taken from here on. */
  allow(maxRecord: number): void {
    this.#cut = records(maxRecord);
    if (this.#in) this.#connection.cutBy(this.#cut);
  }

  hold(): void {
    this.#connection.hold();
  }

  release(): void {
    this.#connection.release();
  }

  /** Says that this is the end, behind all that was sent. Before the establishment it is a cut. */
  close(): void {
    if (this.#isOver) return;
    if (!this.#out) return this.reset();
    this.#isOver = true;
    this.#connection.send(recordOf(this.#out, TYPE.close, NO_BYTES));
    this.#connection.end();
  }

  /** Cuts at once. */
  reset(): void {
    this.#isOver = true;
    this.#connection.reset();
  }

  /** Ends it for this reason; the first one counts. */
  fail(error: FleximError): void {
    if (!this.#isOver) this.#why ??= error;
    this.reset();
  }

  // ---- the negotiation ----

  #negotiate(received: Received): void {
    if (this.#negotiation) return void this.#step(received);
    if (this.#role.side === 'client') return; // it began with its own record
    this.#negotiation = answer(received, this.#role.answering);
    this.#inTurn();
  }

  /** One step; true when it has more to do by itself. */
  #step(received?: Received): boolean {
    const negotiation = this.#negotiation as Negotiation;
    const { done, value } = negotiation.next(received as Received);
    if (done) {
      if (value) this.#establish(value);
      else this.#refuse();
      return false;
    }
    if (value) this.#connection.send(view(value));
    else if (received) this.#inTurn();
    return value === null;
  }

  /** Public-key work: nothing is read until it is done. */
  #inTurn(): void {
    const turn = (this.#role.side === 'server' && this.#role.turn) || atOnce;
    this.#connection.hold();
    const isTaken = turn(() => {
      let goesOn = false;
      try {
        goesOn = !this.#isOver && this.#step();
      } catch (error) {
        this.failed(error as Error);
      }
      if (!goesOn) this.#connection.release();
      return goesOn;
    });
    if (!isTaken) this.fail(new FleximError('slow-down', 'too many streams are being negotiated'));
  }

  #establish(agreement: Agreement): void {
    const { keys } = agreement;
    const isClient = this.#role.side === 'client';
    if (isClient) this.#connection.send(view((agreement as Asked).last));
    if (keys) {
      const [outward, inward] = isClient
        ? [keys.toServer, keys.toClient]
        : [keys.toClient, keys.toServer];
      this.#out = new SealedOutward(outward, { clock: this.#clock });
      this.#in = new SealedInward(inward);
    } else {
      this.#out = plainOutward;
      this.#in = plainInward;
    }
    this.#negotiation = null;
    this.#connection.cutBy(this.#cut);
    this.#handler.established(agreement);
  }

  #refuse(): void {
    this.#why = unsupported('no encryption scheme is acceptable to both sides');
    this.#connection.send(view(INVALID));
    this.#isOver = true;
    this.#connection.end();
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    if (this.#isOver) return;
    if (this.#isLast) return this.close();
    if (!this.#in) return this.#negotiate(receive(bytes.subarray(start, end)));
    const inner = this.#in.read(bytes, start, end);
    if (inner.type === TYPE.data) return this.#handler.data(bytes, inner.start, inner.end);
    this.close(); // the other side has ended both directions; we say so too
  }

  /**
   * The bodies of all whole records, moved up to each other where they lie. A record that is the end, or wrong,
   * is left for `frame`: what came before it may make the handler hold, and then that one has to wait.
   */
  run(bytes: Buffer, start: number, end: number): number {
    const inward = this.#joins && !this.#isOver && !this.#isLast ? this.#in : null;
    if (!inward) return start;
    let at = start;
    let [from, to] = [start, start];
    try {
      for (let stop = this.#cut(bytes, at, end); stop <= end; stop = this.#cut(bytes, at, end)) {
        const inner = inward.read(bytes, at, stop);
        this.#isLast = inner.type === TYPE.close;
        if (this.#isLast) break;
        if (to === from) from = to = inner.start;
        else bytes.copyWithin(to, inner.start, inner.end);
        to += inner.end - inner.start;
        at = stop;
      }
    } catch (error) {
      if (!isFleximError(error)) throw error; // `frame` meets the others once more
    }
    if (to > from) this.#handler.data(bytes, from, to);
    return at;
  }

  /** While it is negotiated nobody has more to say than the next record. */
  read(): void {
    if (!this.#in && this.#connection.unread > HEAD + EARLY_RECORD)
      this.fail(badHandshake('more came than the negotiation allows'));
  }

  failed(error: Error): void {
    this.fail(this.#named(error));
  }

  #named(error: Error): FleximError {
    const isTooLong = isFleximError(error, 'frame-too-large');
    if (isFleximError(error) && !isTooLong) return error;
    return this.#in ? badRecord(error) : badHandshake('a message is too long', error);
  }

  written(): void {
    this.#handler.written();
  }

  closed(error: Error | null): void {
    const why = this.#why ?? (this.#isOver ? null : this.#cutShort(error));
    this.#isOver = true;
    this.#negotiation?.return(null);
    this.#out?.free();
    this.#in?.free();
    this.#handler.closed(why);
  }

  #cutShort(error: Error | null): FleximError {
    if (!this.#in) return badHandshake('the other side ended it before that was done', error);
    return new FleximError(
      'truncated',
      'the connection ended without a word: more may have been on its way',
      error ?? undefined,
    );
  }
}
