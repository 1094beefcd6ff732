// What strangers say: hello and greeting, the little that they may send, and the login from AUTH to the
// right response, in the order of its steps. docs/protocols/flexim.md §3 and §5.

import { isCanonical } from '../../crypto/identity.ts';
import type { KeyPair } from '../../crypto/sodium.ts';
import { parseKey } from '../../lib/address.ts';
import { fromHex } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/time.ts';
import type { Connection } from '../../net/connection.ts';
import type { DropReason, Drops } from '../../relay/drops.ts';
import { type LiveLimits, STRANGER_BODY } from '../../relay/limits.ts';
import type { Logins } from '../../relay/logins.ts';
import type { Turns } from '../../relay/turns.ts';
import type { DatumOf } from '../../wire/datum.ts';
import { NEED_MORE } from '../../wire/frames.ts';
import type { Admission, Known } from '../protocol.ts';
import { acksProblem, pong } from './commands.ts';
import { checkResponse, makeChallenge } from './login.ts';
import { statusFrame } from './status.ts';
import {
  type AuthResponse,
  type Command,
  type DatumName,
  type Datums,
  datums,
  encodeFrame,
  FRAME_HEAD,
  strangerDelimiter,
} from './wire.ts';

export type LoginRefusal = DropReason & `login-${string}`;

/** Limits that concern strangers. */
export const LOBBY_LIMITS = [
  'helloMs',
  'loginMs',
  'strangers',
  'strangerFrames',
  'strangerBytes',
  'loginsPerMinute',
  'newKeysPerHour',
  'loginsWaiting',
  'loginTurnMs',
] as const satisfies readonly (keyof LiveLimits)[];
export type LobbyLimits = Pick<LiveLimits, (typeof LOBBY_LIMITS)[number]>;

/** What all strangers need of the relay. */
export interface Desk {
  /** The relay's, as it is now. */
  readonly name: () => string;
  readonly exchange: KeyPair;
  readonly limits: LobbyLimits;
  readonly clock: Clock;
  readonly drops: Pick<Drops, 'count'>;
  readonly logins: Logins;
  readonly turns: Turns;
  readonly lookUp: (key: string, found: (known: Known) => void) => void;
}

/** What a stranger needs of his connection's life. */
interface Host {
  readonly group: string;
  readonly isLeaving: boolean;
  /** The datum in a body, or null when it is malformed, which was answered. */
  unpack<N extends DatumName>(name: N, body: Buffer): DatumOf<Datums, N> | null;
  /** The greeting is sent: the time for the login runs. */
  greeted(): void;
  admitted(admission: Admission): void;
  refuseLogin(why: string, reason?: LoginRefusal): void;
  leave(last: Buffer): void;
  failed(error: Error): void;
}

const WEAK = 'the key is weak or not canonical';

export class Stranger {
  readonly #caller: Host;
  readonly #connection: Connection;
  readonly #desk: Desk;
  #stage: 'hello' | 'greeted' | 'challenged' = 'hello';
  #key = '';
  #alias: string | null = null;
  #isKnown = false; // his key was here before
  #challenge: string | null = null; // until it is answered
  #acks = false;
  #frames = 0;
  #bytes = 0;
  #passing = 0; // bytes still to come of a body that is too long for a stranger

  constructor(caller: Host, connection: Connection, desk: Desk) {
    this.#caller = caller;
    this.#connection = connection;
    this.#desk = desk;
  }

  /** It has shown that it speaks Flexim. */
  get isGreeted(): boolean {
    return this.#stage !== 'hello';
  }

  // ---- what comes: strangers cost little memory and little work, whatever they send (§3.3) ----

  read(bytes: number): void {
    const { strangerBytes } = this.#desk.limits;
    this.#bytes += bytes;
    if (this.#bytes > strangerBytes || this.#connection.unread > FRAME_HEAD + STRANGER_BODY)
      this.#caller.refuseLogin('too many bytes before the login');
  }

  frame(bytes: Buffer, start: number, end: number): void {
    if (this.#stage === 'hello') return this.#greet();
    if (this.#passing > 0) return this.#passed(end - start);
    if (++this.#frames > this.#desk.limits.strangerFrames)
      return this.#caller.refuseLogin('too many frames before the login');
    const name = datums.nameOf(bytes[start] as number);
    const length = bytes.readUInt16BE(start + 1);
    if (length > STRANGER_BODY) return this.#passOver(name, length);
    const body = bytes.subarray(start + FRAME_HEAD, end);
    if (name === 'Command') this.#command(this.#caller.unpack(name, body));
    else if (name === 'AuthResponse') this.#response(this.#caller.unpack(name, body));
    else this.#tooEarly();
  }

  /** A body that is too long for a stranger is answered and not kept, and the connection goes on. */
  #passOver(name: DatumName | null, length: number): void {
    this.#passing = length;
    this.#connection.cutBy((_, start, end) =>
      end > start ? Math.min(end, start + this.#passing) : NEED_MORE,
    );
    const words = `too-long ${STRANGER_BODY} bytes at most before the login`;
    if (name === 'Command') this.#connection.reply(statusFrame('malformed', words));
    else if (name === 'AuthResponse') this.#connection.reply(statusFrame('badFrame', words));
    else this.#tooEarly();
  }

  #passed(bytes: number): void {
    this.#passing -= bytes;
    if (this.#passing === 0) this.#connection.cutBy(strangerDelimiter);
  }

  #tooEarly(): void {
    this.#desk.drops.count('before-login');
    this.#connection.reply(statusFrame('frameBeforeLogin', 'login-first log in with AUTH'));
  }

  #command(command: Command | null): void {
    if (!command) return;
    const { cmd, payload } = command;
    if (cmd === 'AUTH') return this.#auth(payload);
    if (cmd === 'BYE') return this.#caller.leave(statusFrame('fine'));
    if (cmd === 'PING') return this.#connection.reply(pong(payload[0] ?? ''));
    if (cmd === 'ACKS') return this.#acknowledging(payload);
    this.#desk.drops.count('before-login');
    this.#connection.reply(statusFrame('loginFirst', 'login-first log in with AUTH'));
  }

  #acknowledging(payload: readonly string[]): void {
    const problem = acksProblem(payload);
    if (!problem) this.#acks = true;
    this.#connection.reply(problem ?? statusFrame('fine'));
  }

