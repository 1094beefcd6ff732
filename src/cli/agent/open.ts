// Opening a profile: the key, its store, the relay, and the messenger over them.

import { openMessenger } from '../../client/messenger.ts';
import { identityFromSeed } from '../../crypto/identity.ts';
import { isLoopback } from '../../lib/address.ts';
import { openStore } from '../../store/open.ts';
import type { Common } from '../command.ts';
import { loadKey, openKeys, openPins, profileDirectory, relayAddress, tell } from '../profile.ts';
import { checkNews, opening } from '../store.ts';
import type { Agent } from './agent.ts';
import { LocalAgent } from './local.ts';

const STORE_NAME = 'client';

/** What a messenger tells others, unless it is not meant to. */
export interface Telling {
  readonly 'read-receipts'?: boolean;
  readonly presence?: boolean;
}

export async function openAgent(settings: Common & Telling): Promise<Agent> {
  const { name, content } = await loadKey(openKeys(settings), settings);
  const identity = identityFromSeed(content.seed);
  const { host, port, relayKey } = relayAddress(settings.relay);
  if (!isLoopback(host))
    tell('The way to this relay is bare TCP: others on it can see whom you write to, not what.');
  const directory = profileDirectory(settings, identity.hex);
  const pins = openPins(settings);
  const news = checkNews((text) => tell(text));
  const store = await openStore(directory, STORE_NAME, opening(directory, news));
  try {
    const messenger = await openMessenger({
      identity,
      storeKey: content.storeKey,
      store,
      readReceipts: settings['read-receipts'] ?? false,
      signs: settings.presence ?? false,
      // Loaded when it is needed: a screen is there before.
      dial: async () => {
        const { protocols } = await import('../../protocols/index.ts');
        return protocols.flexim.dial({
          ...{ host, port, relayKey, identity, pins },
          alias: content.label || name,
        });
      },
    });
    return new LocalAgent({ name, key: identity.hex }, messenger, () => store.close());
  } catch (error) {
    await store.close();
    throw error;
  }
}
