// flexim status: where this identity stands with its relay, and what waits.

import { formatAddress, hostAndPort } from '../../lib/address.ts';
import { type FleximError, isFleximError } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';
import type { Agent } from '../agent/agent.ts';
import { withAgent } from '../agent/use.ts';
import { Watch } from '../agent/watch.ts';
import type { Context, ONLINE } from '../command.ts';
import { write, writeJson } from '../output.ts';

export async function status({ settings }: Context<typeof ONLINE>): Promise<void> {
  await withAgent(settings, async (agent) => {
    const problem = await new Watch(agent).connected(performance.now() + settings.timeout).then(
      () => null,
      (error: unknown) => error,
    );
    if (problem !== null && !isFleximError(problem)) throw problem;
    const shown = await gather(agent, problem);
    if (settings.json) await writeJson(shown);
    else for (const line of linesOf(shown)) await write(line);
    if (problem) throw problem;
  });
}

async function gather(agent: Agent, problem: FleximError | null) {
  const status = await agent.ask('status');
  const { key, published, oneTimeKeys, unsettled, clockAhead, isDirect } = status;
  const relay = isDirect ? null : status.relay;
  const contacts = await agent.ask('contacts');
  return {
    name: agent.me.name,
    key,
    relay: relay && {
      name: relay.name,
      key: relay.key,
      address: formatAddress({ ...relay, relayKey: relay.key }),
    },
    node: isDirect && status.relay ? hostAndPort(status.relay) : null,
    problem: problem?.code ?? null,
    ...{ published, oneTimeKeys, unsettled, clockAhead },
    contacts: contacts.length,
    unread: contacts.reduce((sum, { unread }) => sum + unread, 0),
  };
}

type Shown = Awaited<ReturnType<typeof gather>>;

function linesOf(shown: Shown): string[] {
  const { name, key, relay, node, published, unsettled, contacts, unread } = shown;
  const way = relay ? `${presentable(relay.name)}, ${relay.address}` : 'not connected';
  const prekeys = published
    ? 'at the relay: others can write first'
    : 'not at the relay yet: nobody can write first';
  return [
    `name      ${presentable(name)}`,
    `key       ${key}`,
    ...(node === null
      ? [`relay     ${way}`, `prekeys   ${prekeys}`]
      : [`enclave   listening at ${node}, without a relay`]),
    `sent      ${unsettled === 0 ? 'all delivered' : `${unsettled} not delivered yet`}`,
    `unread    ${unread}`,
    `contacts  ${contacts}`,
  ];
}
