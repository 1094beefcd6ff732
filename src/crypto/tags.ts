// How a relay tells the senders of a mailbox apart without writing down who they are: a keyed hash of
// both keys, whose secret comes from the relay's own. docs/protocols/flexim.md §7.4.

import { utf8 } from '../lib/bytes.ts';
import { KDF } from './hash.ts';
import type { Identity } from './identity.ts';

const TAG_BYTES = 8;

/** The tag of a sender (hex) in the mailbox of a recipient (hex). */
export function senderTags(relay: Identity): (recipient: string, sender: string) => Buffer {
  const secret = KDF(relay.seed, 'flexim.relay.tags').subarray(0, 32);
  return (recipient, sender) =>
    Buffer.from(
      KDF(secret, 'flexim.relay.tag', utf8(recipient), utf8(sender)).subarray(0, TAG_BYTES),
    );
}
