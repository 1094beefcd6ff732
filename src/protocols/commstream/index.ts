// CommStream as a carrier: any protocol that dials and serves over channels, over encrypted ones. The
// registry says which; none of the two knows the other.

import { COMMSTREAM_PORT } from '../../lib/address.ts';
import { ownDoor } from '../../net/door.ts';
import { Doors } from '../../relay/doors.ts';
import type { RelayProtocol } from '../protocol.ts';
import { dialSecure } from './client.ts';
import { secureDoor, securing, securingFor } from './server.ts';

export type { Received } from './inbox.ts';
export type { Outcome } from './outcome.ts';
export { CommStream, type CommStreamOptions } from './stream.ts';
export { secureDoor, securing, securingFor };

const NAME = 'commstream';

/** The same protocol, over CommStream. */
export function overCommstream(carried: RelayProtocol): RelayProtocol {
  return {
    name: NAME,
    defaultPort: COMMSTREAM_PORT,
    maxEnvelope: carried.maxEnvelope,
    dial: (options) =>
      carried.dial({
        ...options,
        transport: NAME,
        connect: (to, how) => dialSecure(to, how, options),
      }),
    serve: (options) => {
      const door = options.door ?? ownDoor(new Doors(options.relay));
      return carried.serve({ ...options, door: secureDoor(door, options) });
    },
  };
}
