// Becoming the owner of a profile: its store, the relay, the messenger over them, and the socket at which
// others are served.

import { openMessenger } from '../../client/messenger.ts';
import { ourUid } from '../../keystore/owner.ts';
import type { Address } from '../../lib/address.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Link, Pins } from '../../protocols/protocol.ts';
import { openStore } from '../../store/open.ts';
import { remember } from '../remember.ts';
import { checkNews, opening } from '../store.ts';
import { protocolOf } from '../transports.ts';
import { admit } from './admit.ts';
import type { Agent } from './agent.ts';
import { type EnclaveSettings, EnclaveWay, isEnclave } from './enclave.ts';
import { Host } from './host.ts';
import { LocalAgent } from './local.ts';
import { listenProfile } from './place.ts';
import type { Opened } from './profile.ts';

export const STORE_NAME = 'client';
/** The command that saves what can be read of a damaged one. */
export const RECOVER = 'flexim doctor --recover';

/** How the messenger behaves while this process is the owner. */
export interface OwnerOptions {
  readonly takeOver?: boolean;
  readonly readReceipts?: boolean;
  readonly signs?: boolean;
  /** Claim this alias at the first login; the name of the key unless told, null for none. */
  readonly alias?: string | null;
  /** Not to connect before. */
  readonly dialAfter?: Promise<void>;
  /** Go from node to node instead of through a relay. */
  readonly enclave?: EnclaveSettings;
}

export interface Owning {
  readonly me: Agent['me'];
  readonly directory: string;
  readonly opened: Opened;
  readonly relay: Address;
  readonly pins: Pins;
  readonly insecurePlaintext: boolean;
  readonly say: (line: string) => void;
  /** The command that saves what can be read of a damaged store. */
  readonly remedy: string;
  readonly options: OwnerOptions;
  readonly pid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Throws `store-busy` while another process has the store, and what opening it throws. */
export async function becomeOwner(owning: Owning): Promise<Agent> {
  const { me, directory, opened, say, remedy, options } = owning;
  const { identity, storeKey } = opened;
  const { alias: _, dialAfter: __, enclave: ___, ...behaviour } = options;
  const relay = isEnclave(owning.relay) ? new EnclaveWay(owning) : new Relay(owning);
  const store = await openStore(directory, STORE_NAME, opening(directory, checkNews(say), remedy));
  let local: LocalAgent;
  try {
    const dial = (signal: AbortSignal) => relay.dial(signal);
    const messenger = await openMessenger({ identity, storeKey, store, dial, ...behaviour });
    local = new LocalAgent(me, messenger, () => store.close());
  } catch (error) {
    await store.close();
    throw error;
  }
  if (ourUid() === null) return local; // a system without local sockets: one process at a time
  try {
    return await Host.open(local, {
      listen: (accept) => listenProfile(directory, accept, owning.env),
      admit: (hello) => admit(hello, { ...owning, key: me.key, relayKey: relay.key }),
    });
  } catch (error) {
    await local.close();
    throw error;
  }
}

/** The relay that this owner uses. */
class Relay {
  readonly #owning: Owning;
  /** As far as it is known. */
  key: string | null;

  constructor(owning: Owning) {
    this.#owning = owning;
    this.key = owning.relay.relayKey;
  }

  async dial(signal: AbortSignal): Promise<Link> {
    const { opened, relay, pins, directory, options, insecurePlaintext } = this.#owning;
    const { host, port, relayKey } = relay;
    const { identity, label } = opened;
    const alias = options.alias === undefined ? label : options.alias;
    if (options.dialAfter) await firstOf(options.dialAfter, signal);
    const protocol = await protocolOf(relay); // loaded here: a screen is there before
    const link = await protocol.dial({
      ...{ host, port, relayKey, identity, pins, alias, signal, insecurePlaintext },
    });
    this.key = link.relay.key;
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
