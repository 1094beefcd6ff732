// The server's way in: a door through which streams come instead of bare connections. What the door allows
// counts for them as for others. docs/protocols/commstream.md §8.4.

import type { Identity } from '../../crypto/identity.ts';
import { prepareStreams } from '../../crypto/secretstream.ts';
import { type KeyPair, randomBytes } from '../../crypto/sodium.ts';
import { hostGroup } from '../../lib/address.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { Clock } from '../../lib/time.ts';
import type { Channel } from '../../net/channel.ts';
import type { Door } from '../../net/door.ts';
import { Buckets } from '../../relay/buckets.ts';
import type { DropReason } from '../../relay/drops.ts';
import { type LiveLimits, rateOf } from '../../relay/limits.ts';
import type { Relay } from '../../relay/relay.ts';
import type { Turns } from '../../relay/turns.ts';
import { SecureChannel } from './channel.ts';
import { acceptable, DEFAULT_SCHEME } from './schemes.ts';

export interface SecureDoorOptions {
  readonly relay: Pick<Relay, 'limits' | 'clock' | 'turns' | 'drops'>;
  readonly identity: Identity;
  /** Clients may come without encryption, too. */
  readonly insecurePlaintext?: boolean;
}

const REASONS: Readonly<Partial<Record<ErrorCode, DropReason>>> = {
  'bad-handshake': 'bad-handshake',
  'bad-record': 'bad-record',
  'slow-down': 'login-busy',
  'unsupported-encryption': 'unsupported-encryption',
};

export interface Securing {
  readonly limits: Pick<LiveLimits, 'loginsPerMinute'>;
  readonly clock: Clock;
  readonly turns: Turns;
  readonly server: KeyPair;
  readonly insecurePlaintext: boolean;
  readonly count: (reason: DropReason) => void;
}

/**
 * Makes streams of channels, as a server. A negotiation is public-key work for strangers, so it has the
 * rate of a login, and waits for its turn like one. Throws `crypto-unavailable`.
 */
export function securing(options: Securing): (channel: Channel) => Channel {
  const { limits, clock, turns, server, insecurePlaintext, count } = options;
  prepareStreams();
  const negotiations = new Buckets({ rate: rateOf(limits, 'loginsPerMinute', { per: 60 }), clock });
  const schemes = acceptable(DEFAULT_SCHEME, !insecurePlaintext);
  const answering = { schemes, draw: randomBytes, server };
  return (channel) => {
    const group = hostGroup(channel.remote);
    const turn = (step: () => boolean) => negotiations.take(group) === 0 && turns.add(group, step);
    return new SecureChannel(channel, {
      clock,
      role: { side: 'server', answering, turn },
      failed: ({ code }) => count(REASONS[code] ?? 'connection-error'),
    });
  };
}

/** As a relay with these settings does it. */
export function securingFor(options: SecureDoorOptions): (channel: Channel) => Channel {
  const { relay, identity, insecurePlaintext = false } = options;
  const { limits, clock, turns, drops } = relay;
  const count = (reason: DropReason) => drops.count(reason);
  return securing({
    ...{ limits, clock, turns, insecurePlaintext, count },
    server: identity.exchange,
  });
}

/**
 * The same door, behind which every channel is a stream. Whoever is let in has, from the first byte on, the
 * time of a hello for its negotiation and for the hello together.
 */
export function secureDoor(door: Door, options: SecureDoorOptions): Door {
  const secured = securingFor(options);
  return {
    open: (at, accept) => door.open(at, (channel) => accept(secured(channel))),
    left: (remote) => door.left(remote),
  };
}
