// One connection as the relay sees it: hello, login, then frames by table. docs/protocols/flexim.md
// §3, §5 and §6. A visitor who has logged in is a Member for the router.

import { type Identity, isCanonical } from '../../crypto/identity.ts';
import { parseKey } from '../../lib/address.ts';
import { fromHex } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import {
  Connection,
  type ConnectionHandler,
  type ConnectionOptions,
} from '../../net/connection.ts';
import type { DropReason } from '../../relay/drops.ts';
import { STRANGER_BODY } from '../../relay/limits.ts';
import type { Draft, Refusal } from '../../relay/mailbox.ts';
import type { Member, Outlet, Sender } from '../../relay/outlet.ts';
import type { Pace } from '../../relay/paces.ts';
import type { Relay } from '../../relay/relay.ts';
import { answerCommand, ownUser, pong } from './commands.ts';
import { checkResponse, makeChallenge } from './login.ts';
import { messageEvent, statusFrame } from './status.ts';
import { Stranger } from './stranger.ts';
import {
  type AuthResponse,
  type Command,
  type DatumName,
  datums,
  encodeFrame,
  FRAME_HEAD,
  findTo,
  found,
  frameDelimiter,
  helloDelimiter,
  MESSAGE,
} from './wire.ts';

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

type LoginRefusal = DropReason & `login-${string}`;
type Stage = 'hello' | 'greeted' | 'challenged' | 'admitted' | 'member' | 'leaving';

const REFUSED: Readonly<Record<Refusal, string>> = {
  'mailbox-full': 'as much waits for him as may',
  'share-full': 'as much of yours waits for him as may',
  'store-full': "the relay's disk is full",
};

const NOBODY = 'nobody here has that name';
const WEAK = 'the key is weak or not canonical';

export class Visitor implements Member, Sender, ConnectionHandler {
  key = '';
  readonly group: string; // where it comes from
  readonly #house: House;
  readonly #connection: Connection;
  #stage: Stage = 'hello';
  #alias: string | null = null;
  #challenge: string | null = null;
  #acks = false; // asked for before the login
  #outlet: Outlet | null = null; // what goes to this user
  #messages = 0; // sent by this user since his login
  #unsettled = 0; // of them, on their way to the disk
  #unsettledBytes = 0;
  #isOutrunning = false; // not read from until the disk has caught up
  #received = 0; // bytes, at the last look of a relay that stops
  #pace: Pace | null = null; // from the login on
  #stranger: Stranger | null; // until then

  constructor(channel: Channel, house: House, group: string) {
    this.#house = house;
    this.group = group;
    this.#stranger = new Stranger(house.relay.limits);
    this.#connection = new Connection(channel, helloDelimiter, this, house.strangers);
    house.expect(this, 'hello');
  }

  // ---- Member ----

  get waiting(): number {
    return this.#connection.waiting;
  }

  get position(): number {
    return this.#connection.position;
  }

  deliver(bytes: Buffer, start: number, end: number): void {
    this.#connection.send(bytes, start, end);
  }

  caughtUp(): void {
    this.#reply(statusFrame('queueSent'));
  }

  surrender(): void {
    this.#connection.surrender();
  }

  stalled(): void {
    this.#cut('stalled');
  }

  replaced(): void {
    this.#leave(statusFrame('replaced', 'replaced by a newer login'));
  }

  // ---- Sender ----

  hold(): void {
    this.#connection.hold();
  }

  release(): void {
    this.#connection.release();
  }

