// Where strangers are until they have logged in: the time each has for hello and login, how many there may
// be, and how they are sent away when the relay stops. docs/protocols/flexim.md §3 and §5. It needs little of
// a relay, so that it can be in another process, beside it (cli/porter/).

import { hostGroup } from '../../lib/address.ts';
import type { Log } from '../../lib/log.ts';
import { Deadlines } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import type { ConnectionOptions } from '../../net/connection.ts';
import type { Entrant } from '../protocol.ts';
import { Caller, type Waiting } from './caller.ts';
import type { Desk } from './stranger.ts';

export interface LobbyOptions extends Desk {
  readonly log: Log;
  /** Somebody has logged in; his channel is here no more. */
  readonly enter: (entrant: Entrant) => void;
  /** Somebody is gone who has not logged in. */
  readonly left: (remote: string) => void;
}

const STRANGER_BYTES = 4 * 1024; // unread answers before the login; they count nowhere

export class Lobby implements Waiting {
  readonly desk: Desk;
  readonly log: Log;
  readonly #options: LobbyOptions;
  readonly bounds: ConnectionOptions = { replyBytes: STRANGER_BYTES };
  readonly #callers = new Set<Caller>(); // also those who are leaving
  readonly #strangers = new Set<Caller>(); // the oldest first
  readonly #hellos: Deadlines<Caller>;
  readonly #logins: Deadlines<Caller>;
  #empty: (() => void) | null = null;

  constructor(options: LobbyOptions) {
    const { limits, clock } = options;
    this.#options = options;
    this.desk = options;
    this.log = options.log;
    this.#hellos = new Deadlines(limits.helloMs, clock, (each) => each.expired('hello'));
    this.#logins = new Deadlines(limits.loginMs, clock, (each) => each.expired('login'));
  }

  accept(channel: Channel): void {
    this.#callers.add(new Caller(channel, this, hostGroup(channel.remote)));
    if (this.#strangers.size <= this.#options.limits.strangers) return;
    // Who says nothing must not keep others out: the newest gets the place of the one longest here.
    for (const oldest of this.#strangers) return oldest.crowdedOut();
  }

  expect(caller: Caller, what: 'hello' | 'login' | null): void {
    this.#hellos.stop(caller);
    this.#logins.stop(caller);
    if (what) this.#strangers.add(caller);
    else this.#strangers.delete(caller);
    if (what === 'hello') this.#hellos.start(caller);
    if (what === 'login') this.#logins.start(caller);
  }

  entered(caller: Caller, entrant: Entrant): void {
    this.#forget(caller);
    this.#options.enter(entrant);
  }

  gone(caller: Caller, remote: string): void {
    this.#forget(caller);
    this.#options.left(remote);
  }

  #forget(caller: Caller): void {
    this.#callers.delete(caller);
    if (this.#callers.size === 0) this.#empty?.();
  }

  /** Everybody hears that the relay stops, and to come back within so many seconds. */
  async dismiss(seconds: number): Promise<void> {
    for (const caller of this.#callers) caller.dismiss(spread(seconds));
    if (this.#callers.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#empty = resolve;
    });
  }

  /** Who is still here is cut. */
  abandon(): void {
    for (const caller of this.#callers) caller.abandon();
  }

  get size(): number {
    return this.#callers.size;
  }
}

/** So that they do not come back all at once. */
export function spread(seconds: number): number {
  return 1 + Math.floor(Math.random() * seconds);
}
