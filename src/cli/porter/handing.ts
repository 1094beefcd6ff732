// The porter's sockets on their way to the relay, one after the other: the next goes when the relay has the
// one before. Node would queue them as well, but unseen, and a socket that waits there could still be read.

import type { Arrival } from '../../net/tcp.ts';
import type { Came, FromPorter } from './words.ts';

interface Parcel {
  readonly word: Came;
  readonly socket: Arrival;
}

export class Handing {
  readonly #say: (word: FromPorter, socket?: Arrival) => void;
  readonly #gone: (from: string) => void;
  #waiting: Parcel[] = [];
  #isUnderWay = false;
  #idle: (() => void)[] = [];

  /** `gone` hears of who ended before it was his turn. */
  constructor(say: (word: FromPorter, socket?: Arrival) => void, gone: (from: string) => void) {
    this.#say = say;
    this.#gone = gone;
  }

  /** Nothing may be read from the socket any more. */
  add(word: Came, socket: Arrival): void {
    // Node would count the sockets of a server for it in both processes, a listener on each.
    Object.defineProperty(socket, 'server', { value: null });
    this.#waiting.push({ word, socket });
    if (!this.#isUnderWay) this.#next();
  }

  /** The relay has what was sent. */
  took(): void {
    this.#isUnderWay = false;
    this.#next();
  }

  /** Runs `work` when nothing is on its way. */
  afterAll(work: () => void): void {
    if (this.#isUnderWay) this.#idle.push(work);
    else work();
  }

  #next(): void {
    for (let parcel = this.#waiting.shift(); parcel; parcel = this.#waiting.shift()) {
      const { word, socket } = parcel;
      if (socket.destroyed) {
        this.#gone(word.from);
        continue;
      }
      this.#isUnderWay = true;
      this.#say(word, socket);
      this.#say({ handed: word.from }); // goes out when the socket has arrived, or is lost
      return;
    }
    for (const work of this.#idle.splice(0)) work();
  }
}
