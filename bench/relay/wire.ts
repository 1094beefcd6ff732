// How the load speaks to a kind of server. Frames are made before a run and all have one length, so
// that counting bytes counts messages exactly.

import type { Line } from './line.ts';

export interface Wire {
  /** Connects a user; the nth sender and the nth receiver are a pair. */
  open(port: number, role: Role, nth: number): Promise<Line>;
  /** What a sender writes for one message. */
  sent(to: string, payload: Buffer): Buffer;
  /** What the receiver gets for it. */
  delivered(to: string, payload: Buffer): Buffer;
  /** What the server answers a sender for each message; null: what it says now and then is noted. */
  readonly reply: string | null;
  /** So many messages, and bytes of their frames, were taken by a receiver. */
  taken?(line: Line, messages: number, bytes: number): void;
}

export type Role = 'sender' | 'receiver';

/** Names of users where they can be chosen: short ones, which are cheap for a server to read. */
export const shortName = (role: Role, nth: number): string =>
  `${role === 'sender' ? 's' : 'u'}${String(nth).padStart(4, '0')}`;
