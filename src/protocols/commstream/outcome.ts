// What the calls of CommStream come to: the seed's Error, as one list. docs/protocols/commstream.md §9.

import { isFleximError } from '../../lib/errors.ts';

export const OUTCOMES = [
  'ok',
  'bad-handshake', // the negotiation broke the rules, or somebody changed it
  'bad-record', // something came that the other side did not send so
  'busy', // an important message is on its way; it is connected or listening already; too much waits
  'closed', // this stream was closed for good
  'message-too-large',
  'not-connected', // to nobody, or not to that one
  'refused', // nothing listens there, or the system does not let us
  'timed-out', // the other side did not negotiate in time
  'truncated', // the other side ended without saying so
  'unsupported-encryption', // nothing is acceptable to both
  'wrong-server-key', // the server has another key than it must have
] as const;

export type Outcome = (typeof OUTCOMES)[number];

const OTHER: Readonly<Record<string, Outcome>> = {
  'login-timeout': 'timed-out',
  'port-in-use': 'refused',
  'port-refused': 'refused',
  'relay-key-changed': 'wrong-server-key',
  'relay-unreachable': 'refused',
  'slow-down': 'busy',
};

/** What an error is called here; a mistake of the caller's is none, and is thrown on. */
export function outcomeOf(error: unknown): Outcome {
  if (!isFleximError(error)) throw error;
  const { code } = error;
  return OTHER[code] ?? OUTCOMES.find((each) => each === code) ?? 'not-connected';
}
