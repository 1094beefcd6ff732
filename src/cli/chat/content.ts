// Messages as the screen shows them, and back: docs/protocols/fe1.md §8.2. A chat's `msg` is a text; the flag
// NOTIFY marks it as urgent, ACTION as said with /me. Other flags mean nothing here.

import type { Message } from '../../client/events.ts';
import type { Letter } from '../../client/messenger.ts';
import { wellFormed } from '../../lib/text.ts';
import type { Entry, Outgoing } from './model.ts';

const NOTIFY = 'NOTIFY';
const ACTION = 'ACTION';
const LATE = 300; // seconds between the two clocks that are worth showing

export function letterOf({ text, notify, action }: Outgoing): Letter {
  const flags = [...(notify ? [NOTIFY] : []), ...(action ? [ACTION] : [])];
  return { body: wellFormed(text), flags };
}

export function isUrgent({ outgoing, flags }: Message): boolean {
  return !outgoing && flags.includes(NOTIFY);
}

export function entryOf(message: Message): Entry {
  const { order, outgoing, state, at, date, flags, body } = message;
  const isText = typeof body === 'string';
  const isLate = !outgoing && Math.abs(date - at) > LATE;
  return {
    id: String(order),
    from: outgoing ? 'me' : 'peer',
    text: isText ? body : '(not a text: nothing that this chat can show)',
    at: at * 1000,
    written: isLate ? date * 1000 : null,
    state,
    notify: flags.includes(NOTIFY),
    action: isText && flags.includes(ACTION),
  };
}
