// Serving Flexim: docs/protocols/flexim.md §3 (time limits) and §9 (stopping).

import type { Identity } from '../../crypto/identity.ts';
import { hostGroup } from '../../lib/address.ts';
import { Deadlines } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import { type ConnectionOptions, flushAll } from '../../net/connection.ts';
import { ownDoor } from '../../net/door.ts';
import { Doors } from '../../relay/doors.ts';
import { type Relay, settleRelay } from '../../relay/relay.ts';
import type { ServeOptions, Service } from '../protocol.ts';
import { type House, Visitor } from './visitor.ts';

const STRANGER_BYTES = 4 * 1024; // unread answers before the login; they count nowhere
const RETURN_S = 5; // clients of a stopping relay come back within so long …
const RETURNS_A_SECOND = 200; // … or longer, when they are many
const MAX_TIMER_MS = 2 ** 31 - 1; // a drain without a limit

/** The visitors of one relay, over whatever channels they come. */
export class Flexim implements House {
  readonly relay: Relay;
  readonly identity: Identity;
  readonly strangers: ConnectionOptions = { replyBytes: STRANGER_BYTES };
  readonly members: ConnectionOptions;
  readonly #visitors = new Set<Visitor>();
  readonly #strangers = new Set<Visitor>(); // not logged in, the oldest first
  readonly #hellos: Deadlines<Visitor>;
  readonly #logins: Deadlines<Visitor>;
  readonly #left: (remote: string) => void;
  #empty: (() => void) | null = null;

  /** `left` hears where somebody came from who is gone. */
  constructor(relay: Relay, identity: Identity, left: (remote: string) => void = () => {}) {
    this.relay = relay;
    this.#left = left;
    this.identity = identity;
    const { limits, clock, router } = relay;
    this.members = { replyBytes: limits.replyBytes, account: router.memory.account };
    relay.turns.before = flushAll;
    this.#hellos = new Deadlines(limits.helloMs, clock, (each) => each.expired('hello'));
    this.#logins = new Deadlines(limits.loginMs, clock, (each) => each.expired('login'));
  }

  accept(channel: Channel): void {
    this.#visitors.add(new Visitor(channel, this, hostGroup(channel.remote)));
    if (this.#strangers.size <= this.relay.limits.strangers) return;
    // Who says nothing must not keep others out: the newest gets the place of the one longest here.
    for (const oldest of this.#strangers) return oldest.crowdedOut();
  }

  expect(visitor: Visitor, what: 'hello' | 'login' | null): void {
    this.#hellos.stop(visitor);
    this.#logins.stop(visitor);
    if (what) this.#strangers.add(visitor);
    else this.#strangers.delete(visitor);
    if (what === 'hello') this.#hellos.start(visitor);
    if (what === 'login') this.#logins.start(visitor);
  }

  gone(visitor: Visitor): void {
    this.#visitors.delete(visitor);
    this.#left(visitor.remote);
    if (this.#visitors.size === 0) this.#empty?.();
  }

  /** Tells everybody, lets them take what is theirs, and cuts who does not in time. */
  async drain(): Promise<void> {
    const spread = Math.max(RETURN_S, Math.ceil(this.#visitors.size / RETURNS_A_SECOND));
    for (const visitor of this.#visitors) visitor.dismiss(1 + Math.floor(Math.random() * spread));
    if (this.#visitors.size === 0) return;
    const { drainMs, quietMs } = this.relay.limits;
    await new Promise<void>((resolve) => {
      const quiet = setInterval(
        () => {
          for (const visitor of this.#visitors) visitor.endIfQuiet();
        },
        Math.min(quietMs, MAX_TIMER_MS),
      );
      const late = setTimeout(
        () => {
          for (const visitor of this.#visitors) visitor.abandon();
        },
        Math.min(drainMs, MAX_TIMER_MS),
      );
      this.#empty = () => {
        clearInterval(quiet);
        clearTimeout(late);
        resolve();
      };
    });
  }
}

export async function serve(options: ServeOptions): Promise<Service> {
  const { host, port, relay, identity } = options;
  const door = options.door ?? ownDoor(new Doors(relay));
  const house = new Flexim(relay, identity, (remote) => door.left(remote));
  relay.expiry.start();
  const listener = await door.open({ host, port }, (channel) => house.accept(channel));
  return {
    address: listener.address,
    stop: async () => {
      const closed = listener.close();
      await house.drain();
      await closed;
      await settleRelay(relay);
    },
  };
}
