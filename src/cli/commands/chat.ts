// flexim chat: the screen over the messenger of this profile. The first frame is there before the
// connection; whoever is to be talked to and is no contact yet is looked up then.

import { constants } from 'node:os';
import { hostAndPort } from '../../lib/address.ts';
import type { Agent } from '../agent/agent.ts';
import { openAgent } from '../agent/open.ts';
import { chooseMode, type ModeName, openChat } from '../chat/chat.ts';
import type { End } from '../chat/guard.ts';
import { LiveChat } from '../chat/live.ts';
import type { Session } from '../chat/session.ts';
import type { CHAT, Context } from '../command.ts';
import { relayInUse, tell } from '../profile.ts';

export async function chat({ settings, args }: Context<typeof CHAT>): Promise<void> {
  const { 'read-receipts': readReceipts, presence: signs } = settings;
  const isDirect = settings.transport === 'enclave';
  const enclave = isDirect ? { enclave: { listen: settings.listen } } : {};
  const agent = await openAgent(settings, { readReceipts, signs, ...enclave });
  const relay = isDirect ? settings.listen : hostAndPort(relayInUse(settings, agent.me.key));
  const carrier = isDirect ? { carrier: 'enclave' } : {};
  try {
    const live = await LiveChat.open(agent, { relay, ...carrier, presence: settings.presence });
    const mode = settings.plain ? 'plain' : settings.inline ? 'inline' : null;
    try {
      const end = await talk(agent, live, { mode, who: args.who ?? null });
      if (end !== 'quit' && end !== 'gone') process.exitCode = 128 + constants.signals[end];
    } finally {
      await live.close();
      if (live.unsent > 0)
        tell(`${live.unsent} not sent yet: kept here, and on the way when flexim runs again`);
    }
  } finally {
    await agent.close();
  }
}

interface Wanted {
  readonly mode: ModeName | null;
  readonly who: string | null;
}

async function talk(agent: Agent, live: LiveChat, { mode, who }: Wanted): Promise<End> {
  const start = who === null ? null : await agent.ask('contact', who);
  const begin = (session: Session) => {
    const first = who === null ? live.conversations()[0]?.id : start?.blocked ? null : start?.key;
    if (first) session.go(first);
    else if (who !== null) session.begin(who);
  };
  // Lines of a pipe would be refused one by one.
  if (who !== null && chooseMode(mode) === 'plain' && !process.stdin.isTTY) await live.open(who);
  return openChat(live, { mode, start: begin });
}
