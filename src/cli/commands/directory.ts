// flexim register, unregister and roster: names at the relay.

import { aliasProblem, foldAlias } from '../../lib/alias.ts';
import { presentable } from '../../lib/text.ts';
import type { Person } from '../../protocols/protocol.ts';
import type { Agent } from '../agent/agent.ts';
import { withAgent } from '../agent/use.ts';
import { Watch } from '../agent/watch.ts';
import type { Context, ONLINE } from '../command.ts';
import { write, writeJson } from '../output.ts';
import { tell } from '../profile.ts';

type Asking = Context<typeof ONLINE>;

export function register({ settings, args }: Asking): Promise<void> {
  const { alias = '' } = args;
  return ask(settings, async (agent) => {
    const person = await agent.ask('register', alias);
    tell(`others now find you as ${presentable(alias)} at this relay`);
    return [person];
  });
}

export function unregister({ settings, args }: Asking): Promise<void> {
  const { alias = '' } = args;
  return ask(settings, async (agent) => {
    const person = await agent.ask('unregister', alias);
    tell(`${presentable(alias)} is not yours any more; the relay holds it back for a while`);
    return [person];
  });
}

export function roster({ settings, args }: Asking): Promise<void> {
  const { prefix } = args;
  return ask(settings, (agent) =>
    prefix === undefined ? everybody(agent) : agent.ask('search', prefix),
  );
}

function ask(
  settings: Asking['settings'],
  work: (agent: Agent) => Promise<readonly Person[]>,
): Promise<void> {
  return withAgent(settings, async (agent) => {
    const late = performance.now() + settings.timeout;
    for (const person of await new Watch(agent).online(late, () => work(agent)))
      if (settings.json) await writeJson(person);
      else await write(lineOf(person));
  });
}

/** Page by page, each behind the first of the folded aliases of the last user: flexim.md §8.5. */
async function everybody(agent: Agent): Promise<readonly Person[]> {
  const all: Person[] = [];
  let after = '';
  for (;;) {
    const page = await agent.ask('roster', after || null);
    all.push(...page);
    const next = cursorOf(page.at(-1));
    if (compare(next, after) <= 0) return all; // nobody more, or a relay that goes in circles
    after = next;
  }
}

function cursorOf(person: Person | undefined): string {
  const valid = person?.aliases.filter((alias) => aliasProblem(alias) === null) ?? [];
  return valid.map(foldAlias).sort(compare)[0] ?? '';
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function lineOf({ key, aliases, lastSeen }: Person): string {
  const names = aliases.map((alias) => presentable(alias)).join(', ') || '(no alias)';
  const day = lastSeen > 0 ? new Date(lastSeen * 1_000).toISOString().slice(0, 10) : '';
  return `${names}  ${key}  ${day}`.trimEnd();
}