  /** A Message of this user is on the disk, or could not be put there. */
  settled({ to, n, told, start, end }: Draft, refusal: Refusal | null): void {
    this.#unsettled--;
    this.#unsettledBytes -= end - start;
    if (refusal) this.#refused(to, n, refusal);
    else if (told) this.#reply(messageEvent('queued', to, n));
    if (!this.#isOutrunning || this.#unsettled > 0) return;
    this.#isOutrunning = false;
    this.#connection.release();
  }

  // ---- ConnectionHandler ----

  handed(start: number, bytes: Buffer): void {
    this.#outlet?.handed(start, bytes);
  }

  written(position: number): void {
    this.#outlet?.written(position);
  }

  frame(bytes: Buffer, start: number, end: number): void {
    if (this.#stage === 'member') this.#memberFrame(bytes, start, end);
    else if (this.#stage === 'hello') this.#greet();
    else if (this.#stage !== 'leaving') this.#strangerFrame(bytes, start, end);
  }

  read(bytes: number): void {
    if (this.#pace) return this.#pace.read(bytes, this.#messages);
    if (this.#stage === 'leaving' || !this.#stranger) return;
    if (!this.#stranger.mayGoOn(bytes, this.#connection.unread))
      this.#refuseLogin('too many bytes before the login');
  }

  failed(error: Error): void {
    if (this.#stage === 'hello' && isFleximError(error)) return this.#cut('no-hello');
    // A frame handler that throws is our mistake: this connection ends, the others go on.
    this.#house.relay.log.error({ err: error }, 'a connection failed');
    this.#cut('connection-error');
  }

  closed(error: Error | null): void {
    if (error) this.#house.relay.drops.count('connection-error');
    this.#depart();
    this.#outlet?.close();
    this.#house.gone(this);
  }

  // ---- hello and login ----

  #greet(): void {
    const { relay, identity } = this.#house;
    this.#stage = 'greeted';
    if (this.#stranger) this.#connection.cutBy(this.#stranger.delimiter);
    this.#reply(
      encodeFrame('User', {
        aliases: [relay.name],
        key: identity.exchange.publicKey,
        last_seen: relay.clock.wall(),
      }),
    );
    this.#house.expect(this, 'login');
  }

  #strangerFrame(bytes: Buffer, start: number, end: number): void {
    const seen = this.#stranger?.see(bytes, start, end);
    if (seen === 'passed') return;
    if (seen === 'many') return this.#refuseLogin('too many frames before the login');
    const name = datums.nameOf(bytes[start] as number);
    if (seen === 'long') return this.#tooLong(name);
    if (name === 'Command') return this.#command(bytes, start, end);
    if (name !== 'AuthResponse') return this.#tooEarly();
    const response = this.#unpack('AuthResponse', bytes, start, end);
    if (!response) return;
    const challenge = this.#challenge;
    this.#challenge = null;
    if (this.#stage !== 'challenged' || challenge === null)
      return this.#refuseLogin('there is no challenge to answer');
    this.#stage = 'admitted';
    // The frame's memory is reused, the turn comes later.
    const kept = {
      challenge: response.challenge.slice(),
      ...(response.nonce ? { nonce: response.nonce.slice() } : {}),
    };
    this.#inTurn(this.#responseSteps(kept, challenge));
  }

  /** A body that is too long for a stranger is answered and not kept, and the connection goes on. */
  #tooLong(name: DatumName | null): void {
    const words = `too-long ${STRANGER_BODY} bytes at most before the login`;
    if (name === 'Command') this.#reply(statusFrame('malformed', words));
    else if (name === 'AuthResponse') this.#reply(statusFrame('badFrame', words));
    else this.#tooEarly();
  }

  #tooEarly(): void {
    this.#house.relay.drops.count('before-login');
    this.#reply(statusFrame('frameBeforeLogin', 'login-first log in with AUTH'));
  }

  #auth([hex = '', alias]: readonly string[]): void {
    const key = parseKey(hex);
    const client = key === null ? null : (fromHex(key, 32) as Uint8Array);
    if (this.#stage !== 'greeted') return this.#refuseLogin('one AUTH a connection');
    if (key === null || client === null) return this.#refuseLogin('the key is not 64 hex digits');
    if (!isCanonical(client)) return this.#refuseLogin(WEAK);
    const wait = this.#house.relay.doors.login(this.group);
    if (wait > 0)
      return this.#refuseLogin(`${wait} too many logins from your address`, 'login-busy');
    this.#stage = 'challenged';
    this.#alias = alias || null;
    this.#inTurn(this.#challengeSteps(key, client));
  }

  *#challengeSteps(key: string, client: Uint8Array): Generator<void, void> {
    const { relay, identity } = this.#house;
    const challenge = yield* makeChallenge({
      client,
      relay: identity.exchange.publicKey,
      binding: this.#connection.channel.binding,
      date: relay.clock.wall(),
      lastSeen: relay.directory.lastSeen(key),
    });
    if (!challenge) return this.#refuseLogin(WEAK);
    this.key = key;
    this.#challenge = challenge.text;
    this.#reply(encodeFrame('Auth', challenge.auth));
  }

  *#responseSteps(response: AuthResponse, challenge: string): Generator<void, void> {
    const nonce = yield* checkResponse(response, challenge, this.#house.identity.exchange);
    if (nonce === null) this.#refuseLogin('the response is wrong');
    else this.#admit(nonce);
  }

  /** Public-key work: reading stops, and each step waits for its turn. */
  #inTurn(steps: Generator<void, void>): void {
    const { relay } = this.#house;
    this.#connection.hold();
    const queued = relay.turns.add(this.group, () => {
      let isDone: boolean | undefined = true;
      try {
        if (this.#stage !== 'leaving') isDone = steps.next().done;
      } catch (error) {
        this.failed(error as Error); // the store may fail under a job, and only this visitor pays
      }
      if (isDone) this.#connection.release();
      return !isDone;
    });
    if (!queued) this.#refuseLogin('1 too many logins from your address wait', 'login-busy');
  }

  #admit(nonce: string): void {
    const { relay } = this.#house;
    // Not before the response is right: a failed login must not tell whether the key is known (§5.4).
    const wait = relay.directory.isKnown(this.key) ? 0 : relay.doors.newKey(this.group);
    if (wait > 0)
      return this.#refuseLogin(`${wait} too many new keys from your address`, 'login-new-key');
    this.#hold(relay.directory.login(this.key, this.#alias), ({ refused }) => {
      if (refused) relay.drops.count('alias-refused');
      this.#stage = 'member';
      this.#connection.allow(this.#house.members);
      this.#connection.cutBy(frameDelimiter);
      this.#pace = relay.paces.enter(this.key, this.#connection);
      this.#stranger = null;
      this.#alias = null;
      this.#house.expect(this, null);
      this.#outlet = relay.router.join(this, this.#acks);
      this.#reply(ownUser(relay, this.key, nonce));
      this.#outlet.pump();
    });
  }

  #refuseLogin(why: string, reason: LoginRefusal = 'login-failed'): void {
    this.#house.relay.drops.count(reason);
    this.#leave(statusFrame('loginFailed', `${reason} ${why}`));
  }

