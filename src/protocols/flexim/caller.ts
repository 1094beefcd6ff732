// One connection from its first byte to its login, and the ways in which it ends before.
// docs/protocols/flexim.md §2.5, §3.5 and §9.4.

import { isFleximError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Channel } from '../../net/channel.ts';
import {
  Connection,
  type ConnectionHandler,
  type ConnectionOptions,
} from '../../net/connection.ts';
import type { DropReason } from '../../relay/drops.ts';
import type { DatumOf } from '../../wire/datum.ts';
import type { Admission, Entrant } from '../protocol.ts';
import { statusFrame } from './status.ts';
import { type Desk, type LoginRefusal, Stranger } from './stranger.ts';
import { unpacked } from './unpacked.ts';
import { type DatumName, type Datums, helloDelimiter } from './wire.ts';

/** Where he waits: what all callers share. */
export interface Waiting {
  readonly desk: Desk;
  readonly log: Log;
  /** What a connection may hold. */
  readonly bounds: ConnectionOptions;
  /** He has to send the hello, or to log in; null: nothing any more. */
  expect(caller: Caller, what: 'hello' | 'login' | null): void;
  entered(caller: Caller, entrant: Entrant): void;
  gone(caller: Caller, remote: string): void;
}

export class Caller implements ConnectionHandler {
  readonly group: string; // where it comes from, as limits count it
  readonly #lobby: Waiting;
  readonly #connection: Connection;
  #stranger: Stranger | null;

  constructor(channel: Channel, lobby: Waiting, group: string) {
    this.#lobby = lobby;
    this.group = group;
    this.#connection = new Connection(channel, helloDelimiter, this, lobby.bounds);
    this.#stranger = new Stranger(this, this.#connection, lobby.desk);
    lobby.expect(this, 'hello');
  }

  /** What it sends is not looked at any more. */
  get isLeaving(): boolean {
    return this.#stranger === null;
  }

  // ---- ConnectionHandler ----

  frame(bytes: Buffer, start: number, end: number): void {
    this.#stranger?.frame(bytes, start, end);
  }

  read(bytes: number): void {
    this.#stranger?.read(bytes);
  }

  failed(error: Error): void {
    if (this.#isUnknown && isFleximError(error)) return this.cut('no-hello');
    // A frame handler that throws is our mistake: this connection ends, the others go on.
    this.#lobby.log.error({ err: error }, 'a connection failed');
    this.cut('connection-error');
  }

  closed(error: Error | null): void {
    if (error) this.#lobby.desk.drops.count('connection-error');
    this.#depart();
    this.#lobby.gone(this, this.#connection.channel.remote);
  }

  /** It has not shown that it speaks Flexim. */
  get #isUnknown(): boolean {
    return this.#stranger !== null && !this.#stranger.isGreeted;
  }

  // ---- from stage to stage ----

  greeted(): void {
    this.#lobby.expect(this, 'login');
  }

  /** The channel goes on without us, once what we said is written. */
  admitted(admission: Admission): void {
    this.#connection.give((channel, early) => {
      this.#depart();
      this.#lobby.entered(this, { channel, early, admission });
    });
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

  unpack<N extends DatumName>(name: N, body: Buffer): DatumOf<Datums, N> | null {
    return unpacked(this.#connection, this.#lobby.desk.drops, { name, body });
  }

  // ---- the end ----

  refuseLogin(why: string, reason: LoginRefusal = 'login-failed'): void {
    this.#lobby.desk.drops.count(reason);
    this.leave(statusFrame('loginFailed', `${reason} ${why}`));
  }

  /** Tells him that the relay stops, and when to come back. */
  dismiss(seconds: number): void {
    if (this.isLeaving) return;
    if (this.#isUnknown) this.abandon();
    else this.leave(statusFrame('stopping', `${seconds} the relay is stopping`));
  }

  /** Writes what waits and a last frame, then ends; nothing is read from here on. */
  leave(last: Buffer): void {
    if (this.isLeaving) return;
    this.#depart();
    this.#connection.reply(last);
    this.#connection.end();
  }

  cut(reason: DropReason): void {
    this.#lobby.desk.drops.count(reason);
    this.abandon();
  }

  /** Ends at once. */
  abandon(): void {
    this.#depart();
    this.#connection.reset();
  }

  #depart(): void {
    this.#stranger = null;
    this.#lobby.expect(this, null);
  }
}
