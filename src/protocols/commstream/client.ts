// The client's way to a server: a TCP connection, and the stream over it. docs/protocols/commstream.md §8.
// A server is known by its key for host and port, as with Flexim; one that is known is never spoken to in
// plain.

import { randomBytes } from '../../crypto/sodium.ts';
import { hostAndPort } from '../../lib/address.ts';
import { toHex } from '../../lib/bytes.ts';
import { FleximError } from '../../lib/errors.ts';
import { systemClock } from '../../lib/time.ts';
import { type DialTcpOptions, dialTcp, type TcpAddress } from '../../net/tcp.ts';
import type { DialOptions } from '../protocol.ts';
import { SecureChannel } from './channel.ts';
import { acceptable, DEFAULT_SCHEME } from './schemes.ts';
import { unsupported } from './wire.ts';

/** What is known of a server, and what may be done without. */
export type Trust = Pick<DialOptions, 'pins' | 'relayKey' | 'insecurePlaintext'>;

/** Connects and negotiates; throws `relay-unreachable` or why there is no stream. */
export async function dialSecure(
  to: TcpAddress,
  { timeoutMs, signal }: DialTcpOptions,
  trust: Trust,
): Promise<SecureChannel> {
  const until = systemClock.now() + timeoutMs;
  const lower = await dialTcp(to, { timeoutMs, signal });
  const channel = new SecureChannel(lower, {
    clock: systemClock,
    role: {
      side: 'client',
      asking: {
        schemes: acceptable(DEFAULT_SCHEME, trust.insecurePlaintext !== true),
        draw: randomBytes,
        checkServer: (key) => checkServer(key, to, trust),
      },
    },
  });
  const late = new FleximError('login-timeout', 'the encryption was not negotiated in time');
  const limit = setTimeout(() => channel.fail(late), Math.max(0, until - systemClock.now()));
  const abort = () => channel.fail(new FleximError('closed', 'the negotiation was given up'));
  signal.addEventListener('abort', abort);
  try {
    const established = channel.begin();
    if (signal.aborted) abort();
    await established;
    return channel;
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', abort);
  }
}

function checkServer(key: Uint8Array | null, at: TcpAddress, { pins, relayKey }: Trust): void {
  const place = hostAndPort(at);
  const pinned = pins.get(place);
  const known = [pinned, relayKey ?? null].filter((each) => each !== null);
  if (!key) {
    if (known.length === 0) return;
    throw unsupported(
      `the key of the server at ${place} is known, so nothing goes to it in plain. Nothing was sent`,
    );
  }
  const hex = toHex(key);
  const other = known.find((each) => each !== hex);
  if (other === undefined) return;
  throw new FleximError(
    'relay-key-changed',
    `the server at ${place} shows the key ${hex}, but ${other} was expected` +
      `${other === pinned ? ' from earlier contacts' : ' by its address'}. Nothing was sent. ` +
      'If its operator confirms the new key, accept it with: ' +
      `flexim relays trust "flexim://${place}?relay=${hex}&transport=commstream"`,
  );
}
