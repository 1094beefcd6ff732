// A visitor who has logged in, as the router and its outlet know him: Messages and their events, the
// barrier before an answer, acknowledgements, commands, pace. docs/protocols/flexim.md §3.4, §6, §7.3
// and §8.

import { setImmediate as turn } from 'node:timers/promises';
import type { Connection } from '../../net/connection.ts';
import type { DropReason } from '../../relay/drops.ts';
import type { Draft, Refusal } from '../../relay/mailbox.ts';
import type { Outlet, Member as Routed, Sender } from '../../relay/outlet.ts';
import type { Pace } from '../../relay/paces.ts';
import type { Relay } from '../../relay/relay.ts';
import type { DatumOf } from '../../wire/datum.ts';
import { acksProblem, answerCommand, ownUser, pong } from './commands.ts';
import { LEAST_ACK, plainAck, plainTo, Run, viewOn } from './runs.ts';
import { messageEvent, REFUSED, statusFrame } from './status.ts';
import {
  type Command,
  type DatumName,
  type Datums,
  datums,
  FRAME_HEAD,
  findTo,
  found,
  MESSAGE,
} from './wire.ts';

/** What a member needs of his visitor. */
interface Host {
  /** The datum in a body, or null when it is malformed, which was answered. */
  unpack<N extends DatumName>(name: N, body: Buffer): DatumOf<Datums, N> | null;
  malformed(error: unknown, status: 'malformed' | 'badFrame'): void;
  /** Reads nothing until the work is done. */
  wait<T>(work: Promise<T>, done: (result: T) => void): void;
  refuseLogin(why: string): void;
  leave(last: Buffer): void;
  cut(reason: DropReason): void;
}

// The one at hand, of any member: it is passed on before anything else is cut, for who is let go on by one
// member's acknowledgement is so behind his frames (relay/outlet.ts).
const run = new Run();

const NOBODY = 'nobody here has that name';

export class Member implements Routed, Sender {
  readonly key: string;
  readonly #visitor: Host;
  readonly #connection: Connection;
  readonly #relay: Relay;
  readonly #pace: Pace;
  #outlet: Outlet | null = null; // what goes to him, once he has joined
  #messages = 0; // sent by him since his login
  #wasted = 0; // other frames that came to nothing
  #unsettled = 0; // of them, on their way to the disk
  #unsettledBytes = 0;
  #isRunning = false; // a run may be followed by another
  #isOutrunning = false; // not read from until the disk has caught up

  constructor(
    visitor: Host,
    connection: Connection,
    { relay, key }: { relay: Relay; key: string },
  ) {
    this.key = key;
    this.#visitor = visitor;
    this.#connection = connection;
    this.#relay = relay;
    this.#pace = relay.paces.enter(key, connection);
  }

  /** He hears who he is, and gets what waits for him. */
  join({ acks, nonce }: { readonly acks: boolean; readonly nonce: string }): void {
    this.#outlet = this.#relay.router.join(this, acks);
    this.#connection.reply(ownUser(this.#relay, this.key, nonce));
    this.#outlet.pump();
  }

  /** Nothing more is routed to him, and he sends no more; what he was sent may still arrive. */
  depart(): void {
    if (this.#outlet) this.#relay.router.leave(this.#outlet);
    this.#pace.end(this.#messages + this.#wasted);
  }

  /** The connection is over. */
  close(): void {
    this.#outlet?.close();
  }

  /** Messages of his on their way to the disk. */
  get unsettled(): number {
    return this.#unsettled;
  }

  // ---- for the outlet ----

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
    this.#connection.reply(statusFrame('queueSent'));
  }

  recycle(block: Buffer): void {
    this.#connection.recycle(block);
  }

  surrender(): void {
    this.#connection.surrender();
  }

  stalled(): void {
    this.#visitor.cut('stalled');
  }

  replaced(): void {
    this.#visitor.leave(statusFrame('replaced', 'replaced by a newer login'));
  }

  handed(start: number, block: Buffer, length: number): boolean {
    return this.#outlet?.handed(start, block, length) ?? false;
  }

  written(position: number): void {
    this.#outlet?.written(position);
  }

  // ---- as a sender ----

  hold(): void {
    this.#isRunning = false;
    this.#connection.hold();
  }

  release(): void {
    this.#connection.release();
  }

  /** A Message of his is on the disk, or could not be put there. */
  settled({ to, n, told, start, end }: Draft, refusal: Refusal | null): void {
    this.#unsettled--;
    this.#unsettledBytes -= end - start;
    if (refusal) this.#refused(to, n, refusal);
    else if (told) this.#connection.reply(messageEvent('queued', to, n));
    if (!this.#isOutrunning || this.#unsettled > 0) return;
    this.#isOutrunning = false;
    this.#connection.release();
  }

  // ---- what comes from him ----

  read(bytes: number): void {
    this.#pace.read(bytes, this.#messages + this.#wasted);
  }

  /**
   * What comes most: Messages to who is connected and can take them at once, and acknowledgements that are
   * right. The first frame of another kind goes by `frame`.
   */
  run(bytes: Buffer, start: number, end: number): number {
    if (end - start < LEAST_ACK) return start;
    const view = viewOn(bytes);
    let at = start;
    run.bytes = bytes;
    for (this.#isRunning = true; this.#isRunning; ) {
      const next = bytes[at] === MESSAGE ? this.#pass(view, at, end) : this.#acked(view, at, end);
      if (next === at) break;
      at = next;
    }
    run.clear();
    return at;
  }

  #pass(view: DataView, start: number, end: number): number {
    const to = plainTo(view, start, end);
    const outlet = to === 0 ? null : this.#relay.router.at(view, to);
    if (!outlet) return start;
    run.find(view, start, end);
    if (!outlet.pass(this, run)) return start;
    this.#messages += run.count;
    return run.end;
  }

