// One connection as the relay sees it, from its first byte to its end: a stranger, a member after the
// login, then leaving. What both need, and all the ways to end. docs/protocols/flexim.md §2.5, §3.4,
// §3.5 and §9.4.

import type { Identity } from '../../crypto/identity.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import {
  Connection,
  type ConnectionHandler,
  type ConnectionOptions,
} from '../../net/connection.ts';
import type { DropReason } from '../../relay/drops.ts';
import type { Relay } from '../../relay/relay.ts';
import type { DatumOf } from '../../wire/datum.ts';
import { Member } from './member.ts';
import { REFUSED, statusFrame } from './status.ts';
import { type Admission, type LoginRefusal, Stranger } from './stranger.ts';
import { type DatumName, type Datums, datums, frameDelimiter, helloDelimiter } from './wire.ts';

/** What all visitors of a server share. */
export interface House {
  readonly relay: Relay;
  /** What a connection may hold before and after its login. */
  readonly strangers: ConnectionOptions;
  readonly members: ConnectionOptions;
  readonly identity: Identity;
  /** A visitor's state changed: it waits for the hello, for the login, or for nothing. */
  expect(visitor: Visitor, what: 'hello' | 'login' | null): void;
  gone(visitor: Visitor): void;
}

export class Visitor implements ConnectionHandler {
  readonly group: string; // where it comes from, as limits count it
  readonly #house: House;
  readonly #connection: Connection;
  #stranger: Stranger | null; // until the login
  #member: Member | null = null; // from the login on, also when it leaves
  #isLeaving = false;
  #received = 0; // bytes, at the last look of a relay that stops

  constructor(channel: Channel, house: House, group: string) {
    this.#house = house;
    this.group = group;
    this.#connection = new Connection(channel, helloDelimiter, this, house.strangers);
    this.#stranger = new Stranger(this, this.#connection, house);
    house.expect(this, 'hello');
  }

  get remote(): string {
    return this.#connection.channel.remote;
  }

  /** What it sends is not looked at any more. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    if (this.#isLeaving) return;
    if (this.#member) this.#member.frame(bytes, start, end);
    else this.#stranger?.frame(bytes, start, end);
  }

  run(bytes: Buffer, start: number, end: number): number {
    return this.#member && !this.#isLeaving ? this.#member.run(bytes, start, end) : start;
  }

  read(bytes: number): void {
    if (this.#isLeaving) return;
    if (this.#member) this.#member.read(bytes);
    else this.#stranger?.read(bytes);
  }

  handed(start: number, bytes: Buffer): boolean {
    return this.#member?.handed(start, bytes) ?? false;
  }

  written(position: number): void {
    this.#member?.written(position);
  }

  failed(error: Error): void {
    if (this.#isUnknown && isFleximError(error)) return this.cut('no-hello');
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

  /** It has not shown that it speaks Flexim. */
  get #isUnknown(): boolean {
    return this.#stranger !== null && !this.#stranger.isGreeted;
  }

  // ---- from stage to stage ----

  greeted(): void {
    this.#house.expect(this, 'login');
  }

  admitted({ key, acks, nonce }: Admission): void {
    const { relay, members } = this.#house;
    this.#connection.allow(members);
    this.#connection.cutBy(frameDelimiter);
    this.#member = new Member(this, this.#connection, { relay, key });
    this.#stranger = null;
    this.#house.expect(this, null);
    this.#member.join({ acks, nonce });
  }

  /** Too many are here who have not logged in. */
  crowdedOut(): void {
    this.cut('stranger-crowded');
  }

  /** The time limit for hello or login has passed. */
  expired(what: 'hello' | 'login'): void {
    if (what === 'hello') this.cut('hello-timeout');
    else this.refuseLogin('too slow', 'login-timeout');
  }

  // ---- for strangers and members ----

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
    try {
      return datums.unpack(name, body);
    } catch (error) {
      this.malformed(error, name === 'Command' ? 'malformed' : 'badFrame');
      return null;
    }
  }

  malformed(error: unknown, status: 'malformed' | 'badFrame'): void {
    if (!(error instanceof FleximError)) throw error;
    this.#house.relay.drops.count('malformed');
    this.#connection.reply(statusFrame(status, `malformed ${error.message}`));
  }

  // ---- the end ----

  refuseLogin(why: string, reason: LoginRefusal = 'login-failed'): void {
    this.#house.relay.drops.count(reason);
    this.leave(statusFrame('loginFailed', `${reason} ${why}`));
  }

  /** Tells the user that the relay stops, and when to come back. */
  dismiss(seconds: number): void {
    if (this.#isLeaving) return;
    if (this.#isUnknown) return this.abandon();
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
    this.#stranger = null;
    this.#house.expect(this, null);
    this.#member?.depart();
  }
}
