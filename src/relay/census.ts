// What the queue holds, in numbers, from the accounts alone.

import { decodeAccount } from './account.ts';

export interface Census {
  readonly mailboxes: number;
  readonly messages: number;
  readonly bytes: number;
  /** When the oldest Message came, in Unix seconds; null when there is none. */
  readonly oldest: number | null;
  /** Messages in the fullest mailbox. */
  readonly most: number;
}

export function census(accounts: Iterable<Buffer>): Census {
  let [mailboxes, messages, bytes, most] = [0, 0, 0, 0];
  let oldest = Number.POSITIVE_INFINITY;
  for (const row of accounts) {
    const account = decodeAccount(row);
    mailboxes++;
    messages += account.count;
    bytes += account.bytes;
    most = Math.max(most, account.count);
    oldest = Math.min(oldest, account.oldest);
  }
  return { mailboxes, messages, bytes, most, oldest: mailboxes === 0 ? null : oldest };
}
