// One connection of a client of the chaos rig, from hello to end. It tells the ledger what the relay
// said and what came: events, barriers (an answered PING), Messages, acknowledgements.

import {
  authResponse,
  command,
  type Frame,
  type Keys,
  newNonce,
  type Peer,
  statusOf,
  TYPE,
} from '../peer.ts';
import type { Ledger, Letter, ViolationKind } from './ledger.ts';
import { writeLetter } from './letter.ts';
import { Reading } from './reading.ts';

const HANG_MS = 20_000; // a PING that waits so long will never be answered
const LOST_MS = 1_000; // one that may have been altered is not waited for longer

export const STATUS = {
  fine: 0,
  replaced: 5,
  queued: 20,
  queueSent: 22,
  stopping: -7,
  unknownRecipient: -20,
  queueFull: -21,
} as const;

export interface Person {
  readonly index: number;
  readonly keys: Keys;
  /** It turns acknowledgements on; older clients do not. */
  readonly acks: boolean;
  /** Its bytes are altered on the way: what it is told proves nothing. */
  readonly smudged: boolean;
}

export interface SessionOptions {
  readonly me: Person;
  readonly people: readonly Person[];
  readonly ledger: Ledger;
  readonly generation: number;
  /** Whether an answered barrier says that an acknowledgement is kept. */
  readonly sure: () => boolean;
}

interface Mark {
  readonly id: number;
  readonly sent: number; // Messages before it
  readonly acked: number; // acknowledged before it
  readonly answered: () => void;
}

export type Leaving = 'bye' | 'fin' | 'reset';

export class Session {
  readonly closed: Promise<string>;
  readonly #peer: Peer;
  readonly #options: SessionOptions;
  readonly #reading: Reading;
  readonly #letters: Letter[] = []; // those behind the last answered barrier
  #dealt = 0; // how many were before it
  #marks: Mark[] = [];
  #lastMark = 0;
  #acked = 0;
  #over = false;
  /** The relay said that it stops. */
  isStopping = false;
  #queueSent = () => {};
  /** Kept at event 22, or at the end. */
  readonly queueSent = new Promise<void>((resolve) => {
    this.#queueSent = resolve;
  });

  private constructor(peer: Peer, options: SessionOptions) {
    this.#peer = peer;
    this.#options = options;
    this.#reading = new Reading(options.ledger, options.me.index);
    this.closed = peer.closed.finally(() => {
      this.#over = true;
      this.#queueSent();
      for (const { answered } of this.#marks.splice(0)) answered();
    });
  }

  /** Logs in. Throws when that fails, and takes the connection down. */
  static async open(peer: Peer, options: SessionOptions): Promise<Session> {
    try {
      return await login(peer, options, () => new Session(peer, options));
    } catch (error) {
      await peer.destroy();
      throw error;
    }
  }

  begin(): void {
    this.#peer.listen((frame) => this.#frame(frame));
  }

  get isOpen(): boolean {
    return !this.#over;
  }

  /** Messages of which nothing is known yet. */
  get outstanding(): number {
    return this.#letters.length;
  }

  get unacknowledged(): number {
    return this.#options.me.acks ? this.#reading.received - this.#acked : 0;
  }

  // ---- sending ----

  /** One Message to each of these, with so much padding, in one write. */
  send(batch: readonly { readonly to: Person; readonly padding: number }[]): void {
    const { me, ledger } = this.#options;
    const frames = batch.map(({ to, padding }) => {
      const { letter, frame } = ledger.post(me.index, to.index, (seq) =>
        writeLetter(to.keys.hex, { sender: me.index, recipient: to.index, seq }, padding),
      );
      this.#letters.push(letter);
      return frame;
    });
    this.#peer.write(...frames);
  }

  /** Acknowledges all that was received, but for so many. */
  acknowledge(but = 0): void {
    const n = this.#reading.received - but;
    if (!this.#options.me.acks || n <= this.#acked) return;
    this.#acked = n;
    this.#peer.write(command('ACK', `${n}`));
  }

  /** Kept when the barrier is answered, or the connection is over. */
  barrier(): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      const late = setTimeout(
        () => {
          if (!this.#options.me.smudged) this.#violation('hang', 'a PING is not answered');
          this.#peer.destroy();
        },
        this.#options.me.smudged ? LOST_MS : HANG_MS,
      );
      const answered = () => {
        clearTimeout(late);
        resolve();
      };
      const id = ++this.#lastMark;
      const sent = this.#dealt + this.#letters.length;
      this.#marks.push({ id, sent, acked: this.#acked, answered });
      this.#peer.write(command('PING', `mark${id}`));
    });
  }