  /** The time limit for hello or login has passed. */
  expired(what: 'hello' | 'login'): void {
    if (what === 'hello') this.#cut('hello-timeout');
    else this.#refuseLogin('too slow', 'login-timeout');
  }

  // ---- after login ----

  #memberFrame(bytes: Buffer, start: number, end: number): void {
    const tag = bytes[start] as number;
    if (tag === MESSAGE) return this.#message(bytes, start, end);
    const name = datums.nameOf(tag);
    if (name === 'Command') return this.#command(bytes, start, end);
    if (name === 'AuthResponse') return this.#refuseLogin('one login a connection');
    this.#house.relay.drops.count('unknown-type');
    this.#reply(statusFrame('badFrame', `unknown-type a client does not send type ${tag}`));
  }

  #message(bytes: Buffer, start: number, end: number): void {
    const n = ++this.#messages;
    try {
      findTo(bytes, start + FRAME_HEAD, end);
    } catch (error) {
      return this.#malformed(error, 'badFrame');
    }
    const to = bytes.toString('utf8', found.start, found.end);
    const { router, queue, limits } = this.#house.relay;
    const outcome = router.route({ sender: this, to, n, bytes, start, end });
    if (outcome === 'delivered' || outcome === 'dropped') return;
    if (outcome === 'unknown') return this.#reply(messageEvent('unknownRecipient', to, n, NOBODY));
    if (outcome !== 'pending') return this.#refused(to, n, outcome);
    this.#unsettled++;
    this.#unsettledBytes += end - start;
    const outruns =
      this.#unsettledBytes > limits.commitBytes || queue.uncommitted > limits.commitsBytes;
    if (!outruns || this.#isOutrunning) return;
    this.#isOutrunning = true;
    this.#connection.hold();
  }

  #refused(to: string, n: number, why: Refusal): void {
    this.#house.relay.drops.count(why);
    this.#reply(messageEvent('queueFull', to, n, `${why} ${REFUSED[why]}`));
  }

  #command(bytes: Buffer, start: number, end: number): void {
    const command = this.#unpack('Command', bytes, start, end);
    if (command) this.#obey(command);
  }

  /** An answer says that everything before it is done: a Message and an ACK are when they are on the disk. */
  #obey(command: Command): void {
    if (command.cmd === 'ACK' && this.#outlet) return this.#acknowledge(command.payload);
    if (this.#isSettled) return this.#answer(command);
    this.#hold(this.#settling(), () => this.#answer(command));
  }

  get #isSettled(): boolean {
    return this.#unsettled === 0 && (this.#outlet?.isSettled ?? true);
  }

  async #settling(): Promise<void> {
    const { queue } = this.#house.relay;
    // A full disk refuses Messages, and what was acknowledged comes off it later.
    while (this.#unsettled > 0 || !(this.#isSettled || queue.isFull)) await queue.settled();
  }

  #acknowledging([word]: readonly string[]): void {
    if (word !== 'on') return this.#reply(statusFrame('malformed', 'bad-payload want "on"'));
    this.#acks = true;
    this.#outlet?.acknowledging();
    this.#reply(statusFrame('fine'));
  }

  #acknowledge([text = '']: readonly string[]): void {
    const isNumber = /^(0|[1-9]\d{0,14})$/.test(text);
    if (isNumber && this.#outlet?.acknowledge(Number(text))) return;
    this.#house.relay.drops.count('malformed');
    this.#reply(statusFrame('badFrame', 'bad-ack not a number of Messages that were sent to you'));
  }

  #answer({ cmd, payload }: Command): void {
    if (cmd === 'AUTH') return this.#auth(payload);
    if (cmd === 'BYE') return this.#leave(statusFrame('fine'));
    if (this.#pace && !this.#mayAsk(this.#pace, cmd)) return;
    if (cmd === 'PING') return this.#reply(pong(payload[0] ?? ''));
    if (cmd === 'ACKS') return this.#acknowledging(payload);
    const { relay } = this.#house;
    if (this.#stage !== 'member') {
      relay.drops.count('before-login');
      return this.#reply(statusFrame('loginFirst', 'login-first log in with AUTH'));
    }
    const answer = answerCommand({ relay, key: this.key }, cmd, payload);
    if (answer instanceof Promise) this.#hold(answer, (frame) => this.#reply(frame));
    else this.#reply(answer);
  }

  #mayAsk(pace: Pace, cmd: string): boolean {
    const wait = cmd === 'ACK' ? 0 : pace.command(); // an ACK has no answer (§7)
    if (wait === 0) return true;
    this.#house.relay.drops.count('command-fast');
    this.#reply(statusFrame('slowDown', `${wait} slow-down too many commands`));
    return false;
  }

  /** Nothing is read until the work is done, so that answers keep their order. */
  #hold<T>(work: Promise<T>, done: (result: T) => void): void {
    this.#connection.hold();
    work
      .then((result) => {
        if (this.#stage !== 'leaving') done(result);
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
      return this.#cut('connection-error');
    }
    relay.drops.count('store-full');
    const words = `store-full ${REFUSED['store-full']}`;
    if (this.#stage === 'member') this.#reply(statusFrame('refused', words));
    else this.#leave(statusFrame('loginFailed', words));
  }

  #unpack<N extends DatumName>(name: N, bytes: Buffer, start: number, end: number) {
    try {
      return datums.unpack(name, bytes.subarray(start + FRAME_HEAD, end));
    } catch (error) {
      this.#malformed(error, name === 'Command' ? 'malformed' : 'badFrame');
      return null;
    }
  }

  #malformed(error: unknown, status: 'malformed' | 'badFrame'): void {
    if (!(error instanceof FleximError)) throw error;
    this.#house.relay.drops.count('malformed');
    this.#reply(statusFrame(status, `malformed ${error.message}`));
  }

  #reply(frame: Buffer): void {
    this.#connection.reply(frame);
  }

  // ---- the end ----

  /** Tells the user that the relay stops, and when to come back. */
  dismiss(seconds: number): void {
    if (this.#stage === 'hello') return this.abandon(); // it has not shown that it speaks Flexim
    const stopping = statusFrame('stopping', `${seconds} the relay is stopping`);
    if (this.#stage === 'member') this.#reply(stopping);
    else this.#leave(stopping);
  }

  /** Ends it if it was silent since the last look, and has taken what it was sent. */
  endIfQuiet(): void {
    const { received, waiting } = this.#connection;
    const isQuiet = received === this.#received && waiting === 0 && this.#unsettled === 0;
    this.#received = received;
    if (!isQuiet || this.#stage === 'leaving') return;
    this.#depart();
    this.#connection.end();
  }

  /** Writes what waits and a last frame, then ends; nothing is read from here on. */
  #leave(last: Buffer): void {
    if (this.#stage === 'leaving') return;
    this.#depart();
    this.#reply(last);
    this.#connection.end();
  }

  #cut(reason: DropReason): void {
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
    this.#stage = 'leaving';
    this.#house.expect(this, null);
    if (this.#outlet) this.#house.relay.router.leave(this.#outlet);
    this.#pace?.end(this.#messages);
  }
}
