// A relay's other ways in: the port of CommStream, if it is asked for. Behind all is one house with one set of
// limits, but the strangers of these ways are received by the relay itself: an encrypted stream cannot be handed
// over. Its workers, if it has any, encrypt for it.

import type { Identity } from '../crypto/identity.ts';
import type { TcpAddress } from '../net/tcp.ts';
import { securingFor } from '../protocols/commstream/index.ts';
import type { SecureDoorOptions } from '../protocols/commstream/server.ts';
import type { Opening } from '../protocols/protocol.ts';
import type { PorterDoor } from './porter/door.ts';
import type { Crew } from './workers/crew.ts';

export interface CommstreamWay extends SecureDoorOptions, TcpAddress {
  readonly identity: Identity;
  readonly insecurePlaintext: boolean;
  readonly crew: Crew;
  /** Hears where it listens. */
  readonly opened: (at: TcpAddress) => void;
}

export function commstreamWay(door: PorterDoor, way: CommstreamWay): Opening {
  const { host, port, opened, crew, identity, insecurePlaintext } = way;
  const { exchange } = identity;
  const adopt = crew.streams({ exchange, insecurePlaintext, own: securingFor(way) });
  return async (accept) => {
    const listener = await door.open({ host, port }, accept, adopt);
    opened(listener.address);
    return listener;
  };
}
