// A visitor until his login: hello and greeting, the little that strangers may send, and the login from
// AUTH to admission, in the order of its steps. docs/protocols/flexim.md §3 and §5. It is let go when
// the login is done.

import { type Identity, isCanonical } from '../../crypto/identity.ts';
import { parseKey } from '../../lib/address.ts';
import { fromHex } from '../../lib/bytes.ts';
import type { Connection } from '../../net/connection.ts';
import type { DropReason } from '../../relay/drops.ts';
import { STRANGER_BODY } from '../../relay/limits.ts';
import type { Relay } from '../../relay/relay.ts';
import type { DatumOf } from '../../wire/datum.ts';
import { NEED_MORE } from '../../wire/frames.ts';
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

/** A login that is on the disk. */
export interface Admission {
  readonly key: string;
  /** Acknowledgements were asked for before it. */
  readonly acks: boolean;
  readonly nonce: string; // '' if none came
}

/** What a stranger needs of his visitor. */
interface Host {
  readonly group: string;
  readonly isLeaving: boolean;
  /** The datum in a body, or null when it is malformed, which was answered. */
  unpack<N extends DatumName>(name: N, body: Buffer): DatumOf<Datums, N> | null;
  /** The greeting is sent: the time for the login runs. */
  greeted(): void;
  /** Reads nothing until the work is done. */
  wait<T>(work: Promise<T>, done: (result: T) => void): void;
  admitted(admission: Admission): void;
  refuseLogin(why: string, reason?: LoginRefusal): void;
  leave(last: Buffer): void;
  failed(error: Error): void;
}

/** The relay he came to. */
interface House {
  readonly relay: Relay;
  readonly identity: Identity;
}

const WEAK = 'the key is weak or not canonical';

export class Stranger {
  readonly #visitor: Host;
  readonly #connection: Connection;
  readonly #house: House;
  #stage: 'hello' | 'greeted' | 'challenged' = 'hello';
  #key = '';
  #alias: string | null = null;
  #challenge: string | null = null; // until it is answered
  #acks = false;
  #frames = 0;
  #bytes = 0;
  #passing = 0; // bytes still to come of a body that is too long for a stranger

  constructor(visitor: Host, connection: Connection, house: House) {
    this.#visitor = visitor;
    this.#connection = connection;
    this.#house = house;
  }

  /** It has shown that it speaks Flexim. */
  get isGreeted(): boolean {
    return this.#stage !== 'hello';
  }

  // ---- what comes: strangers cost little memory and little work, whatever they send (§3.3) ----

  read(bytes: number): void {
    const { strangerBytes } = this.#house.relay.limits;
    this.#bytes += bytes;
    if (this.#bytes > strangerBytes || this.#connection.unread > FRAME_HEAD + STRANGER_BODY)
      this.#visitor.refuseLogin('too many bytes before the login');
  }

  frame(bytes: Buffer, start: number, end: number): void {
    if (this.#stage === 'hello') return this.#greet();
    if (this.#passing > 0) return this.#passed(end - start);
    if (++this.#frames > this.#house.relay.limits.strangerFrames)
      return this.#visitor.refuseLogin('too many frames before the login');
    const name = datums.nameOf(bytes[start] as number);
    const length = bytes.readUInt16BE(start + 1);
    if (length > STRANGER_BODY) return this.#passOver(name, length);
    const body = bytes.subarray(start + FRAME_HEAD, end);
    if (name === 'Command') this.#command(this.#visitor.unpack(name, body));
    else if (name === 'AuthResponse') this.#response(this.#visitor.unpack(name, body));
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
    this.#house.relay.drops.count('before-login');
    this.#connection.reply(statusFrame('frameBeforeLogin', 'login-first log in with AUTH'));
  }

  #command(command: Command | null): void {
    if (!command) return;
    const { cmd, payload } = command;
    if (cmd === 'AUTH') return this.#auth(payload);
    if (cmd === 'BYE') return this.#visitor.leave(statusFrame('fine'));
    if (cmd === 'PING') return this.#connection.reply(pong(payload[0] ?? ''));
    if (cmd === 'ACKS') return this.#acknowledging(payload);
    this.#house.relay.drops.count('before-login');
    this.#connection.reply(statusFrame('loginFirst', 'login-first log in with AUTH'));
  }

  #acknowledging(payload: readonly string[]): void {
    const problem = acksProblem(payload);
    if (!problem) this.#acks = true;
    this.#connection.reply(problem ?? statusFrame('fine'));
  }

  // ---- hello and login, step by step ----

  #greet(): void {
    const { relay, identity } = this.#house;
    this.#stage = 'greeted';
    this.#connection.cutBy(strangerDelimiter);
    this.#connection.reply(
      encodeFrame('User', {
        aliases: [relay.name],
        key: identity.exchange.publicKey,
        last_seen: relay.clock.wall(),
      }),
    );
    this.#visitor.greeted();
  }

