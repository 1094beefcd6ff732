// What a relay allows, in one place; docs/protocols/flexim.md §11 lists it for client authors and
// docs/operations.md for operators. Each is an option of flexim-relay (cli/limits.ts).

import type { Rate } from './buckets.ts';

export interface Limits {
  /** Connections in all, strangers among them … */
  readonly connections: number;
  /** … and from one address, where an IPv6 /64 counts as one. */
  readonly connectionsPerAddress: number;
  /** New connections of one address, and how many of them at once. */
  readonly connectsPerSecond: number;
  readonly connectsBurst: number;
  /** New connections in all, and how many of them at once. */
  readonly arrivalsPerSecond: number;
  readonly arrivalsBurst: number;
  /** For the whole hello, from the accepted connection. */
  readonly helloMs: number;
  /** From the greeting to a successful login. */
  readonly loginMs: number;
  /** Connections that are not logged in; one more, and the one that has waited longest is cut. */
  readonly strangers: number;
  /** Frames and bytes that a connection may send before its login. */
  readonly strangerFrames: number;
  readonly strangerBytes: number;
  /** Logins of one address; as many at once. */
  readonly loginsPerMinute: number;
  /** First logins ever of a key, of one address; as many at once. */
  readonly newKeysPerHour: number;
  /** Logins of one address that may wait for their turn. */
  readonly loginsWaiting: number;
  /** How long a turn of public-key work may last before traffic goes on. */
  readonly loginTurnMs: number;
  /** Messages of one key, over all its connections, and how many of them at once. */
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  /** Everything that is read from one key. */
  readonly bytesPerSecond: number;
  readonly bytesBurst: number;
  /** Commands of one key. */
  readonly commandsPerSecond: number;
  readonly commandsBurst: number;
  /** Bundles with a one-time prekey that one key may fetch, and of them those of one other key. */
  readonly fetchesPerHour: number;
  readonly fetchesOfOnePerHour: number;
  /** Bytes that may wait in one connection; what comes then goes to the queue. */
  readonly waitingBytes: number;
  /** Bytes of its own answers that a client may leave unread before it is not read from. */
  readonly replyBytes: number;
  /** Bytes that may wait for all users together, or be unacknowledged by them. */
  readonly memoryBytes: number;
  /** When memory is short, who has taken nothing for so long is cut. */
  readonly stallMs: number;
  /** Messages that may be sent and not acknowledged, and their bytes. */
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** Bytes on their way to the disk, of one sender and of all, beyond which he is not read from. */
  readonly commitBytes: number;
  readonly commitsBytes: number;
  /** What may be queued for one recipient, for how long, and what part of it by one sender, in percent. */
  readonly queueMessages: number;
  readonly queueBytes: number;
  readonly queueDays: number;
  readonly queueShare: number;
  /** How long a stopping relay waits for clients to take what is theirs. */
  readonly drainMs: number;
  /** A client that is silent for so long, while the relay stops, has nothing more to say. */
  readonly quietMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  connections: 10_000,
  connectionsPerAddress: 1_000,
  connectsPerSecond: 100,
  connectsBurst: 500,
  arrivalsPerSecond: 300,
  arrivalsBurst: 2_000,
  helloMs: 10_000,
  loginMs: 15_000,
  strangers: 2_000,
  strangerFrames: 256,
  strangerBytes: 256 * 1024,
  loginsPerMinute: 600,
  newKeysPerHour: 200,
  loginsWaiting: 256,
  loginTurnMs: 0.25,
  messagesPerSecond: 1_000,
  messagesBurst: 10_000,
  bytesPerSecond: 16 * 1024 * 1024,
  bytesBurst: 64 * 1024 * 1024,
  commandsPerSecond: 50,
  commandsBurst: 500,
  fetchesPerHour: 300,
  fetchesOfOnePerHour: 10,
  waitingBytes: 1024 * 1024,
  replyBytes: 256 * 1024,
  memoryBytes: 256 * 1024 * 1024,
  stallMs: 30_000,
  windowMessages: 4_096,
  windowBytes: 16 * 1024 * 1024,
  commitBytes: 256 * 1024,
  commitsBytes: 16 * 1024 * 1024,
  queueMessages: 10_000,
  queueBytes: 64 * 1024 * 1024,
  queueDays: 30,
  queueShare: 20,
  drainMs: 5_000,
  quietMs: 300,
};

export const MAX_ALIASES = 5;
export const ALIAS_HELD_DAYS = 30;
export const SEARCH_MIN = 2;
export const SEARCH_MAX = 50;
export const PING_MAX = 256;
/** Of a frame's body before login, and of what is kept of a stranger who waits. */
export const STRANGER_BODY = 4_096;

/** The limits as the relay's code reads them, and as they may change at run time: 0 is no limit. */
export type LiveLimits = { -readonly [Name in keyof Limits]: number };

export function liveLimits(limits: Partial<Limits>): LiveLimits {
  const bounded = Object.entries(limits).map(([name, value]) => [name, value || Infinity]);
  return Object.fromEntries(bounded) as LiveLimits;
}

/** A rate that follows the limits when they change; `per` is the time of the count, in seconds. */
export function rateOf<Name extends keyof Limits>(
  limits: Pick<Limits, Name>,
  count: Name,
  { burst = count, per = 1 }: { burst?: Name; per?: number } = {},
): Rate {
  return {
    get perSecond() {
      return per === 1 ? limits[count] : limits[count] / per; // a quotient would be a new number each time
    },
    get burst() {
      return limits[burst];
    },
  };
}
