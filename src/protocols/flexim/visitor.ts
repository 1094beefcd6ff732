// A connection from its login to its end: the login is noted, the member joins, then leaving, and all the
// ways to end. docs/protocols/flexim.md §2.5, §3.4 and §9.4. Before it, it was a caller.ts.

import { isFleximError } from '../../lib/errors.ts';
import {
  Connection,
  type ConnectionHandler,
  type ConnectionOptions,
} from '../../net/connection.ts';
import type { DropReason } from '../../relay/drops.ts';
import type { Relay } from '../../relay/relay.ts';
import type { DatumOf } from '../../wire/datum.ts';
import type { Admission, Entrant } from '../protocol.ts';
import { Member } from './member.ts';
import { REFUSED, statusFrame } from './status.ts';
import { answerMalformed, unpacked } from './unpacked.ts';
import { type DatumName, type Datums, frameDelimiter } from './wire.ts';

/** What all visitors of a server share. */
export interface House {
  readonly relay: Relay;
  /** What a connection may hold. */
  readonly members: ConnectionOptions;
  gone(visitor: Visitor): void;
}

export class Visitor implements ConnectionHandler {
  readonly #house: House;
  readonly #connection: Connection;
  #member: Member | null = null; // from the moment when his login is on the disk
  #isLeaving = false;
  #received = 0; // bytes, at the last look of a relay that stops

  constructor({ channel, early, admission }: Entrant, house: House) {
    this.#house = house;
    this.#connection = new Connection(channel, frameDelimiter, this, house.members);
    this.#connection.keep();
    const { key, alias } = admission;
    this.wait(house.relay.directory.login(key, alias), ({ refused }) => {
      if (refused) house.relay.drops.count('alias-refused');
      this.#join(admission);
    });
    if (early.length > 0) this.#connection.data(early);
  }

  get remote(): string {
    return this.#connection.channel.remote;
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    if (!this.#isLeaving) this.#member?.frame(bytes, start, end);
  }

  run(bytes: Buffer, start: number, end: number): number {
    return this.#member && !this.#isLeaving ? this.#member.run(bytes, start, end) : start;
  }

  read(bytes: number): void {
    if (!this.#isLeaving) this.#member?.read(bytes);
  }

  handed(start: number, block: Buffer, length: number): boolean {
    return this.#member?.handed(start, block, length) ?? false;
  }

  written(position: number): void {
    this.#member?.written(position);
  }

  failed(error: Error): void {
    // A frame handler that throws is our mistake: this connection ends, the others go on.
    this.#house.relay.log.error({ err: error }, 'a connection failed');
    this.cut('connection-error');
  }

  closed(error: Error | null): void {
    if (error) this.#house.relay.drops.count('connection-error');
    this.#depart();
    this.#member?.close();
    this.#house.gone(this);
  }

  #join({ key, acks, nonce }: Admission): void {
    this.#member = new Member(this, this.#connection, { relay: this.#house.relay, key });
    this.#member.join({ acks, nonce });
  }

  // ---- for the member ----

  /** Nothing is read until the work is done, so that answers keep their order. */
  wait<T>(work: Promise<T>, done: (result: T) => void): void {
    this.#connection.hold();
    work
      .then((result) => {
        if (!this.#isLeaving) done(result);
      })
      .catch((error: Error) => this.#unkept(error))
      .finally(() => this.#connection.release());
  }

  /** What was asked for is not on the disk. */
  #unkept(error: Error): void {
    const { relay } = this.#house;
    if (isFleximError(error, 'store-failed')) return relay.broken(error);
    if (!isFleximError(error, 'store-full')) {
      relay.log.error({ err: error }, 'the store failed');
      return this.cut('connection-error');
    }
    relay.drops.count('store-full');
    if (this.#isLeaving) return;
    const words = `store-full ${REFUSED['store-full']}`;
    if (this.#member) this.#connection.reply(statusFrame('refused', words));
    else this.leave(statusFrame('loginFailed', words));
  }

  unpack<N extends DatumName>(name: N, body: Buffer): DatumOf<Datums, N> | null {
    return unpacked(this.#connection, this.#house.relay.drops, { name, body });
  }

  malformed(error: unknown, status: 'malformed' | 'badFrame'): void {
    answerMalformed(this.#connection, this.#house.relay.drops, error, status);
  }

  // ---- the end ----

  refuseLogin(why: string): void {
    this.#house.relay.drops.count('login-failed');
    this.leave(statusFrame('loginFailed', `login-failed ${why}`));
  }

  /** Tells the user that the relay stops, and when to come back. */
  dismiss(seconds: number): void {
    if (this.#isLeaving) return;
    const stopping = statusFrame('stopping', `${seconds} the relay is stopping`);
    if (this.#member) this.#connection.reply(stopping);
    else this.leave(stopping);
  }

  /** Ends it if it was silent since the last look, and has taken what it was sent. */
  endIfQuiet(): void {
    const { received, waiting } = this.#connection;
    const unsettled = this.#member?.unsettled ?? 0;
    const isQuiet = received === this.#received && waiting === 0 && unsettled === 0;
    this.#received = received;
    if (!isQuiet || this.#isLeaving) return;
    this.#depart();
    this.#connection.end();
  }

  /** Writes what waits and a last frame, then ends; nothing is read from here on. */
  leave(last: Buffer): void {
    if (this.#isLeaving) return;
    this.#depart();
    this.#connection.reply(last);
    this.#connection.end();
  }

  cut(reason: DropReason): void {
    this.#house.relay.drops.count(reason);
    this.abandon();
  }

  /** Ends at once. */
  abandon(): void {
    this.#depart();
    this.#connection.reset();
  }

  /** From here on nothing is routed to this connection, and what it sends is not looked at. */
  #depart(): void {
    this.#isLeaving = true;
    this.#member?.depart();
  }
}
