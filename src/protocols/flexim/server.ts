// Serving Flexim: docs/protocols/flexim.md §3 (time limits) and §9 (stopping).

import type { Identity } from '../../crypto/identity.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Channel } from '../../net/channel.ts';
import { type ConnectionOptions, flushAll } from '../../net/connection.ts';
import { type Door, ownDoor } from '../../net/door.ts';
import type { Listener } from '../../net/tcp.ts';
import { Doors } from '../../relay/doors.ts';
import { type Relay, settleRelay } from '../../relay/relay.ts';
import type { Entrant, Hall, Known, ServeOptions, Service } from '../protocol.ts';
import { Lobby, spread } from './lobby.ts';
import { type House, Visitor } from './visitor.ts';

const RETURN_S = 5; // clients of a stopping relay come back within so long …
const RETURNS_A_SECOND = 200; // … or longer, when they are many
const MAX_TIMER_MS = 2 ** 31 - 1; // a drain without a limit

/** The visitors of one relay, over whatever channels they come. */
export class Flexim implements House {
  readonly relay: Relay;
  readonly members: ConnectionOptions;
  readonly #visitors = new Set<Visitor>();
  readonly #lobby: Lobby;
  readonly #left: (remote: string) => void;
  #returnS = 0; // once the relay stops: who comes now is told to come back within so long
  #empty: (() => void) | null = null;

  /** `left` hears where somebody came from who is gone. */
  constructor(relay: Relay, identity: Identity, left: (remote: string) => void = () => {}) {
    this.relay = relay;
    this.#left = left;
    const { limits, clock, router, log, drops, logins, turns } = relay;
    this.members = { replyBytes: limits.replyBytes, account: router.memory.account };
    turns.before = flushAll;
    this.#lobby = new Lobby({
      ...{ limits, clock, log, drops, logins, turns, left },
      exchange: identity.exchange,
      name: () => relay.name,
      lookUp: (key, found) => found(this.lookUp(key)),
      enter: (entrant) => this.enter(entrant),
    });
  }

  /** A stranger comes in. */
  accept(channel: Channel): void {
    this.#lobby.accept(channel);
  }

  lookUp(key: string): Known {
    const { directory } = this.relay;
    return { isKnown: directory.isKnown(key), lastSeen: directory.lastSeen(key) };
  }

  /** Somebody comes in who has logged in. */
  enter(entrant: Entrant): void {
    const visitor = new Visitor(entrant, this);
    this.#visitors.add(visitor);
    if (this.#returnS > 0) visitor.dismiss(spread(this.#returnS));
  }

  gone(visitor: Visitor): void {
    this.#visitors.delete(visitor);
    this.#left(visitor.remote);
    if (this.#visitors.size === 0) this.#empty?.();
  }

  /**
   * Tells everybody, lets them take what is theirs, and cuts who does not in time. `dismiss` does the
   * first for strangers that are elsewhere.
   */
  async drain(dismiss?: (seconds: number) => Promise<void>): Promise<void> {
    const inAll = this.#visitors.size + this.#lobby.size;
    this.#returnS = Math.max(RETURN_S, Math.ceil(inAll / RETURNS_A_SECOND));
    for (const visitor of this.#visitors) visitor.dismiss(spread(this.#returnS));
    const { drainMs, quietMs } = this.relay.limits;
    const quiet = setInterval(
      () => {
        for (const visitor of this.#visitors) visitor.endIfQuiet();
      },
      Math.min(quietMs, MAX_TIMER_MS),
    );
    const { promise: late, resolve: isLate } = withResolvers<void>();
    const timer = setTimeout(
      () => {
        isLate();
        for (const visitor of this.#visitors) visitor.abandon();
        this.#lobby.abandon();
      },
      Math.min(drainMs, MAX_TIMER_MS),
    );
    const here = this.#lobby.dismiss(this.#returnS);
    await Promise.race([late, dismiss?.(this.#returnS)]);
    await here;
    if (this.#visitors.size > 0) await new Promise<void>((resolve) => (this.#empty = resolve));
    clearInterval(quiet);
    clearTimeout(timer);
  }
}

export async function serve(options: ServeOptions): Promise<Service> {
  const { relay, identity, lobby } = options;
  const door = options.door ?? ownDoor(new Doors(relay));
  const house = new Flexim(relay, identity, (remote) => (lobby ?? door).left(remote));
  relay.expiry.start();
  const listeners = await openAll(house, door, options);
  return {
    address: (listeners[0] as Listener).address,
    stop: async () => {
      const closed = closeAll(listeners);
      await house.drain(lobby && ((seconds) => lobby.dismiss(seconds)));
      await closed;
      await settleRelay(relay);
    },
  };
}

/** All ways in, or none. */
async function openAll(
  house: Flexim,
  door: Door,
  { host, port, relay, lobby, others = [] }: ServeOptions,
): Promise<readonly Listener[]> {
  const at = { host, port };
  const accept = (channel: Channel) => house.accept(channel);
  const hall: Hall = {
    name: () => relay.name,
    lookUp: (key) => house.lookUp(key),
    enter: (entrant) => house.enter(entrant),
  };
  const opened: Listener[] = [];
  try {
    opened.push(await (lobby ? lobby.receive(at, hall) : door.open(at, accept)));
    for (const open of others) opened.push(await open(accept));
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

async function closeAll(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}
