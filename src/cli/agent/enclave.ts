// The way of an owner who goes from node to node. It is named as an address with transport=enclave, whose place
// is where this node listens, so that who takes over goes on in the same way.

import { join } from 'node:path';
import { type Address, formatAddress, hostAndPort, parseAddress } from '../../lib/address.ts';
import { FleximError } from '../../lib/errors.ts';
import type { EnclaveLink, NodeEvent } from '../../protocols/enclave/index.ts';
import type { Link, Pins } from '../../protocols/protocol.ts';
import type { WayName } from '../transports.ts';
import type { Opened } from './profile.ts';

export const BOOK = 'address-book';

export interface EnclaveSettings {
  /** HOST:PORT */
  readonly listen: string;
  readonly strangers?: 'ask' | 'refuse' | 'accept';
  readonly heard?: (event: NodeEvent) => void;
  /** This process is the owner. */
  readonly owns?: () => void;
  /** A node listens. */
  readonly ready?: (link: EnclaveLink) => void;
}

export function isEnclave({ transport }: Address): boolean {
  return transport === 'enclave';
}

/** The address of this way. Throws `bad-address`. */
export function enclaveAddress(listen: string): string {
  const { host, port } = parseAddress(listen);
  if (hostAndPort({ host, port }) !== listen.toLowerCase())
    throw new FleximError('bad-address', '--listen wants HOST:PORT, such as 127.0.0.1:7776');
  return formatAddress({ host, port, transport: 'enclave' });
}

/** What a command that goes by any way gives whoever becomes the owner. */
export function wayOf(settings: { readonly transport: string | null; readonly listen: string }) {
  const { transport, listen } = settings;
  return { way: transport as WayName | null, enclave: { listen } };
}

interface NodeOptions {
  readonly directory: string;
  readonly opened: Opened;
  /** Where it listens. */
  readonly at: Address;
  readonly pins: Pins;
  readonly options: { readonly enclave?: EnclaveSettings };
}

export async function dialNode(of: NodeOptions, signal: AbortSignal): Promise<Link> {
  const { opened, at, pins, directory, options } = of;
  const { host, port } = at;
  const { identity, label: alias } = opened;
  const { strangers = 'refuse', heard, ready } = options.enclave ?? {};
  const { protocols } = await import('../../protocols/index.ts');
  const link = await protocols.enclave.dial({
    ...{ host, port, identity, alias, pins, signal, strangers },
    ...(heard && { heard }),
    book: join(directory, BOOK),
  });
  ready?.(link);
  return link;
}
