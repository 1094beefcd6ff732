// flexim://HOST:PORT?relay=HEXKEY&transport=NAME#HEXKEY — docs/protocols/flexim.md §10. Key texts are
// 64 hex digits of any case; one lower-case form is kept.

import { FleximError } from './errors.ts';

export const DEFAULT_PORT = 4321;
export const COMMSTREAM_PORT = 4322;
const SCHEME = 'flexim://';
const HEX_KEY = /^[0-9a-fA-F]{64}$/;
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\])$/;
const MAX_ADDRESS = 1_000;

export interface Address {
  readonly host: string; // without brackets
  readonly port: number;
  readonly relayKey: string | null;
  readonly transport: string | null;
  readonly invite: string | null;
  readonly person: string | null;
}

/** The canonical text of a public key, or null when it is none. */
export function parseKey(text: string): string | null {
  return HEX_KEY.test(text) ? text.toLowerCase() : null;
}

/**
 * Reads a full address, `HOST:PORT`, or a bare `HOST`; `usual` is the transport whose port is meant when
 * neither is named. Throws `bad-address` with the reason.
 */
export function parseAddress(text: string, usual: string | null = null): Address {
  const bad = (why: string) =>
    new FleximError('bad-address', `not a relay address: ${why}. Example: flexim://host:4321`);
  if (text.length > MAX_ADDRESS) throw bad(`longer than ${MAX_ADDRESS} characters`);
  const parts = /^(?<place>[^?#]*)(?:\?(?<query>[^#]*))?(?:#(?<person>.*))?$/s.exec(
    text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text,
  )?.groups;
  if (!parts) throw bad('it has line breaks');
  const place = /^(?<host>\[[^\]]*\]|[^:]*)(?::(?<port>\d{1,5}))?\/?$/.exec(parts.place ?? '');
  const host = place?.groups?.host ?? '';
  if (!text.startsWith(SCHEME) && /^[a-z]+:\/\//i.test(text))
    throw bad('it is for another protocol');
  if (!place) throw bad('behind the host comes something else than :PORT');
  if (!HOST.test(host)) throw bad('the host is missing or has characters no host has');
  const query = new Map<string, string>();
  for (const pair of parts.query ? parts.query.split('&') : []) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? [];
    if (!['relay', 'transport', 'invite'].includes(name)) throw bad('it has an unknown option');
    if (value === '') throw bad(`${name}= has no value`);
    if (query.has(name)) throw bad(`${name}= stands there twice`);
    query.set(name, value);
  }
  const transport = query.get('transport') ?? null;
  const named = place?.groups?.port;
  const port = named === undefined ? defaultPort(transport ?? usual) : Number(named);
  if (port < 1 || port > 65_535) throw bad('the port is not between 1 and 65535');
  const key = (what: string, hex: string | undefined): string | null => {
    if (hex === undefined) return null;
    return parseKey(hex) ?? raise(bad(`${what} is not 64 hex digits`));
  };
  return {
    host: host.replace(/^\[|\]$/g, '').toLowerCase(),
    port,
    relayKey: key('relay=', query.get('relay')),
    transport,
    invite: query.get('invite') ?? null,
    person: key('the person after #', parts.person),
  };
}

export function formatAddress(address: Partial<Address> & { host: string; port: number }): string {
  const query = [
    address.relayKey ? `relay=${address.relayKey}` : '',
    address.transport ? `transport=${address.transport}` : '',
    address.invite ? `invite=${address.invite}` : '',
  ].filter(Boolean);
  const person = address.person ? `#${address.person}` : '';
  return `${SCHEME}${hostAndPort(address)}${query.length ? `?${query.join('&')}` : ''}${person}`;
}

function defaultPort(transport: string | null): number {
  return transport === 'commstream' ? COMMSTREAM_PORT : DEFAULT_PORT;
}

/** `host:port`, with brackets around an IPv6 host: the name under which a relay key is pinned. */
export function hostAndPort({ host, port }: { host: string; port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function raise(error: Error): never {
  throw error;
}

/** Hosts that one person can take at will count as one: an IPv6 /64, an IPv4 address. */
export function hostGroup(remote: string): string {
  const host = remote.replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  if (mapped) return mapped[1] as string;
  if (!host.includes(':')) return host;
  const [head = '', tail] = host.split('::', 2);
  const front = head.split(':').filter(Boolean);
  const back = tail?.split(':').filter(Boolean) ?? [];
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...back];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
