// What a relay allows, in one place; docs/protocols/flexim.md §11 lists them for client authors.

export interface Limits {
  /** For the whole hello, from the accepted connection. */
  readonly helloMs: number;
  /** From the greeting to a successful login. */
  readonly loginMs: number;
  /** Bytes that may wait for one recipient; a Message beyond is refused with event -21. */
  readonly waitingBytes: number;
  /** Bytes of its own answers that a client may leave unread before it is not read from. */
  readonly replyBytes: number;
  /** Bytes that may wait for all users together … */
  readonly memoryBytes: number;
  /** … beyond which only those are served for whom less than this waits. */
  readonly fairBytes: number;
  /** Logins of one address that may wait for their turn. */
  readonly loginsWaiting: number;
  /** How long a turn of public-key work may last before traffic goes on. */
  readonly loginTurnMs: number;
  /** How long a stopping relay waits for clients to take what is theirs. */
  readonly drainMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  helloMs: 10_000,
  loginMs: 15_000,
  waitingBytes: 1024 * 1024,
  replyBytes: 256 * 1024,
  memoryBytes: 256 * 1024 * 1024,
  fairBytes: 128 * 1024,
  loginsWaiting: 256,
  loginTurnMs: 2,
  drainMs: 5_000,
};

export const MAX_ALIASES = 5;
export const ALIAS_HELD_DAYS = 30;
export const SEARCH_MIN = 2;
export const SEARCH_MAX = 50;
export const PING_MAX = 256;
