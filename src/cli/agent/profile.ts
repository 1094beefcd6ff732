// Which profile is meant, and what opens it. A locked key stays locked as long as somebody else who has
// opened it serves its profile.

import { type Identity, identityFromSeed } from '../../crypto/identity.ts';
import type { LoadedKey } from '../../keystore/keys.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Common } from '../command.ts';
import { dataDirectory, loadKey, openKeys, profileDirectory } from '../profile.ts';
import { hintedKey, leaveHint } from './hint.ts';

export interface Opened {
  readonly identity: Identity;
  readonly storeKey: Uint8Array;
  readonly label: string;
}

export interface Profile {
  readonly name: string;
  readonly key: string;
  readonly directory: string;
  /** Null: its key is locked, and nobody was asked yet. */
  readonly opened: Opened | null;
  /** Asks for the passphrase, where there is one and the key was not opened yet. */
  readonly open: () => Promise<Profile & { readonly opened: Opened }>;
}

/** Asks nobody if it can be helped: then `opened` is null. */
export async function findProfile(settings: Common): Promise<Profile> {
  const keys = openKeys(settings);
  const name = keys.choose({ as: settings.as });
  const lock = await keys.lock(name);
  const hint = lock && hintedKey(dataDirectory(settings), lock);
  const open = async () => {
    const loaded = await loadKey(keys, settings);
    const opened = openedOf(loaded);
    const key = opened.identity.hex;
    if (lock) leaveHint(dataDirectory(settings), lock, key);
    const profile = { name: loaded.name, key, directory: profileDirectory(settings, key), opened };
    return { ...profile, open: async () => ({ ...profile, open }) };
  };
  if (!hint) return open();
  return { name, key: hint, directory: profileDirectory(settings, hint), opened: null, open };
}

/** The same profile, opened; the hint might have been another's. */
export async function openSame(profile: Profile): Promise<Opened> {
  const { key, opened } = await profile.open();
  if (key === profile.key) return opened;
  throw new FleximError(
    'key-damaged',
    `the key ${profile.name} is now another one than when this was begun; begin anew`,
  );
}

function openedOf({ name, content }: LoadedKey): Opened {
  const { seed, storeKey, label } = content;
  return { identity: identityFromSeed(seed), storeKey, label: label || name };
}
