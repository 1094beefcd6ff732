// How an owner's messenger goes: by a relay, from node to node, or both (auto); and another way when its user
// chooses one, in the same conversations.

import { FINAL } from '../../client/connection.ts';
import { Ways } from '../../client/ways.ts';
import { type Address, parseAddress } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Link } from '../../protocols/protocol.ts';
import { remember } from '../remember.ts';
import { protocolOf, sameHost, transportOf, type WayName, wayNamed } from '../transports.ts';
import { dialNode, enclaveAddress, isEnclave } from './enclave.ts';
import type { Owning } from './owning.ts';

export class Carrier {
  readonly #owning: Owning;
  #way: WayName;
  /** Of a relay, if one was named or used; each transport has its own port. */
  #relay: Address | null;
  /** The relay's, as far as it is known. */
  #key: string | null;

  constructor(owning: Owning) {
    const { relay, options } = owning;
    this.#owning = owning;
    this.#relay = isEnclave(relay) ? null : relay;
    this.#way = options.way === 'auto' && this.#relay ? 'auto' : transportOf(relay);
    this.#key = relay.relayKey;
    if (this.#way === 'enclave') options.enclave?.owns?.();
  }

  get name(): WayName {
    return this.#way;
  }

  /** As others of this profile are told. */
  get address(): Address {
    return this.#way !== 'enclave' && this.#relay ? this.#relay : this.#nodePlace;
  }

  get key(): string | null {
    return this.#way === 'enclave' ? null : this.#key;
  }

  /** Throws `usage`. */
  choose(text: string): void {
    const way = wayNamed(text);
    const { enclave } = this.#owning.options;
    if ((way === 'enclave' || way === 'auto') && !enclave)
      throw new FleximError(
        'usage',
        `${way} wants a node, and this process has none: use flexim chat`,
      );
    if (way !== 'enclave') {
      const relay = this.#relay;
      if (!relay)
        throw new FleximError(
          'usage',
          `${way} wants a relay: begin with --relay and that transport`,
        );
      if (way !== 'auto' && way !== transportOf(relay)) this.#relay = sameHost(relay, way);
    }
    this.#way = way;
  }

  async dial(signal: AbortSignal): Promise<Link> {
    const { options } = this.#owning;
    if (options.dialAfter) await firstOf(options.dialAfter, signal); // a screen is there before
    if (this.#way === 'enclave') return this.#node(signal);
    if (this.#way !== 'auto') return this.#dialRelay(signal);
    return new Ways({
      relay: (given) => this.#dialRelay(given),
      direct: (given) => this.#node(given),
      isFinal: ({ code }) => FINAL.includes(code),
    });
  }

  #node(signal: AbortSignal): Promise<Link> {
    return dialNode({ ...this.#owning, at: this.#nodePlace }, signal);
  }

  get #nodePlace(): Address {
    const { relay, options } = this.#owning;
    return isEnclave(relay) ? relay : parseAddress(enclaveAddress(options.enclave?.listen ?? ''));
  }

  async #dialRelay(signal: AbortSignal): Promise<Link> {
    const { opened, pins, directory, options, insecurePlaintext } = this.#owning;
    const relay = this.#relay as Address;
    const { host, port, relayKey } = relay;
    const { identity, label } = opened;
    const alias = options.alias === undefined ? label : options.alias;
    const protocol = await protocolOf(relay);
    const link = await protocol.dial({
      ...{ host, port, relayKey, identity, pins, alias, signal, insecurePlaintext },
    });
    this.#key = link.relay.key;
    remember(directory, relay);
    return link;
  }
}

async function firstOf(moment: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await Promise.race([moment, promise]);
  signal.throwIfAborted();
}
