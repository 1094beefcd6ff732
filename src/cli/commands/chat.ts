// flexim chat: the screen over the messenger of this profile. The first frame is there before the
// connection; whoever is to be talked to and is no contact yet is looked up then.

import { constants } from 'node:os';
import { parseAddress } from '../../lib/address.ts';
import { withResolvers } from '../../lib/queue.ts';
import type { Agent } from '../agent/agent.ts';
import { enclaveAddress, wayOf } from '../agent/enclave.ts';
import { openAgent } from '../agent/open.ts';
import { chooseMode, type ModeName, openChat } from '../chat/chat.ts';
import type { End } from '../chat/guard.ts';
import { LiveChat } from '../chat/live.ts';
import type { Session } from '../chat/session.ts';
import type { CHAT, Context } from '../command.ts';
import { relayInUse, tell } from '../profile.ts';

const ROWS = 24; // of a terminal that does not say

export async function chat({ settings, args }: Context<typeof CHAT>): Promise<void> {
  const { 'read-receipts': readReceipts, presence: signs } = settings;
  const shown = withResolvers<void>();
  const isDirect = settings.transport === 'enclave';
  const agent = await openAgent(settings, {
    ...{ readReceipts, signs, dialAfter: shown.promise },
    ...wayOf(settings),
  });
  const relay = isDirect
    ? parseAddress(enclaveAddress(settings.listen))
    : relayInUse(settings, agent.me.key);
  try {
    const live = await LiveChat.open(agent, { relay, presence: settings.presence });
    const mode = settings.plain ? 'plain' : settings.inline ? 'inline' : null;
    try {
      const end = await talk(agent, live, { mode, who: args.who ?? null, shown: shown.resolve });
      if (end !== 'quit' && end !== 'gone') process.exitCode = 128 + constants.signals[end];
    } finally {
      await live.close();
      if (live.unsent > 0)
        tell(`${live.unsent} not sent yet: kept here, and on the way when flexim runs again`);
    }
  } finally {
    shown.resolve();
    await agent.close();
  }
}

interface Wanted {
  readonly mode: ModeName | null;
  readonly who: string | null;
  /** To be called when the screen is about to be drawn: connecting goes behind it. */
  readonly shown: () => void;
}

async function talk(agent: Agent, live: LiveChat, { mode, who, shown }: Wanted): Promise<End> {
  const start = who === null ? null : await agent.ask('contact', who);
  const first = who === null ? live.conversations()[0]?.id : start?.blocked ? null : start?.key;
  const begin = (session: Session) => {
    if (first) session.go(first);
    else if (who !== null) session.begin(who);
  };
  if (first) await live.newest(first, process.stdout.rows || ROWS); // so that they are on the first frame
  shown();
  // Lines of a pipe would be refused one by one.
  if (who !== null && chooseMode(mode) === 'plain' && !process.stdin.isTTY) await live.open(who);
  return openChat(live, { mode, start: begin });
}
