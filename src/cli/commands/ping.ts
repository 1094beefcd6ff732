// flexim ping: logs in as a person would, and says whom it reached, how, and how fast. When another flexim
// of this identity has the connection, that one is used: a second login would take its place.

import { type Identity, identityFromSeed } from '../../crypto/identity.ts';
import { type Address, formatAddress, isLoopback } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import type { Person, RelayInfo } from '../../protocols/protocol.ts';
import { openAgent } from '../agent/open.ts';
import { Watch } from '../agent/watch.ts';
import type { Context, PING } from '../command.ts';
import { passOver } from '../doctor/relay.ts';
import { ownerOf, storePlace } from '../doctor/store.ts';
import { loadKey, openKeys, openPins, print, relayOf, tell } from '../profile.ts';
import { protocolOf, readRelay, TRANSPORTS, transportOf } from '../transports.ts';

const TIMEOUT_MS = 15_000;

export async function ping({ settings, args }: Context<typeof PING>): Promise<void> {
  const named = args.relay ?? settings.relay;
  if (named !== null) readRelay(named, settings.transport); // before a passphrase is asked for
  const { name, content } = await loadKey(openKeys(settings), settings);
  const identity = identityFromSeed(content.seed);
  const address = relayOf({ ...settings, relay: named }, identity.hex);
  const wanted = settings.alias ? content.label || name : null;
  const isUsed = ownerOf(storePlace(settings, identity.hex)) !== null;
  const measured = isUsed
    ? await pingByOwner(settings)
    : await pingBySelf(settings, { address, identity, alias: wanted });
  report(measured, wanted, settings.json);
}

type Pinging = Context<typeof PING>['settings'];

interface Dialling {
  readonly address: Address;
  readonly identity: Identity;
  readonly alias: string | null;
}

async function pingBySelf(
  settings: Pinging,
  { address, identity, alias }: Dialling,
): Promise<Measured> {
  const { host, port, relayKey } = address;
  const { warning } = TRANSPORTS[transportOf(address)];
  if (warning !== null && !isLoopback(host)) tell(warning);
  const protocol = await protocolOf(address);
  const began = performance.now();
  const link = await protocol.dial({
    ...{ host, port, relayKey, identity, alias, reconnect: null, timeoutMs: TIMEOUT_MS },
    pins: openPins(settings),
    insecurePlaintext: settings['insecure-plaintext'],
  });
  void passOver(link);
  try {
    const loginMs = performance.now() - began;
    const trips: number[] = [];
    for (let i = 0; i < settings.count; i++) trips.push(await link.ping());
    return { relay: link.relay, self: link.self, loginMs, trips };
  } finally {
    await link.close();
  }
}

/** A question that every relay answers takes as long as a ping. */
async function pingByOwner(settings: Pinging): Promise<Measured> {
  const agent = await openAgent(settings);
  try {
    await new Watch(agent).connected(performance.now() + TIMEOUT_MS);
    const ask = () => agent.ask('find', agent.me.key);
    const self = (await ask()) ?? { key: agent.me.key, aliases: [], lastSeen: 0 };
    const trips: number[] = [];
    for (let i = 0; i < settings.count; i++) {
      const began = performance.now();
      await ask();
      trips.push(performance.now() - began);
    }
    const { relay } = await agent.ask('status');
    if (!relay) throw new FleximError('connection-lost', 'the connection was lost in the meantime');
    return { relay, self, loginMs: null, trips };
  } finally {
    await agent.close();
  }
}

interface Measured {
  readonly relay: RelayInfo;
  readonly self: Person;
  /** Null when another process had logged in before. */
  readonly loginMs: number | null;
  readonly trips: readonly number[];
}

function report(measured: Measured, wanted: string | null, json: boolean): void {
  const { relay, self, loginMs, trips } = measured;
  const address = formatAddress({ ...relay, relayKey: relay.key });
  const best = Math.min(...trips);
  const mean = trips.reduce((sum, each) => sum + each, 0) / trips.length;
  const ms = (value: number) => Number(value.toFixed(2));
  if (json) {
    print(
      JSON.stringify({
        relay: { name: relay.name, key: relay.key, address, firstContact: relay.firstContact },
        transport: transportOf(relay),
        self: { key: self.key, aliases: self.aliases },
        loginMs: loginMs === null ? null : ms(loginMs),
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
  print(`transport   ${transportOf(relay)} over TCP`);
  print(`you         ${self.key}${self.aliases.length ? ` (${self.aliases.join(', ')})` : ''}`);
  print(`login       ${loginMs === null ? 'by another flexim, before' : `${ms(loginMs)} ms`}`);
  print(`round trip  ${ms(best)} ms at best, ${ms(mean)} ms on average of ${trips.length}`);
}
