// The client's way in: docs/protocols/flexim.md §3.2, §5 and §10.2, a straight line of awaited frames.
// It is let go when the login is done.

import { hostAndPort } from '../../lib/address.ts';
import { sameBytes, toHex } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import { printable } from '../../lib/text.ts';
import type { Connection } from '../../net/connection.ts';
import type { DatumOf } from '../../wire/datum.ts';
import type { Delimiter } from '../../wire/frames.ts';
import type { DialOptions, RelayInfo } from '../protocol.ts';
import { answerChallenge, checkProof, mismatch } from './login.ts';
import { answersCommand, STATUS, slowDown, stopping } from './status.ts';
import {
  copied,
  type DatumName,
  type Datums,
  datums,
  encodeFrame,
  frameDelimiter,
  HELLO,
  type User,
} from './wire.ts';

const BUSY = /^login-(busy|new-key) \d/;

/** How the login ended. */
export interface Entered {
  readonly relay: RelayInfo;
  readonly user: User;
  /** This key had never logged in here before. */
  readonly isFirst: boolean;
  /** The relay knows acknowledgements, and they are on. */
  readonly acks: boolean;
}

type Expected = { name: DatumName; resolve(datum: never): void; reject(error: Error): void };

export class Entry {
  readonly #connection: Connection;
  #expected: Expected | null = null;
  #failure: Error | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Reading stops behind the last frame of it. */
  async login({ identity, host, port, relayKey, pins, transport }: DialOptions): Promise<Entered> {
    const place = hostAndPort({ host, port });
    const { binding, serverKey } = this.#connection.channel;
    this.#connection.channel.keep();
    this.#connection.send(Buffer.from(HELLO));

    const greeting = await this.#next('User');
    const hex = toHex(greeting.key);
    const pinned = pins.get(place);
    checkKey(hex, place, pinned, relayKey ?? null);
    if (serverKey && !sameBytes(serverKey, greeting.key)) throw mismatch();

    this.#send('Command', { cmd: 'ACKS', payload: ['on'] });
    this.#send('Command', { cmd: 'AUTH', payload: [identity.hex] });
    const { status } = await this.#next('Status');
    const auth = await this.#next('Auth');
    const answer = answerChallenge(auth, { identity, relay: greeting.key, binding });
    this.#send('AuthResponse', answer.response);

    const user = await this.#next('User');
    checkProof(user.proof, answer.nonce);
    if (toHex(user.key) !== identity.hex) throw mismatch();
    // A carrier that could have proven the key and has not is plain: nothing is pinned over it.
    const isNew = pinned === null && (transport === undefined || serverKey !== null);
    // Another process may have pinned another key in the meantime.
    if (isNew) checkKey(hex, place, await pins.add(place, hex), relayKey ?? null);

    const name = printable(greeting.aliases[0] ?? '', 64);
    return {
      relay: {
        name,
        key: hex,
        host,
        port,
        firstContact: isNew,
        ...(transport ? { transport } : {}),
      },
      user,
      isFirst: answer.lastSeen === 0,
      acks: status === STATUS.fine,
    };
  }

  #send<N extends DatumName>(name: N, datum: DatumOf<Datums, N>): void {
    this.#connection.send(encodeFrame(name, datum));
  }

  /** The next frame of this type; reading stops behind it, so that the line goes on in order. */
  #next<N extends DatumName>(name: N): Promise<DatumOf<Datums, N>> {
    const { promise, resolve, reject } = withResolvers<DatumOf<Datums, N>>();
    if (this.#failure) reject(this.#failure);
    else {
      const first = this.#expected === null;
      this.#expected = { name, resolve, reject };
      if (!first) this.#connection.release();
    }
    return promise;
  }

  frame(name: DatumName, body: Buffer): void {
    this.#connection.cutBy(frameDelimiter);
    if (name === 'Status') return this.#status(body);
    const expected = this.#expected;
    if (!expected || name !== expected.name)
      throw new FleximError('protocol-violation', `the relay sent a ${name} during the login`);
    this.#arrived(copied(datums.unpack(name, body)));
  }

  #status(body: Buffer): void {
    const { status, payload } = datums.unpack('Status', body);
    if (status >= 10 || status <= -10) return;
    if (this.#expected?.name === 'Status' && answersCommand(status))
      return this.#arrived({ status, payload });
    if (status === STATUS.stopping) throw stopping(payload);
    if (BUSY.test(payload)) throw slowDown(payload.replace(/^\S+ /, ''), 'for the next login');
    throw new FleximError(
      'login-refused',
      `the relay refused the login: ${printable(payload) || `status ${status}`}`,
    );
  }

  #arrived(datum: object): void {
    this.#connection.hold();
    this.#expected?.resolve(datum as never);
  }

  /** The connection is over, for this reason. */
  fail(error: Error): void {
    this.#failure = error;
    this.#expected?.reject(error);
  }
}

const isLetter = (byte: number): boolean => byte >= 0x20 && byte < 0x7f; // no type of ours is one

/** Another service on that port, if it speaks in text, is known by its first byte at once. */
export const greetingDelimiter: Delimiter = (bytes, start, end) => {
  if (end > start && isLetter(bytes[start] as number))
    throw new FleximError('protocol-violation', 'what answers there is no Flexim relay');
  return frameDelimiter(bytes, start, end);
};

/** A relay must have the key that the address names, and the one that was pinned here. */
function checkKey(hex: string, place: string, pinned: string | null, named: string | null): void {
  const wanted = named ?? pinned;
  if ((wanted === null || wanted === hex) && (pinned === null || pinned === hex)) return;
  const expected = pinned !== null && pinned !== hex ? pinned : wanted;
  throw new FleximError(
    'relay-key-changed',
    `the relay at ${place} shows the key ${hex}, but ${expected} was expected` +
      `${expected === pinned ? ' from earlier contacts' : ' by its address'}. ` +
      'Nothing was sent. If its operator confirms the new key, accept it with: ' +
      `flexim relays trust "flexim://${place}?relay=${hex}"`,
  );
}
