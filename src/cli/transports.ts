// The ways to a relay, in one place: which protocol of the registry each is, and what is said of it. What
// chooses between them asks here; the protocols themselves are loaded when one is dialled.

import { type Address, parseAddress } from '../lib/address.ts';
import { FleximError } from '../lib/errors.ts';
import type { protocols } from '../protocols/index.ts';
import type { Protocol } from '../protocols/protocol.ts';

export type TransportName = keyof typeof protocols;

interface Transport {
  /** As a header shows it. */
  readonly shown: string;
  /** Said once when the relay is on another machine; null when the network sees nothing but sizes. */
  readonly warning: string | null;
}

export const TRANSPORTS = {
  flexim: {
    shown: 'flexim over tcp',
    warning:
      'The way to this relay is bare TCP: others on it can see whom you write to, not what. ' +
      'If it listens for it: --transport commstream.',
  },
  commstream: { shown: 'commstream over tcp', warning: null },
  enclave: {
    shown: 'enclave',
    warning:
      'The way between Enclave nodes is bare TCP: others on it can see whom you write to, not what.',
  },
} as const satisfies Readonly<Record<TransportName, Transport>>;

/** What an address without transport= means. */
const USUAL: TransportName = 'flexim';
export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as TransportName[];
/** Those that go to a relay; enclave goes from node to node. */
export const RELAY_TRANSPORTS = TRANSPORT_NAMES.filter((each) => each !== 'enclave');

/** What a user can choose: one of them, or a relay with Enclave beside it. */
export const WAY_NAMES = [...TRANSPORT_NAMES, 'auto'] as const;
export type WayName = (typeof WAY_NAMES)[number];

/** The transport to a relay that a wish for a way means; null: whichever. */
export function relayWish(way: string | null): string | null {
  return way === 'auto' || way === 'enclave' ? null : way;
}

/** How a relay is reached; addresses of bare Flexim do not say it. */
export function transportOf({ transport }: { readonly transport?: string | null }): TransportName {
  return TRANSPORT_NAMES.find((each) => each === transport) ?? USUAL;
}

export async function protocolOf(relay: Pick<Address, 'transport'>): Promise<Protocol> {
  const { protocols } = await import('../protocols/index.ts');
  return protocols[transportOf(relay)];
}

/**
 * Reads what names a relay, for a transport if one was wished. Throws `bad-address`, and `usage` when the
 * address says another one.
 */
export function readRelay(text: string, wished: string | null): Address {
  const address = parseAddress(text, wished);
  const { transport } = address;
  if (transport !== null && !TRANSPORT_NAMES.some((each) => each === transport))
    throw new FleximError(
      'bad-address',
      `that address wants a transport which this version does not have; it has ${TRANSPORT_NAMES.join(', ')}`,
    );
  if (wished !== null && transport !== null && transport !== wished)
    throw new FleximError('usage', `--transport says ${wished}, and the address ${transport}`);
  return withTransport(address, transportOf({ transport: wished ?? transport }));
}

/** Throws `usage`. */
export function wayNamed(text: string): WayName {
  const way = WAY_NAMES.find((each) => each === text);
  if (way) return way;
  throw new FleximError('usage', `there is no such way; there are ${WAY_NAMES.join(', ')}`);
}

/** The same host by another way, at the port that is usual for it. */
export function sameHost({ host }: Address, transport: string): Address {
  return readRelay(host.includes(':') ? `[${host}]` : host, transport);
}

function withTransport(address: Address, name: TransportName): Address {
  return { ...address, transport: name === USUAL ? null : name };
}
