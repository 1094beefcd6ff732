// flexim relays: the relay keys pinned here, and how a changed one is accepted.

import { formatAddress, hostAndPort, parseAddress } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Context } from '../command.ts';
import { openPins, print, tell } from '../profile.ts';

export async function relays({ settings, args }: Context): Promise<void> {
  const pins = openPins(settings);
  const { action = 'list', address } = args;
  if (action === 'list') {
    for (const { place, hex } of pins.list())
      print(settings.json ? JSON.stringify({ place, key: hex }) : `${place}  ${hex}`);
    return;
  }
  if (action !== 'trust' && action !== 'forget')
    throw new FleximError('usage', 'the actions are list, trust and forget');
  if (!address)
    throw new FleximError('usage', `which relay? Example: flexim relays ${action} HOST:PORT`);

  const { host, port, relayKey } = parseAddress(address);
  const place = hostAndPort({ host, port });
  if (action === 'forget') {
    if (!pins.remove(place))
      throw new FleximError('bad-address', `there is no relay ${place}; flexim relays lists them`);
    tell(`${place} is forgotten; the key it shows next will be pinned.`);
    return;
  }
  if (relayKey === null)
    throw new FleximError(
      'usage',
      `which key? Put it into the address: ${formatAddress({ host, port })}?relay=KEY`,
    );
  pins.replace(place, relayKey);
  tell(`${place} is now expected to have the key ${relayKey}.`);
}
