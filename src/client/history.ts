// Reading the history: what was said with one person, newest first inside, oldest first for the reader.

import type { Message } from './events.ts';
import { messageOf } from './lines.ts';
import type { Opened } from './state.ts';

export interface Page {
  /** Only messages whose `order` is lower. */
  readonly before?: number;
  /** Only messages whose `order` is higher, and of these the oldest so many. */
  readonly after?: number;
  /** The newest so many; 50 unless told. */
  readonly limit?: number;
  /** Only messages whose text has this in it, whatever its case. */
  readonly search?: string;
}

export function readHistory(opened: Opened, key: string, page: Page = {}): Message[] {
  const { before, after, limit = 50, search } = page;
  const wanted = search === undefined ? null : fold(search);
  const found: Message[] = [];
  const lines = after === undefined ? opened.linesOf(key, before) : opened.linesAfter(key, after);
  for (const line of lines) {
    if (found.length >= limit) break;
    const message = messageOf(line);
    const isWanted =
      wanted === null || (typeof message.body === 'string' && fold(message.body).includes(wanted));
    if (isWanted) found.push(message);
  }
  return after === undefined ? found.reverse() : found;
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}
