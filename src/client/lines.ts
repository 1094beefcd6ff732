// Lines of the history as messages.

import { type MessageContent, parseContent } from '../fe1/content.ts';
import type { Message } from './events.ts';
import type { Line } from './records.ts';

export const TYPE_MESSAGE = 1;

export function contentOf({ content }: Line): MessageContent {
  const parsed = parseContent({ type: TYPE_MESSAGE, content });
  if (parsed.kind !== 'message') throw new TypeError('a line that is no message');
  return parsed.message;
}

export function messageOf(line: Line): Message {
  const { id, order, peer, out, state, at } = line;
  const { date, flags, msg } = contentOf(line);
  const base = { id, order, peer, outgoing: out, state: out ? state : null };
  return { ...base, at, date, flags, body: msg };
}
