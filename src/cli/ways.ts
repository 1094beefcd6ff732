// A relay's ways in: the port of bare Flexim and, if it is asked for, that of CommStream. Behind both is
// one house with one set of limits.

import type { Door } from '../net/door.ts';
import type { TcpAddress } from '../net/tcp.ts';
import { secureDoor } from '../protocols/commstream/index.ts';
import type { SecureDoorOptions } from '../protocols/commstream/server.ts';

export interface CommstreamWay extends SecureDoorOptions {
  readonly port: number;
  /** Hears where it listens. */
  readonly opened: (at: TcpAddress) => void;
}

/** The same door with CommStream beside it; both are opened, or none. */
export function withCommstream(door: Door, { port, opened, ...options }: CommstreamWay): Door {
  const secure = secureDoor(door, options);
  return {
    open: async (at, accept) => {
      const bare = await door.open(at, accept);
      try {
        const other = await secure.open({ host: at.host, port }, accept);
        opened(other.address);
        return {
          address: bare.address,
          close: async () => void (await Promise.all([bare.close(), other.close()])),
        };
      } catch (error) {
        await bare.close();
        throw error;
      }
    },
    left: (remote) => door.left(remote),
  };
}
