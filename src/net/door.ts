// Where a server's connections come in. One process can be its own door; flexim-relay has a porter in
// another one (cli/porter/), so that who floods the door does not take the time of those who are in.

import { hostGroup } from '../lib/address.ts';
import type { Channel } from './channel.ts';
import { type Gate, type Listener, listenTcp, type TcpAddress } from './tcp.ts';

export interface Door {
  /** Listens; `accept` gets who was let in. Throws `port-in-use` or `port-refused`. */
  open(at: TcpAddress, accept: (channel: Channel) => void): Promise<Listener>;
  /** One who was let in is gone; `remote` is that of his channel. */
  left(remote: string): void;
}

/** Who decides; addresses are those of hostGroup(). */
export interface Doorkeeper extends Gate {
  enter(address: string): boolean;
  leave(address: string): void;
}

/** Lets a channel in, or resets it. */
export function admit(
  doors: Doorkeeper,
  channel: Channel,
  accept: (channel: Channel) => void,
): void {
  if (doors.enter(hostGroup(channel.remote))) accept(channel);
  else channel.reset();
}

export function ownDoor(doors: Doorkeeper): Door {
  return {
    open: (at, accept) =>
      listenTcp(at, {
        isOpen: () => doors.isOpen(),
        turnedAway: () => doors.turnedAway(),
        missed: () => doors.missed(),
        accept: (channel) => admit(doors, channel, accept),
      }),
    left: (remote) => doors.leave(hostGroup(remote)),
  };
}
