// Friends who are away are dialled again and again, with growing pauses: docs/protocols/enclave.md §6.

import type { FleximError } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import { dialTcp } from '../../net/tcp.ts';
import type { Companion } from './companion.ts';
import { type Pauses, pauseAfter } from './pause.ts';

const DIAL_MS = 15_000;

export interface DiallerOptions {
  readonly pauses: Pauses;
  /** He is still a friend. */
  readonly isWanted: (companion: Companion) => boolean;
  readonly reached: (companion: Companion, channel: Channel) => void;
  /** Why not, when that is another reason than the last time. */
  readonly failed: (companion: Companion, error: FleximError) => void;
  /** Before a pause is over: things may have changed. */
  readonly look: () => void;
}

export class Dialler {
  readonly #options: DiallerOptions;
  readonly #stopped = new AbortController();

  constructor(options: DiallerOptions) {
    this.#options = options;
  }

  /** Unless he is here for sure, is being dialled, or is not to be. */
  dial(companion: Companion): void {
    const { friend, dialling, retry, isSettled } = companion;
    const { signal } = this.#stopped;
    if (signal.aborted || dialling || retry || isSettled || friend.isBlocked || friend.port === 0)
      return;
    companion.dialling = true;
    dialTcp(friend, { timeoutMs: DIAL_MS, signal, whom: friend.name }).then(
      (channel) => this.#reached(companion, channel),
      (error: FleximError) => this.again(companion, error),
    );
  }

  dialNow(companion: Companion): void {
    companion.stopDialling();
    this.dial(companion);
  }

  /** The dial, or the last connection, has come to nothing: later. */
  again(companion: Companion, error: FleximError | null): void {
    companion.dialling = false;
    if (!this.#isWanted(companion) || companion.isSettled) return;
    const said = error && `${error.code} ${error.message}`;
    if (error && said !== companion.told) this.#options.failed(companion, error);
    companion.told = said;
    companion.stopDialling();
    companion.retry = setTimeout(
      () => {
        companion.retry = null;
        this.#options.look();
        this.dial(companion);
      },
      pauseAfter(companion.attempt++, this.#options.pauses),
    );
  }

  stop(): void {
    this.#stopped.abort();
  }

  #isWanted(companion: Companion): boolean {
    return !this.#stopped.signal.aborted && this.#options.isWanted(companion);
  }

  #reached(companion: Companion, channel: Channel): void {
    if (this.#isWanted(companion)) return this.#options.reached(companion, channel);
    companion.dialling = false;
    channel.reset();
  }
}
