// flexim history: what was said with somebody, oldest first. Works without a connection.

import type { Contact, Message } from '../../client/events.ts';
import type { Agent } from '../agent/agent.ts';
import { withAgent } from '../agent/use.ts';
import type { Context, HISTORY } from '../command.ts';
import { write, writeJson } from '../output.ts';
import { known, messageJson, messageText } from '../people.ts';

const PAGE = 200; // of messages, which may be 60 KiB each

export async function history({ settings, args }: Context<typeof HISTORY>): Promise<void> {
  await withAgent(settings, async (agent) => {
    const contact = await known(agent, args.who ?? '');
    const pages = await pagesOf(agent, contact, settings);
    for (const message of pages.reverse().flat())
      if (settings.json) await writeJson(messageJson(message, contact));
      else await write(messageText(message, contact));
  });
}

/** The newest page first. */
async function pagesOf(
  agent: Agent,
  { key }: Contact,
  { limit, search }: { readonly limit: number; readonly search: string | null },
): Promise<Message[][]> {
  const pages: Message[][] = [];
  let left = limit;
  let before: number | undefined;
  while (left > 0) {
    const wanted = Math.min(left, PAGE);
    const page = await agent.ask('history', key, {
      limit: wanted,
      ...(before === undefined ? {} : { before }),
      ...(search === null ? {} : { search }),
    });
    pages.push(page);
    if (page.length < wanted) break;
    before = page[0]?.order;
    left -= page.length;
  }
  return pages;
}