  #auth([hex = '', alias]: readonly string[]): void {
    const visitor = this.#visitor;
    const key = parseKey(hex);
    const client = key === null ? null : (fromHex(key, 32) as Uint8Array);
    if (this.#stage !== 'greeted') return visitor.refuseLogin('one AUTH a connection');
    if (key === null || client === null) return visitor.refuseLogin('the key is not 64 hex digits');
    if (!isCanonical(client)) return visitor.refuseLogin(WEAK);
    const wait = this.#house.relay.logins.try(visitor.group);
    if (wait > 0)
      return visitor.refuseLogin(`${wait} too many logins from your address`, 'login-busy');
    this.#stage = 'challenged';
    this.#key = key;
    this.#alias = alias || null;
    this.#inTurn(this.#challengeSteps(client));
  }

  *#challengeSteps(client: Uint8Array): Generator<void, void> {
    const { relay, identity } = this.#house;
    const challenge = yield* makeChallenge({
      client,
      relay: identity.exchange.publicKey,
      binding: this.#connection.channel.binding,
      date: relay.clock.wall(),
      lastSeen: relay.directory.lastSeen(this.#key),
    });
    if (!challenge) return this.#visitor.refuseLogin(WEAK);
    this.#challenge = challenge.text;
    this.#connection.reply(encodeFrame('Auth', challenge.auth));
  }

  #response(response: AuthResponse | null): void {
    if (!response) return;
    const challenge = this.#challenge;
    this.#challenge = null;
    if (challenge === null) return this.#visitor.refuseLogin('there is no challenge to answer');
    // The frame's memory is reused, the turn comes later.
    const kept = {
      challenge: response.challenge.slice(),
      ...(response.nonce ? { nonce: response.nonce.slice() } : {}),
    };
    this.#inTurn(this.#responseSteps(kept, challenge));
  }

  *#responseSteps(response: AuthResponse, challenge: string): Generator<void, void> {
    const nonce = yield* checkResponse(response, challenge, this.#house.identity.exchange);
    if (nonce === null) this.#visitor.refuseLogin('the response is wrong');
    else this.#admit(nonce);
  }

  #admit(nonce: string): void {
    const { directory, logins, drops } = this.#house.relay;
    const key = this.#key;
    // Not before the response is right: a failed login must not tell whether the key is known (§5.4).
    const wait = directory.isKnown(key) ? 0 : logins.newKey(this.#visitor.group);
    if (wait > 0)
      return this.#visitor.refuseLogin(
        `${wait} too many new keys from your address`,
        'login-new-key',
      );
    this.#visitor.wait(directory.login(key, this.#alias), ({ refused }) => {
      if (refused) drops.count('alias-refused');
      this.#visitor.admitted({ key, acks: this.#acks, nonce });
    });
  }

  /** Public-key work: reading stops, and each step waits for its turn (§5.7). */
  #inTurn(steps: Generator<void, void>): void {
    const visitor = this.#visitor;
    this.#connection.hold();
    const queued = this.#house.relay.turns.add(visitor.group, () => {
      let isDone: boolean | undefined = true;
      try {
        if (!visitor.isLeaving) isDone = steps.next().done;
      } catch (error) {
        visitor.failed(error as Error); // the store may fail under a job, and only this visitor pays
      }
      if (isDone) this.#connection.release();
      return !isDone;
    });
    if (!queued) visitor.refuseLogin('1 too many logins from your address wait', 'login-busy');
  }
}
