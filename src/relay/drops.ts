// Whatever a relay drops, refuses or cuts has a name from this closed list and is counted here.

export const DROP_REASONS = [
  'address-fast', // connections of one address came too fast
  'address-full', // too many connections of one address
  'alias-refused', // REGISTER or the alias of AUTH: taken, held back, too many, no alias
  'bad-handshake', // the encryption of a stream could not be negotiated
  'bad-record', // a stream was changed on the way, or its sender broke the protocol
  'before-login', // a frame that needs a login
  'command-fast', // a command over the rate of its key
  'connection-error', // the network cut a connection
  'connections-fast', // connections in all came too fast
  'connections-full', // too many connections in all
  'expired', // queued for longer than the relay keeps
  'fetch-fast', // prekeys over the rate of a key; it was answered with the seconds to wait
  'hello-timeout', // no complete hello in time
  'live-away', // a /live Message to somebody who is not there, or is being served from his queue
  'live-slow', // a /live Message to somebody for whom too much waits
  'login-busy', // too many logins from one address, waiting or a minute
  'login-failed', // wrong response, weak key, second AUTH
  'login-new-key', // too many keys from one address that were never here
  'login-timeout', // no login in time
  'mailbox-full', // as much is queued for the recipient as may be
  'malformed', // a frame that is not what its type says
  'no-descriptors', // the system had no file descriptor for a connection
  'no-hello', // something else than a Flexim client
  'recipient-unknown', // never logged in here, or no such alias
  'replaced', // an older connection, by a newer login of the same key
  'share-full', // as much of one sender is queued for the recipient as may be
  'stalled', // took nothing while the relay's memory was short
  'store-full', // the relay's disk is full
  'stranger-crowded', // the longest without a login, when there were too many such
  'unknown-command',
  'unknown-type',
  'unsupported-encryption', // client and relay accept no scheme in common
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

export class Drops {
  readonly #counts = new Map<DropReason, number>();

  count(reason: DropReason, times = 1): void {
    if (times > 0) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + times);
  }

  of(reason: DropReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** All that is not zero. */
  totals(): Readonly<Partial<Record<DropReason, number>>> {
    return Object.fromEntries(this.#counts);
  }
}
