// Becoming the owner of a profile: its store, the relay, the messenger over them, and the socket at which
// others are served.

import { openMessenger } from '../../client/messenger.ts';
import { ourUid } from '../../keystore/owner.ts';
import { openStore } from '../../store/open.ts';
import { checkNews, opening } from '../store.ts';
import { admit } from './admit.ts';
import type { Agent } from './agent.ts';
import { Carrier } from './carrier.ts';
import { Host } from './host.ts';
import { LocalAgent } from './local.ts';
import type { Owning } from './owning.ts';
import { listenProfile } from './place.ts';

export const STORE_NAME = 'client';
/** The command that saves what can be read of a damaged one. */
export const RECOVER = 'flexim doctor --recover';

/** Throws `store-busy` while another process has the store, and what opening it throws. */
export async function becomeOwner(owning: Owning): Promise<Agent> {
  const { me, directory, opened, say, remedy, options } = owning;
  const { identity, storeKey } = opened;
  const { alias: _, dialAfter: __, enclave: ___, way: ____, ...behaviour } = options;
  const carrier = new Carrier(owning);
  const store = await openStore(directory, STORE_NAME, opening(directory, checkNews(say), remedy));
  let local: LocalAgent;
  try {
    const dial = (signal: AbortSignal) => carrier.dial(signal);
    const messenger = await openMessenger({
      ...{ identity, storeKey, store, dial, choice: carrier },
      ...behaviour,
    });
    local = new LocalAgent(me, messenger, () => store.close());
  } catch (error) {
    await store.close();
    throw error;
  }
  if (ourUid() === null) return local; // a system without local sockets: one process at a time
  try {
    return await Host.open(local, {
      listen: (accept) => listenProfile(directory, accept, owning.env),
      admit: (hello) =>
        admit(hello, { ...owning, key: me.key, relay: carrier.address, relayKey: carrier.key }),
    });
  } catch (error) {
    await local.close();
    throw error;
  }
}
