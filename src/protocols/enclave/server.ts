// Where others come in: docs/protocols/enclave.md §9. How many may be connected, and how many of them
// without anybody having said yes.

import { hostGroup } from '../../lib/address.ts';
import type { Channel } from '../../net/channel.ts';
import { type Listener, listenTcp, type TcpAddress } from '../../net/tcp.ts';

export interface Limits {
  /** Connections from others, in all. */
  readonly connections: number;
  /** Of them, those that were not accepted yet, and how many of these from one address. */
  readonly unknown: number;
  readonly unknownPerAddress: number;
}

export const LIMITS: Limits = { connections: 1_024, unknown: 64, unknownPerAddress: 8 };

/** Counts who is in. An address is an IPv4 address or an IPv6 /64. */
export class Entrance {
  readonly #limits: Limits;
  readonly #unknown = new Map<string, number>();
  #connections = 0;
  #strangers = 0;
  /** Turned away so far. */
  refused = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get isOpen(): boolean {
    return this.#connections < this.#limits.connections && this.#strangers < this.#limits.unknown;
  }

  /** False: there is no place. Else `known` is called when he was accepted, `left` when he is gone. */
  enter(remote: string): boolean {
    const address = hostGroup(remote);
    const here = this.#unknown.get(address) ?? 0;
    if (!this.isOpen || here >= this.#limits.unknownPerAddress) {
      this.refused++;
      return false;
    }
    this.#connections++;
    this.#strangers++;
    this.#unknown.set(address, here + 1);
    return true;
  }

  known(remote: string): void {
    const address = hostGroup(remote);
    const left = (this.#unknown.get(address) ?? 0) - 1;
    if (left > 0) this.#unknown.set(address, left);
    else this.#unknown.delete(address);
    this.#strangers--;
  }

  left(): void {
    this.#connections--;
  }
}

/** Throws `port-in-use` and `port-refused`. */
export function listen(
  at: TcpAddress,
  entrance: Entrance,
  accept: (channel: Channel) => void,
): Promise<Listener> {
  return listenTcp(at, {
    isOpen: () => entrance.isOpen,
    turnedAway: () => {
      entrance.refused++;
    },
    missed: () => {
      entrance.refused++;
    },
    accept: (channel) => {
      if (entrance.enter(channel.remote)) accept(channel);
      else channel.reset();
    },
  });
}
