// flexim whoami and flexim keys: which identities there are, and what others need to know of one.

import { fingerprint, groupDigits, identityFromSeed, wipeIdentity } from '../../crypto/identity.ts';
import { wipe } from '../../crypto/sodium.ts';
import { formatAddress, hostAndPort } from '../../lib/address.ts';
import { printable } from '../../lib/text.ts';
import type { Context } from '../command.ts';
import { loadKey, openKeys, openPins, print, relayOf } from '../profile.ts';

export async function whoami({ settings }: Context): Promise<void> {
  const { name, path, locked, content } = await loadKey(openKeys(settings), settings);
  const identity = identityFromSeed(content.seed);
  const { host, port, relayKey, transport } = relayOf(settings, identity.hex);
  const pinned = relayKey ?? openPins(settings).get(hostAndPort({ host, port }));
  const place = { host, port, relayKey: pinned, transport };
  const address = formatAddress({ ...place, person: identity.hex });
  const digits = fingerprint(identity.exchange.publicKey);
  wipeIdentity(identity);
  wipe(content.storeKey);

  if (settings.json) {
    const { hex: key } = identity;
    print(JSON.stringify({ name, key, address, fingerprint: digits, path, locked }));
    return;
  }
  print(`name         ${name}`);
  print(`key          ${identity.hex}`);
  print(`address      ${address}`);
  print(`fingerprint  ${groupDigits(digits)}`);
}

export async function keys({ settings }: Context): Promise<void> {
  const entries = await openKeys(settings).list();
  if (settings.json) {
    for (const { problem, hex, ...entry } of entries)
      print(JSON.stringify({ ...entry, key: hex ?? null, problem: problem?.code ?? null }));
    return;
  }
  const width = Math.max(...entries.map(({ name }) => name.length), 0);
  for (const { name, hex, locked, created, problem } of entries) {
    const date = created === undefined ? '' : new Date(created * 1000).toISOString().slice(0, 10);
    const what = problem
      ? `unusable: ${printable(problem.message, 500)}`
      : locked
        ? '(locked with a passphrase)'
        : `${hex}  ${date}`;
    print(`${printable(name).padEnd(width)}  ${what}`);
  }
}