  leave(how: Leaving): void {
    if (how === 'bye') this.#peer.write(command('BYE'));
    else if (how === 'fin') this.#peer.socket.end();
    else this.#peer.reset();
    // The other side of a connection that froze does not answer.
    const late = setTimeout(() => this.#peer.destroy(), 2_000);
    this.closed.finally(() => clearTimeout(late));
  }

  /** Lets what comes lie in the system's buffers. */
  pause(reading: boolean): void {
    if (reading) this.#peer.socket.resume();
    else this.#peer.socket.pause();
  }

  // ---- what comes ----

  #frame(frame: Frame): void {
    if (frame.type === TYPE.Message) return this.#reading.take(frame);
    if (frame.type !== TYPE.Status) return;
    try {
      this.#status(statusOf(frame));
    } catch (error) {
      if (!this.#options.me.smudged) this.#violation('protocol', `${error}`);
    }
  }

  #status({ status, payload }: { status: number; payload: string }): void {
    switch (status) {
      case STATUS.fine:
        return this.#pong(Number(/^mark(\d+)$/.exec(payload)?.[1] ?? 0));
      case STATUS.queued:
      case STATUS.unknownRecipient:
      case STATUS.queueFull:
        return this.#event(status, payload);
      case STATUS.queueSent:
        this.#reading.queueSent();
        return this.#queueSent();
      case STATUS.stopping:
        this.isStopping = true;
        return;
      case STATUS.replaced:
        return;
      default:
        if (!this.#options.me.smudged) this.#violation('protocol', `status ${status} ${payload}`);
    }
  }

  #event(status: number, payload: string): void {
    const { me, people, ledger } = this.#options;
    if (me.smudged) return; // its numbers need not be the relay's
    const [, to, number] = /^(\S+) (\d+)(?: |$)/.exec(payload) ?? [];
    const letter = this.#letters[Number(number) - this.#dealt - 1];
    if (!letter || to !== people[letter.recipient]?.keys.hex)
      return this.#violation('event', `${status} ${payload}: behind the barrier, or nobody's`);
    if (status === STATUS.queued) ledger.queued(letter);
    else ledger.refused(letter);
  }

  #pong(id: number): void {
    const { me, ledger, generation, sure } = this.#options;
    while (this.#marks[0] && this.#marks[0].id <= id) {
      const { sent, acked, answered } = this.#marks.shift() as Mark;
      const dealt = this.#letters.splice(0, sent - this.#dealt);
      this.#dealt = sent;
      if (!me.smudged) {
        for (const letter of dealt) ledger.passed(letter, generation);
        if (sure()) this.#reading.confirmed(acked);
      }
      answered();
    }
  }

  #violation(kind: ViolationKind, what: string): void {
    this.#options.ledger.violation(kind, `client ${this.#options.me.index}: ${what}`);
  }
}

/** Straight through the handshake; ACKS before AuthResponse, so that no Message goes uncounted (§7.4). */
async function login(
  peer: Peer,
  { me, ledger }: SessionOptions,
  make: () => Session,
): Promise<Session> {
  const refused = (what: string, frame: Frame) => {
    const said = frame.type === TYPE.Status ? statusOf(frame) : { status: 0, payload: 'no Status' };
    const why = `client ${me.index}, ${what}: ${said.status} ${said.payload}`;
    if (!me.smudged && said.status !== STATUS.stopping) ledger.violation('login', why);
    return new Error(why);
  };
  await peer.greet();
  const { challenge } = await peer.challenged(me.keys);
  if (me.acks) {
    const answer = await peer.ask('ACKS', 'on');
    if (answer.type !== TYPE.Status || statusOf(answer).status !== STATUS.fine)
      throw refused('ACKS', answer);
  }
  const session = make();
  peer.write(authResponse(challenge, peer.relayKey, newNonce()));
  const answer = await peer.next();
  if (answer.type !== TYPE.User) throw refused('AuthResponse', answer);
  session.begin();
  return session;
}
