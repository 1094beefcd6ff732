// The doctor's look at the way to the relay: name, port, the key that the relay shows, the login, the
// prekeys it holds for us, and its clock. No relay is pinned, and nothing that came is acknowledged.

import { lookup } from 'node:dns/promises';
import type { Identity } from '../../crypto/identity.ts';
import { checkSignedPrekey } from '../../fe1/prekeys.ts';
import type { Address } from '../../lib/address.ts';
import { hostAndPort } from '../../lib/address.ts';
import { sameBytes } from '../../lib/bytes.ts';
import { isFleximError } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';
import { systemClock } from '../../lib/time.ts';
import { dialTcp } from '../../net/tcp.ts';
import type { Link, Pins } from '../../protocols/protocol.ts';
import { clockWords, isClockOff } from '../agent/watch.ts';
import { protocolOf } from '../transports.ts';
import { type Finding, type Findings, fault, faultOf, ok, skipped } from './finding.ts';

/** Faults that are of the relay's key rather than of the login. */
const OF_KEY = ['relay-key-changed', 'relay-auth-mismatch'];

export interface Way {
  readonly address: Address;
  readonly timeoutMs: number;
}

/** Whether something answers there. */
export async function lookAtWay(found: Findings, { address, timeoutMs }: Way): Promise<boolean> {
  const { host, port } = address;
  const name = await lookAtName(host);
  found.note('dns', name);
  if (name.state === 'fault') return false;
  try {
    const signal = new AbortController().signal;
    const channel = await dialTcp({ host, port }, { timeoutMs, signal });
    channel.open({ data: () => {}, closed: () => {} });
    channel.end();
  } catch (error) {
    found.note('port', faultOf(error));
    return false;
  }
  found.note('port', ok(`${hostAndPort(address)} takes connections`));
  return true;
}

async function lookAtName(host: string): Promise<Finding> {
  try {
    const found = (await lookup(host, { all: true })).map(({ address }) => address);
    if (found[0] === host) return ok('an address by number: there is nothing to look up');
    return ok(`${host} is ${found.join(', ')}`);
  } catch {
    return fault(
      'relay-unreachable',
      `no address is known for ${host}. Is it spelt right, and is this computer connected?`,
    );
  }
}

export interface Login extends Way {
  readonly identity: Identity;
  readonly alias: string;
  readonly pins: Pins | null;
  readonly insecurePlaintext: boolean;
  /** Of our store, if there is one. */
  readonly install: Uint8Array | null;
}

export async function lookAtLogin(found: Findings, login: Login): Promise<void> {
  const { address, identity, alias, pins, timeoutMs, insecurePlaintext } = login;
  const { host, port, relayKey } = address;
  const pinned = relayKey ?? pins?.get(hostAndPort(address)) ?? null;
  let link: Link;
  try {
    link = await (await protocolOf(address)).dial({
      ...{ host, port, relayKey, identity, alias, timeoutMs, reconnect: null, insecurePlaintext },
      pins: { get: () => pinned, add: async (_, hex) => pinned ?? hex },
    });
  } catch (error) {
    return noteRefusal(found, error);
  }
  void passOver(link);
  try {
    const { relay, self } = link;
    const why = pinned === null ? 'it will be pinned at the first login' : 'as expected';
    found.note('relay key', ok(`${relay.key}, ${why}`));
    const names = self.aliases.map((name) => presentable(name)).join(', ');
    found.note('login', ok(`as ${names || identity.hex} at ${presentable(relay.name)}`));
    found.note('clock', clockFinding(systemClock.wall() - self.lastSeen));
    found.note('prekeys', await lookAtPrekeys(link, login).catch(faultOf));
  } finally {
    await link.close();
  }
}

/** What waits for us must not stand before the answers. It comes again: nothing of it is acknowledged. */
export async function passOver(link: Link): Promise<void> {
  for await (const _ of link.deliveries());
}

function noteRefusal(found: Findings, error: unknown): void {
  const finding = faultOf(error);
  if (isFleximError(error) && OF_KEY.includes(error.code)) return found.note('relay key', finding);
  found.note('relay key', skipped('the login did not come so far'));
  found.note('login', finding);
}

export function clockFinding(ahead: number): Finding {
  if (isClockOff(ahead)) return fault('clock-off', `${clockWords(ahead)}. Set it`);
  return ok(`${Math.abs(ahead)} s from the relay's`);
}

async function lookAtPrekeys(link: Link, { identity, install }: Login): Promise<Finding> {
  const { prekeys } = link;
  if (!prekeys)
    return fault('command-refused', 'this relay keeps none, so nobody can write to you');
  const bytes = await prekeys.peek(identity.hex);
  if (!bytes)
    return fault(
      'no-bundle',
      'the relay has none of you yet, so nobody can write first: flexim status',
    );
  const X = identity.exchange.publicKey;
  const record = checkSignedPrekey(bytes, { X, now: systemClock.wall(), seen: null });
  if (install && !sameBytes(record.install, install))
    return fault(
      'identity-elsewhere',
      'those at the relay were made by another store of this identity: it is in use elsewhere, or was',
    );
  return ok(`${await prekeys.count()} one-time keys at the relay`);
}
