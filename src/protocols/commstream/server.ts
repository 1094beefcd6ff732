// The server's way in: a door through which streams come instead of bare connections. What the door allows
// counts for them as for others. docs/protocols/commstream.md §8.4.

import type { Identity } from '../../crypto/identity.ts';
import { randomBytes } from '../../crypto/sodium.ts';
import { hostGroup } from '../../lib/address.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { Channel } from '../../net/channel.ts';
import type { Door } from '../../net/door.ts';
import { Buckets } from '../../relay/buckets.ts';
import type { DropReason } from '../../relay/drops.ts';
import { rateOf } from '../../relay/limits.ts';
import type { Relay } from '../../relay/relay.ts';
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

/**
 * The same door, behind which every channel is a stream. Its negotiation is public-key work for strangers,
 * so it has the rate of a login, and waits for its turn like one; whoever is let in has, from the first
 * byte on, the time of a hello for it and for the hello together.
 */
export function secureDoor(door: Door, options: SecureDoorOptions): Door {
  const { relay, identity, insecurePlaintext = false } = options;
  const rate = rateOf(relay.limits, 'loginsPerMinute', { per: 60 });
  const negotiations = new Buckets({ rate, clock: relay.clock });
  const schemes = acceptable(DEFAULT_SCHEME, !insecurePlaintext);
  const answering = { schemes, draw: randomBytes, server: identity.exchange };
  const secured = (channel: Channel) => {
    const group = hostGroup(channel.remote);
    return new SecureChannel(channel, {
      clock: relay.clock,
      role: {
        side: 'server',
        answering,
        turn: (step) => negotiations.take(group) === 0 && relay.turns.add(group, step),
      },
      failed: ({ code }) => relay.drops.count(REASONS[code] ?? 'connection-error'),
    });
  };
  return {
    open: (at, accept) => door.open(at, (channel) => accept(secured(channel))),
    left: (remote) => door.left(remote),
  };
}
