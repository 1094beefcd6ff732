// flexim ping: logs in as a person would, and says whom it reached, how, and how fast.

import { identityFromSeed } from '../../crypto/identity.ts';
import { formatAddress, isLoopback } from '../../lib/address.ts';
import { protocols } from '../../protocols/index.ts';
import type { Link } from '../../protocols/protocol.ts';
import type { Context, PING } from '../command.ts';
import { loadKey, openKeys, openPins, print, relayAddress, relayOf, tell } from '../profile.ts';

const TIMEOUT_MS = 15_000;

export async function ping({ settings, args }: Context<typeof PING>): Promise<void> {
  const named = args.relay ?? settings.relay;
  if (named !== null) relayAddress(named); // before a passphrase is asked for
  const { name, content } = await loadKey(openKeys(settings), settings);
  const identity = identityFromSeed(content.seed);
  const { host, port, relayKey } = relayOf({ ...settings, relay: named }, identity.hex);
  if (!isLoopback(host))
    tell('The way to this relay is bare TCP: others on it can see whom you write to, not what.');
  const alias = settings.alias ? content.label || name : null;
  const began = performance.now();
  const link = await protocols.flexim.dial({
    host,
    port,
    relayKey,
    identity,
    pins: openPins(settings),
    alias,
    reconnect: null,
    timeoutMs: TIMEOUT_MS,
  });
  try {
    const loginMs = performance.now() - began;
    const trips: number[] = [];
    for (let i = 0; i < settings.count; i++) trips.push(await link.ping());
    report(link, { loginMs, trips, json: settings.json, wanted: alias });
  } finally {
    await link.close();
  }
}

interface Measured {
  readonly loginMs: number;
  readonly trips: readonly number[];
  readonly json: boolean;
  readonly wanted: string | null;
}

function report({ relay, self }: Link, { loginMs, trips, json, wanted }: Measured): void {
  const address = formatAddress({ ...relay, relayKey: relay.key });
  const best = Math.min(...trips);
  const mean = trips.reduce((sum, each) => sum + each, 0) / trips.length;
  const ms = (value: number) => Number(value.toFixed(2));
  if (json) {
    print(
      JSON.stringify({
        relay: { name: relay.name, key: relay.key, address, firstContact: relay.firstContact },
        transport: protocols.flexim.name,
        self: { key: self.key, aliases: self.aliases },
        loginMs: ms(loginMs),
        roundTripMs: trips.map(ms),
      }),
    );
    return;
  }
  if (relay.firstContact) tell('First contact: the key of this relay is now pinned.');
  if (wanted && self.aliases.length === 0)
    tell(`You have no alias on this relay: '${wanted}' may belong to somebody else there.`);
  print(`relay       ${relay.name}`);
  print(`key         ${relay.key}`);
  print(`address     ${address}`);
  print(`transport   ${protocols.flexim.name} over TCP`);
  print(`you         ${self.key}${self.aliases.length ? ` (${self.aliases.join(', ')})` : ''}`);
  print(`login       ${ms(loginMs)} ms`);
  print(`round trip  ${ms(best)} ms at best, ${ms(mean)} ms on average of ${trips.length}`);
}
