// What a relay and its workers share, besides the trunk.

/** The descriptor of the trunk in a worker; the one before it is the channel of a child process. */
export const TRUNK = 4;

/** With each socket, in the order of the channels. */
export interface Handed {
  readonly channel: number;
  readonly remote: string;
}
