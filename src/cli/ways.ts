// A relay's other ways in: the port of CommStream, if it is asked for. Behind all is one house with one set of
// limits, but the strangers of these ways are received by the relay itself: an encrypted stream cannot be handed
// over.

import type { Door } from '../net/door.ts';
import type { TcpAddress } from '../net/tcp.ts';
import { secureDoor } from '../protocols/commstream/index.ts';
import type { SecureDoorOptions } from '../protocols/commstream/server.ts';
import type { Opening } from '../protocols/protocol.ts';

export interface CommstreamWay extends SecureDoorOptions, TcpAddress {
  /** Hears where it listens. */
  readonly opened: (at: TcpAddress) => void;
}

export function commstreamWay(
  door: Door,
  { host, port, opened, ...options }: CommstreamWay,
): Opening {
  const secure = secureDoor(door, options);
  return async (accept) => {
    const listener = await secure.open({ host, port }, accept);
    opened(listener.address);
    return listener;
  };
}
