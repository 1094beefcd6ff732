// The relay of an identity: the one that is named (flag, variable, settings file), else the one that it was
// logged in to last, else the one on this machine. Only host, port and transport are kept: the key of a relay is a
// matter of the pins, where people can change it.

import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readTrusted, writeExclusive } from '../keystore/files.ts';
import { type Address, formatAddress, hostAndPort, parseAddress } from '../lib/address.ts';
import { utf8, view } from '../lib/bytes.ts';
import { isFleximError } from '../lib/errors.ts';

export const DEFAULT_RELAY = '127.0.0.1:4321';
const NAME = 'relay';
const TRUST = { max: 1_024, forbidden: 0o022, unfit: 'config-invalid' } as const;

export interface RelayChoice {
  readonly text: string;
  readonly why: 'named' | 'remembered' | 'default';
}

/** `profile` is the directory of the identity; it need not be there. */
export function chooseRelay(named: string | null, profile: string): RelayChoice {
  if (named !== null) return { text: named, why: 'named' };
  const remembered = recall(profile);
  return remembered === null
    ? { text: DEFAULT_RELAY, why: 'default' }
    : { text: remembered, why: 'remembered' };
}

/** Called after a login. A disk that does not take it costs a `--relay` next time, no more. */
export function remember(
  profile: string,
  relay: Pick<Address, 'host' | 'port' | 'transport'>,
): void {
  const text = placeOf(relay);
  const temp = join(profile, `.${NAME}.tmp`);
  try {
    if (recall(profile) === text) return;
    rmSync(temp, { force: true });
    writeExclusive(temp, utf8(text));
    renameSync(temp, join(profile, NAME));
  } catch {
    rmSync(temp, { force: true });
  }
}

/** Bare Flexim's is host and port alone. */
function placeOf({ host, port, transport }: Pick<Address, 'host' | 'port' | 'transport'>): string {
  return transport ? formatAddress({ host, port, transport }) : hostAndPort({ host, port });
}

/** A file that is damaged, or not ours alone, is as good as none. */
function recall(profile: string): string | null {
  try {
    const bytes = readTrusted(join(profile, NAME), TRUST);
    return bytes && placeOf(parseAddress(view(bytes).toString('utf8').trim()));
  } catch (error) {
    if (!isFleximError(error)) throw error;
    return null;
  }
}
