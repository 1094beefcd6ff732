// What a relay allows, in one place; docs/protocols/flexim.md §11 lists them for client authors.

export interface Limits {
  /** For the whole hello, from the accepted connection. */
  readonly helloMs: number;
  /** From the greeting to a successful login. */
  readonly loginMs: number;
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
  /** Logins of one address that may wait for their turn. */
  readonly loginsWaiting: number;
  /** How long a turn of public-key work may last before traffic goes on. */
  readonly loginTurnMs: number;
  /** How long a stopping relay waits for clients to take what is theirs. */
  readonly drainMs: number;
  /** A client that is silent for so long, while the relay stops, has nothing more to say. */
  readonly quietMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  helloMs: 10_000,
  loginMs: 15_000,
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
  loginsWaiting: 256,
  loginTurnMs: 2,
  drainMs: 5_000,
  quietMs: 300,
};

export const MAX_ALIASES = 5;
export const ALIAS_HELD_DAYS = 30;
export const SEARCH_MIN = 2;
export const SEARCH_MAX = 50;
export const PING_MAX = 256;
