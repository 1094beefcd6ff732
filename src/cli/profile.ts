// What every flexim command works with: the keys directory, the identity, the relay to talk to.

import { join } from 'node:path';
import { findKeysDirectory, namedDirectory, privateDirectory } from '../keystore/directory.ts';
import { Keys, type LoadedKey } from '../keystore/keys.ts';
import { Pins } from '../keystore/pins.ts';
import type { Address } from '../lib/address.ts';
import { isFleximError } from '../lib/errors.ts';
import type { Common } from './command.ts';
import { readPassphrase } from './passphrase.ts';
import { dataHome } from './places.ts';
import { chooseRelay, DEFAULT_RELAY, type RelayChoice } from './remember.ts';
import { readRelay, relayWish, sameHost, transportOf } from './transports.ts';

export const PINS = 'known-relays';
const PASSPHRASE_TRIES = 3;

/** The directory of keys; its path is always told, on stderr. */
export function openKeys(settings: Common): Keys {
  const place = findKeysDirectory({
    flag: settings.keys,
    cwd: process.cwd(),
    dataHome: dataHome(process.env),
  });
  // A setting, whether it came as flag, variable or from the file, arrives here as the flag.
  tell(`keys in ${place.path} (${place.why === '--keys' ? 'as set' : place.why})`);
  return new Keys(place.path);
}

/** The chosen key, opened; asks for its passphrase when it has one. */
export async function loadKey(keys: Keys, settings: Common): Promise<LoadedKey> {
  const fd = settings['passphrase-fd'] ?? undefined;
  const name = keys.choose({ as: settings.as });
  const ask = (which: string) => readPassphrase({ fd, prompt: `Passphrase of ${which}: ` });
  for (let tries = 1; ; tries++)
    try {
      return await keys.load(name, ask);
    } catch (error) {
      const again = fd === undefined && tries < PASSPHRASE_TRIES;
      if (!again || !isFleximError(error, 'passphrase-wrong')) throw error;
      tell('That does not open it. Try again.');
    }
}

export function openPins(settings: Common): Pins {
  return new Pins(join(dataDirectory(settings), PINS));
}

/** Where the store of an identity lies, private to it. */
export function profileDirectory(settings: Common, key: string): string {
  return privateDirectory(profilePath(settings, key));
}

function profilePath(settings: Common, key: string): string {
  return join(dataDirectory(settings), key.slice(0, 32));
}

/** The relay that is used for an identity, as far as this process knows. */
export function relayInUse(settings: Common, key: string): Address {
  return chosenRelay(settings, profilePath(settings, key)).address;
}

/** The relay of an identity; when it is neither named nor the default one, that is told. */
export function relayOf(settings: Common, key: string): Address {
  const { text, why, address } = chosenRelay(settings, profilePath(settings, key));
  if (why === 'remembered' && text !== DEFAULT_RELAY) tell(`relay ${text} (used last)`);
  return address;
}

export type WishedRelay = Pick<Common, 'relay' | 'transport'>;

/** Where nobody names a relay, a wish for another transport than the one used last means the same host. */
export function chosenRelay(
  { relay, transport: way }: WishedRelay,
  profile: string,
): RelayChoice & { readonly address: Address } {
  const transport = relayWish(way);
  const choice = chooseRelay(relay, profile);
  if (choice.why === 'named') return { ...choice, address: readRelay(choice.text, transport) };
  const used = readRelay(choice.text, null);
  const isOther = transport !== null && transport !== transportOf(used);
  return { ...choice, address: isOther ? sameHost(used, transport) : used };
}

export function dataDirectory(settings: Common): string {
  // One that a person named stays as it is, so long as nobody else can put files there.
  if (settings.data !== null) return namedDirectory(settings.data, '--data', process.cwd());
  return privateDirectory(join(dataHome(process.env), 'flexim'));
}

/** Results go to stdout … */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** … and everything else to stderr. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
