// The commands after login: docs/protocols/flexim.md §8. Each gets one answer, in the order asked.

import { parseKey } from '../../lib/address.ts';
import { aliasProblem } from '../../lib/alias.ts';
import { fromHex } from '../../lib/bytes.ts';
import type { Known } from '../../relay/directory.ts';
import { PING_MAX, SEARCH_MAX, SEARCH_MIN } from '../../relay/limits.ts';
import type { Relay } from '../../relay/relay.ts';
import { statusFrame } from './status.ts';
import { datums, encodeFrame, MAX_BODY, type User } from './wire.ts';

export interface Asker {
  readonly relay: Relay;
  readonly key: string;
}

type Answer = Buffer | Promise<Buffer>;
type Handler = (asker: Asker, payload: readonly string[]) => Answer;

const COMMANDS: Readonly<Record<string, Handler>> = {
  PING: (_, [echo = '']) => pong(echo),
  OFFLINES: () => statusFrame('fine'), // what waits is delivered without being asked for

  ROSTER: ({ relay }, [after = '']) => {
    const problem = after === '' ? null : aliasProblem(after);
    if (problem) return statusFrame('malformed', `bad-cursor not an alias: ${problem}`);
    return rosterFrame(relay.roster === 'none' ? [] : relay.directory.roster(after || null));
  },

  SEARCH: ({ relay }, [prefix = '']) => {
    if ([...prefix].length < SEARCH_MIN)
      return statusFrame('malformed', `too-short a search needs ${SEARCH_MIN} characters`);
    if (relay.roster === 'none') return rosterFrame([]);
    return rosterFrame(relay.directory.search(prefix), SEARCH_MAX);
  },

  GETUSER: ({ relay, key }, [who = '']) => {
    const wanted = parseKey(who) ?? relay.directory.keyOf(who);
    const user = wanted === null ? null : relay.directory.find(wanted);
    if (!user) return statusFrame('notFound', 'unknown-user nobody here has that key or alias');
    return wanted === key ? ownUser(relay, key) : encodeFrame('User', asUser(user));
  },

  REGISTER: async ({ relay, key }, [alias = '']) => {
    const result = await relay.directory.register(key, alias);
    if (typeof result !== 'string') return ownUser(relay, key);
    relay.drops.count('alias-refused');
    return statusFrame('refused', `${result} ${REFUSALS[result](alias)}`);
  },

  UNREGISTER: async ({ relay, key }, [alias = '']) => {
    const result = await relay.directory.unregister(key, alias);
    if (result) return ownUser(relay, key);
    return statusFrame('notFound', 'not-yours you have no such alias');
  },

  FE1_PUT: async ({ relay, key }, records) => {
    const result = await relay.prekeys.put(key, records);
    if (typeof result === 'number') return statusFrame('fine', String(result));
    if (result === 'stale-seq')
      return statusFrame('refused', 'stale-seq a record with this seq or a later one is here');
    return statusFrame('malformed', `${result} want your own SPR, then its OTKs`);
  },

  FE1_GET: async ({ relay, key }, [who = '']) => {
    const target = parseKey(who);
    if (target === null || !relay.prekeys.peek(target)) return statusFrame('notFound', NO_BUNDLE);
    const wait = relay.paces.fetch(key, target);
    if (wait > 0) return tooManyFetches(relay, wait);
    const bundle = await relay.prekeys.get(target);
    if (!bundle) return statusFrame('notFound', NO_BUNDLE);
    const { spr, otk } = bundle;
    return encodeFrame('Command', { cmd: 'FE1_GET', payload: otk === null ? [spr] : [spr, otk] });
  },

  FE1_PEEK: ({ relay }, [who = '']) => {
    const target = parseKey(who);
    const spr = target === null ? null : relay.prekeys.peek(target);
    if (spr === null) return statusFrame('notFound', NO_BUNDLE);
    return encodeFrame('Command', { cmd: 'FE1_PEEK', payload: [spr] });
  },

  FE1_COUNT: ({ relay, key }) => statusFrame('fine', String(relay.prekeys.count(key))),
};

const NO_BUNDLE = 'no-bundle nobody with that key has left prekeys here';

const REFUSALS = {
  'alias-invalid': (alias: string) => `not an alias: ${aliasProblem(alias)}`,
  'alias-taken': () => 'somebody else has that alias',
  'alias-held': () => 'that alias was given up less than 30 days ago and is held back',
  'alias-limit': () => 'you have as many aliases as one key may have',
} as const;

/** The answer to a command of a user who is logged in. */
export function answerCommand(asker: Asker, cmd: string, payload: readonly string[]): Answer {
  const handler = Object.hasOwn(COMMANDS, cmd) ? COMMANDS[cmd] : undefined;
  if (handler) return handler(asker, payload);
  asker.relay.drops.count('unknown-command');
  return statusFrame('malformed', 'unknown-command this relay does not know it');
}

/** One-time prekeys are few: who takes many keeps others from them. */
function tooManyFetches({ drops }: Relay, wait: number): Buffer {
  drops.count('fetch-fast');
  return statusFrame('slowDown', `${wait} slow-down too many prekeys fetched`);
}

/** PING is answered before login too. */
export function pong(echo: string): Buffer {
  if (echo.length > PING_MAX)
    return statusFrame('malformed', `too-long a PING carries ${PING_MAX} characters at most`);
  return statusFrame('fine', echo);
}

/** ACKS is taken before login too (§7.3): the answer when it is wrong, else null. */
export function acksProblem([word]: readonly string[]): Buffer | null {
  return word === 'on' ? null : statusFrame('malformed', 'bad-payload want "on"');
}

/** A user's own record: his last_seen is exact. `proof` only at login. */
export function ownUser(relay: Relay, key: string, proof?: string): Buffer {
  return encodeFrame('User', {
    aliases: relay.directory.aliasesOf(key),
    key: fromHex(key, 32) as Uint8Array,
    last_seen: relay.directory.lastSeen(key),
    ...(proof ? { proof } : {}),
  });
}

function asUser({ key, aliases, lastSeen }: Known): User {
  return { aliases, key: fromHex(key, 32) as Uint8Array, last_seen: lastSeen };
}

const ROSTER_OVERHEAD = 16; // the map and list around the users

/** As many users as fit a frame, at most `max`. */
function rosterFrame(known: Iterable<Known>, max = Number.POSITIVE_INFINITY): Buffer {
  const users: User[] = [];
  let size = ROSTER_OVERHEAD;
  for (const each of known) {
    const user = asUser(each);
    size += datums.pack('User', user).length;
    if (size > MAX_BODY || users.length === max) break;
    users.push(user);
  }
  return encodeFrame('Roster', { users });
}
