// Reading the history: what was said with one person, a page at a time, oldest first.

import type { Message } from './events.ts';
import { messageOf } from './lines.ts';
import type { Opened } from './state.ts';

export interface Page {
  /** Only messages whose `order` is lower. */
  readonly before?: number;
  /** Only messages whose `order` is higher, and of them the oldest; without it the newest. */
  readonly after?: number;
  /** So many at most; 50 unless told. */
  readonly limit?: number;
  /** Only messages whose text has this in it, whatever its case. */
  readonly search?: string;
}

export function readHistory(opened: Opened, key: string, page: Page = {}): Message[] {
  const { before, after, limit = 50, search } = page;
  const backwards = after === undefined;
  const wanted = search === undefined ? null : fold(search);
  const found: Message[] = [];
  for (const line of opened.linesOf(key, { before, from: (after ?? -1) + 1, backwards })) {
    if (found.length >= limit) break;
    const message = messageOf(line);
    const isWanted =
      wanted === null || (typeof message.body === 'string' && fold(message.body).includes(wanted));
    if (isWanted) found.push(message);
  }
  return backwards ? found.reverse() : found;
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}
