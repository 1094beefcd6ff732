// Lines of the history as messages.

import { parseContent } from '../fe1/content.ts';
import type { Message } from './events.ts';
import type { Line } from './records.ts';

const TYPE_MESSAGE = 1;

export function messageOf({ id, order, peer, out, state, at, content }: Line): Message {
  const parsed = parseContent({ type: TYPE_MESSAGE, content });
  if (parsed.kind !== 'message') throw new TypeError('a line that is no message');
  const { date, flags, msg } = parsed.message;
  const base = { id, order, peer, outgoing: out, state: out ? state : null };
  return { ...base, at, date, flags, body: msg };
}