  // ---- hello and login, step by step ----

  #greet(): void {
    const { name, exchange, clock } = this.#desk;
    this.#stage = 'greeted';
    this.#connection.cutBy(strangerDelimiter);
    this.#connection.reply(
      encodeFrame('User', {
        aliases: [name()],
        key: exchange.publicKey,
        last_seen: clock.wall(),
      }),
    );
    this.#caller.greeted();
  }

  #auth([hex = '', alias]: readonly string[]): void {
    const caller = this.#caller;
    const key = parseKey(hex);
    const client = key === null ? null : (fromHex(key, 32) as Uint8Array);
    if (this.#stage !== 'greeted') return caller.refuseLogin('one AUTH a connection');
    if (key === null || client === null) return caller.refuseLogin('the key is not 64 hex digits');
    if (!isCanonical(client)) return caller.refuseLogin(WEAK);
    const wait = this.#desk.logins.try(caller.group);
    if (wait > 0)
      return caller.refuseLogin(`${wait} too many logins from your address`, 'login-busy');
    this.#stage = 'challenged';
    this.#key = key;
    this.#alias = alias || null;
    this.#connection.hold();
    this.#desk.lookUp(key, (known) => {
      if (!caller.isLeaving) this.#inTurn(this.#challengeSteps(client, known));
      this.#connection.release();
    });
  }

  *#challengeSteps(client: Uint8Array, known: Known): Generator<void, void> {
    const { exchange, clock } = this.#desk;
    this.#isKnown = known.isKnown;
    const challenge = yield* makeChallenge({
      client,
      relay: exchange.publicKey,
      binding: this.#connection.channel.binding,
      date: clock.wall(),
      lastSeen: known.lastSeen,
    });
    if (!challenge) return this.#caller.refuseLogin(WEAK);
    this.#challenge = challenge.text;
    this.#connection.reply(encodeFrame('Auth', challenge.auth));
  }

  #response(response: AuthResponse | null): void {
    if (!response) return;
    const challenge = this.#challenge;
    this.#challenge = null;
    if (challenge === null) return this.#caller.refuseLogin('there is no challenge to answer');
    // The frame's memory is reused, the turn comes later.
    const kept = {
      challenge: response.challenge.slice(),
      ...(response.nonce ? { nonce: response.nonce.slice() } : {}),
    };
    this.#inTurn(this.#responseSteps(kept, challenge));
  }

  *#responseSteps(response: AuthResponse, challenge: string): Generator<void, void> {
    const nonce = yield* checkResponse(response, challenge, this.#desk.exchange);
    if (nonce === null) this.#caller.refuseLogin('the response is wrong');
    else this.#admit(nonce);
  }

  #admit(nonce: string): void {
    // Not before the response is right: a failed login must not tell whether the key is known (§5.4).
    const wait = this.#isKnown ? 0 : this.#desk.logins.newKey(this.#caller.group);
    if (wait > 0)
      return this.#caller.refuseLogin(
        `${wait} too many new keys from your address`,
        'login-new-key',
      );
    this.#caller.admitted({ key: this.#key, alias: this.#alias, acks: this.#acks, nonce });
  }

  /** Public-key work: reading stops, and each step waits for its turn (§5.7). */
  #inTurn(steps: Generator<void, void>): void {
    const caller = this.#caller;
    this.#connection.hold();
    const queued = this.#desk.turns.add(caller.group, () => {
      let isDone: boolean | undefined = true;
      try {
        if (!caller.isLeaving) isDone = steps.next().done;
      } catch (error) {
        caller.failed(error as Error); // what fails under a job is his affair, and only this stranger pays
      }
      if (isDone) this.#connection.release();
      return !isDone;
    });
    if (!queued) caller.refuseLogin('1 too many logins from your address wait', 'login-busy');
  }
}
