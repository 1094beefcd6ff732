// One of the streams that a CommStream holds: whole messages, and which of them are still on their way.

import type { FleximError } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import type { Agreement } from './negotiation.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { Session, type SessionHandler, type SessionOptions } from './session.ts';
import { MAX_MESSAGE } from './wire.ts';

const MAX_WAITING = 64 * 1024 * 1024; // bytes that may wait to be written

interface Sending {
  readonly mark: number; // written when the output is written up to here
  readonly isImportant: boolean;
  readonly done: (outcome: Outcome) => void;
}

/** Whom an end belongs to. */
export interface Owner {
  established(end: End): void;
  message(end: End, body: Uint8Array): void;
  /** Once. */
  ended(end: End, error: FleximError | null): void;
}

export class End implements SessionHandler {
  readonly id: number;
  /** What was agreed on; null before. */
  agreement: Agreement | null = null;
  readonly #owner: Owner;
  readonly #session: Session;
  readonly #sendings: Sending[] = [];
  #isHeld = false;
  #waiters: (() => void)[] = []; // for the end, or for the last important message
  #isOver = false;

  constructor(channel: Channel, owner: Owner, { id, ...options }: SessionOptions & { id: number }) {
    this.id = id;
    this.#owner = owner;
    this.#session = new Session(channel, this, options);
  }

  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  /** An important message is on its way. */
  get isBusy(): boolean {
    return !this.#isOver && this.#sendings.some(({ isImportant }) => isImportant);
  }

  /** It is sealed at once and written in order; kept when the system has it, or never will. */
  send(message: Uint8Array, isImportant: boolean): Promise<Outcome> {
    if (message.length > MAX_MESSAGE) return Promise.resolve('message-too-large');
    if (!this.isOpen) return Promise.resolve('not-connected');
    if (this.#session.waiting + message.length > MAX_WAITING) return Promise.resolve('busy');
    this.#session.send(message);
    const mark = this.#session.position;
    return new Promise((done) => this.#sendings.push({ mark, isImportant, done }));
  }

  /** Stops reading, or goes on. */
  hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld || !this.agreement) return;
    this.#isHeld = isHeld;
    if (isHeld) this.#session.hold();
    else this.#session.release();
  }

  fail(error: FleximError): void {
    this.#session.fail(error);
  }

  /** Kept when no important message is on its way any more. */
  settled(): Promise<void> {
    return this.isBusy ? this.#woken(() => !this.isBusy) : Promise.resolve();
  }

  /** Ends it, behind what was sent or at once; kept when it has ended. */
  end(force: boolean): Promise<void> {
    if (force) this.#session.reset();
    else this.#session.close();
    this.hold(false); // the other side's last word is to be read
    return this.#isOver ? Promise.resolve() : this.#woken(() => this.#isOver);
  }

  #woken(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (isSo()) resolve();
        else this.#waiters.push(look);
      };
      look();
    });
  }

  #wake(): void {
    for (const look of this.#waiters.splice(0)) look();
  }

  // ---- SessionHandler ----

  established(agreement: Agreement): void {
    this.agreement = agreement;
    this.#owner.established(this);
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#owner.message(this, new Uint8Array(bytes.subarray(start, end))); // a Buffer's slice is no copy
  }

  written(): void {
    const done = this.#session.position - this.#session.waiting;
    while (this.#sendings[0] && this.#sendings[0].mark <= done) this.#sendings.shift()?.done('ok');
    this.#wake();
  }

  closed(error: FleximError | null): void {
    this.#isOver = true;
    const outcome = error ? outcomeOf(error) : 'not-connected';
    for (const { done } of this.#sendings.splice(0)) done(outcome);
    this.#wake();
    this.#owner.ended(this, error);
  }
}
