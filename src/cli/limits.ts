// Every limit of relay/limits.ts as an option: its name, what help says, its bounds, and whether SIGHUP
// changes it. A limit without an entry does not compile.

import { DEFAULT_LIMITS, type Limits } from '../relay/limits.ts';
import type { Option, Options } from './options.ts';

interface LimitOption {
  readonly option: string;
  readonly type: 'number' | 'size' | 'duration';
  readonly about: string;
  readonly max: number;
  /** Read at each use: SIGHUP changes it. Others count from the next start. */
  readonly live: boolean;
}

const GROUP = 'Limits (0 is no limit):';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const GIB = 1024 ** 3;
const MILLION = 1_000_000;

function count(option: string, about: string, max = MILLION): LimitOption {
  return { option, type: 'number', about, max, live: true };
}

function size(option: string, about: string): LimitOption {
  return { option, type: 'size', about, max: 1024 * GIB, live: true };
}

function duration(option: string, about: string, max: number): LimitOption {
  return { option, type: 'duration', about, max, live: false };
}

export const LIMITS = {
  connections: count('connections', 'connections in all'),
  connectionsPerAddress: count('connections-per-address', 'connections of one address or IPv6 /64'),
  connectsPerSecond: count('connects-per-second', 'new connections of one address a second'),
  connectsBurst: count('connects-burst', 'of those, how many at once'),
  arrivalsPerSecond: count('arrivals-per-second', 'new connections in all a second'),
  arrivalsBurst: count('arrivals-burst', 'of those, how many at once'),
  helloMs: duration('hello-timeout', 'time for the first five bytes', HOUR),
  loginMs: duration('login-timeout', 'time for the login', HOUR),
  strangers: count('strangers', 'connections that are not logged in yet'),
  strangerFrames: count('stranger-frames', 'frames of a connection before its login'),
  strangerBytes: size('stranger-bytes', 'bytes of a connection before its login'),
  loginsPerMinute: count('logins-per-minute', 'logins of one address a minute'),
  newKeysPerHour: count('new-keys-per-hour', 'new users of one address an hour'),
  loginsWaiting: count('logins-waiting', 'logins of one address that may wait for their turn'),
  loginTurnMs: {
    ...duration('login-turn', 'login work before traffic goes on', 1_000),
    live: true,
  },
  messagesPerSecond: count('messages-per-second', 'messages of one user a second'),
  messagesBurst: count('messages-burst', 'of those, how many at once', 1_000 * MILLION),
  bytesPerSecond: size('bytes-per-second', 'bytes read from one user a second'),
  bytesBurst: size('bytes-burst', 'of those, how many at once'),
  commandsPerSecond: count('commands-per-second', 'commands of one user a second'),
  commandsBurst: count('commands-burst', 'of those, how many at once'),
  fetchesPerHour: count('fetches-per-hour', 'prekeys of others that one user may fetch an hour'),
  fetchesOfOnePerHour: count('fetches-of-one-per-hour', 'of those, how many of one other user'),
  waitingBytes: size('waiting-bytes', 'bytes that may wait for one user'),
  replyBytes: {
    ...size('reply-bytes', 'unread answers beyond which a user is not read from'),
    live: false,
  },
  memoryBytes: size('memory', 'bytes that may wait for all users together'),
  stallMs: {
    ...duration('stall-timeout', 'memory short: who takes nothing so long is cut', HOUR),
    live: true,
  },
  windowMessages: count('window-messages', 'messages sent to a user and not acknowledged'),
  windowBytes: size('window-bytes', 'their bytes'),
  commitBytes: size('commit-bytes', 'bytes of one user on their way to the disk'),
  commitsBytes: size('commits-bytes', 'bytes of all users on their way to the disk'),
  queueMessages: count('queue-messages', 'messages queued for one user', 1_000 * MILLION),
  queueBytes: size('queue-bytes', 'bytes queued for one user'),
  queueDays: count('queue-days', 'days for which a message stays queued', 36_500),
  queueShare: count('queue-share', 'percent of a queue that one sender may fill', 100),
  drainMs: {
    ...duration('drain-timeout', 'time for users to take what is theirs at a stop', HOUR),
    live: true,
  },
  quietMs: {
    ...duration('quiet-timeout', 'at a stop, silence after which a user is done', HOUR),
    live: true,
  },
} as const satisfies Readonly<Record<keyof Limits, LimitOption>>;

const NAMES = Object.keys(LIMITS) as (keyof Limits)[];

export const LIMIT_OPTIONS: Options = Object.fromEntries(
  NAMES.map((name): [string, Option] => {
    const { option, type, about, max } = LIMITS[name];
    return [option, { type, about, max, default: DEFAULT_LIMITS[name], group: GROUP }];
  }),
);

/** The limits among settled options. */
export function limitsOf(settings: Readonly<Record<string, unknown>>): Limits {
  const values = NAMES.map((name) => [name, settings[LIMITS[name].option]]);
  return Object.fromEntries(values) as Limits;
}

/** The limits that may change at run time, and the options of others that were changed in vain. */
export function changed(before: Limits, after: Limits) {
  const differ = NAMES.filter((name) => before[name] !== after[name]);
  return {
    live: Object.fromEntries(
      differ.filter((name) => LIMITS[name].live).map((name) => [name, after[name]]),
    ) as Partial<Limits>,
    later: differ.filter((name) => !LIMITS[name].live).map((name) => LIMITS[name].option),
  };
}
