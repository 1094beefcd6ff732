// Reading the history: what was said with one person, a page at a time, oldest first.

import { fold } from './blocks.ts';
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
  const which = { before, from: (after ?? -1) + 1, backwards };
  const wanted = search === undefined ? null : fold(search);
  const found: Message[] = [];
  if (limit < 1) return found;
  for (const line of opened.linesOf(key, which, wanted)) {
    found.push(messageOf(line));
    if (found.length >= limit) break;
  }
  return backwards ? found.reverse() : found;
}