  #acked(view: DataView, start: number, end: number): number {
    const n = plainAck(view, start, end);
    if (n < 0 || !this.#outlet || n <= this.#outlet.acknowledged) return start;
    return this.#outlet.acknowledge(n) ? start + FRAME_HEAD + view.getUint16(start + 1) : start;
  }

  frame(bytes: Buffer, start: number, end: number): void {
    const tag = bytes[start] as number;
    if (tag === MESSAGE) return this.#message(bytes, start, end);
    const name = datums.nameOf(tag);
    if (name === 'Command') return this.#command(bytes.subarray(start + FRAME_HEAD, end));
    if (name === 'AuthResponse') return this.#visitor.refuseLogin('one login a connection');
    this.#waste();
    this.#relay.drops.count('unknown-type');
    this.#connection.reply(
      statusFrame('badFrame', `unknown-type a client does not send type ${tag}`),
    );
  }

  #message(bytes: Buffer, start: number, end: number): void {
    const n = ++this.#messages;
    try {
      findTo(bytes, start + FRAME_HEAD, end);
    } catch (error) {
      return this.#visitor.malformed(error, 'badFrame');
    }
    const to = bytes.toString('utf8', found.start, found.end);
    const { router, queue, limits } = this.#relay;
    const outcome = router.route({ sender: this, to, n, bytes, start, end });
    if (outcome === 'delivered' || outcome === 'dropped') return;
    if (outcome === 'unknown')
      return this.#connection.reply(messageEvent('unknownRecipient', to, n, NOBODY));
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
    this.#relay.drops.count(why);
    this.#connection.reply(messageEvent('queueFull', to, n, `${why} ${REFUSED[why]}`));
  }

  /** A frame that came to nothing is paid for like a Message (§6.4). */
  #waste(): void {
    this.#wasted++;
  }

  // ---- commands ----

  /** An answer says that everything before it is done: a Message and an ACK are when they are on the disk. */
  #command(body: Buffer): void {
    const command = this.#visitor.unpack('Command', body);
    if (!command) return this.#waste();
    if (command.cmd === 'ACK') return this.#acknowledge(command.payload);
    if (this.#isSettled) return this.#answer(command);
    this.#visitor.wait(this.#settling(), () => this.#answer(command));
  }

  get #isSettled(): boolean {
    return this.#unsettled === 0 && (this.#outlet?.isSettled ?? true);
  }

  /** A full disk refuses Messages, and what was acknowledged comes off it later. */
  get #awaitsDisk(): boolean {
    return this.#unsettled > 0 || !(this.#isSettled || this.#relay.queue.isFull);
  }

  async #settling(): Promise<void> {
    let wasNothing = false;
    while (this.#awaitsDisk) {
      const left = this.#relay.queue.settled();
      // With nothing under way he hears what is kept within this turn of the event loop, or never.
      if (!left && wasNothing) throw new Error('what was under way to the disk is lost');
      wasNothing = !left;
      await (left ?? turn());
    }
  }

  #acknowledging(payload: readonly string[]): void {
    const problem = acksProblem(payload);
    if (!problem) this.#outlet?.acknowledging();
    this.#connection.reply(problem ?? statusFrame('fine'));
  }

  #acknowledge([text = '']: readonly string[]): void {
    const before = this.#outlet?.acknowledged;
    const isNumber = /^(0|[1-9]\d{0,14})$/.test(text);
    const isRight = isNumber && this.#outlet?.acknowledge(Number(text));
    if (!isRight || this.#outlet?.acknowledged === before) this.#waste();
    if (isRight) return;
    this.#relay.drops.count('malformed');
    this.#connection.reply(
      statusFrame('badFrame', 'bad-ack not a number of Messages that were sent to you'),
    );
  }

  #answer({ cmd, payload }: Command): void {
    if (cmd === 'AUTH') return this.#visitor.refuseLogin('one AUTH a connection');
    if (cmd === 'BYE') return this.#visitor.leave(statusFrame('fine'));
    if (!this.#mayAsk()) return;
    if (cmd === 'PING') return this.#connection.reply(pong(payload[0] ?? ''));
    if (cmd === 'ACKS') return this.#acknowledging(payload);
    const answer = answerCommand({ relay: this.#relay, key: this.key }, cmd, payload);
    if (answer instanceof Promise)
      this.#visitor.wait(answer, (frame) => this.#connection.reply(frame));
    else this.#connection.reply(answer);
  }

  #mayAsk(): boolean {
    const wait = this.#pace.command();
    if (wait === 0) return true;
    this.#waste();
    this.#relay.drops.count('command-fast');
    this.#connection.reply(statusFrame('slowDown', `${wait} slow-down too many commands`));
    return false;
  }
}
