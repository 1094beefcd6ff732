// flexim contacts: the people that are known here.

import type { Contact } from '../../client/events.ts';
import { parseKey } from '../../lib/address.ts';
import { presentable } from '../../lib/text.ts';
import { withAgent } from '../agent/use.ts';
import { Watch } from '../agent/watch.ts';
import type { ADD, Common, Context } from '../command.ts';
import { write, writeJson } from '../output.ts';
import { contactJson, known, nameOf, tellPinned, wordOf } from '../people.ts';
import { tell } from '../profile.ts';

export async function list({ settings }: Context): Promise<void> {
  await withAgent(settings, async (agent) => {
    const contacts = await agent.ask('contacts');
    const width = Math.max(...contacts.map((each) => nameOf(each, each.key).length), 0);
    for (const contact of contacts)
      if (settings.json) await writeJson(contactJson(contact));
      else await write(lineOf(contact, width));
    if (contacts.length === 0)
      tell('nobody yet. flexim contacts add WHO, or just write to somebody');
  });
}

export async function add({ settings, args }: Context<typeof ADD>): Promise<void> {
  const { who = '', name = null } = args;
  const { at } = settings;
  await withAgent(settings, async (agent) => {
    const work = () => agent.ask('add', who, name);
    const late = performance.now() + settings.timeout;
    const present = at !== null && name === null ? await agent.ask('contact', who) : null;
    const ask = () => (parseKey(who) ? work() : new Watch(agent).online(late, work));
    const added = present?.added ? present : await ask();
    const contact =
      at === null ? added : await agent.ask('place', added.key, at === 'none' ? null : at);
    await show(contact, settings);
    tellPinned(contact);
    if (contact.changedTo !== null)
      tell(
        `BUT the relay gives another key now, ${contact.changedTo}: flexim trust ${wordOf(contact)}`,
      );
  });
}

export async function rename({ settings, args }: Context): Promise<void> {
  const { who = '', name = '' } = args;
  await withAgent(settings, async (agent) => show(await agent.ask('rename', who, name), settings));
}

export async function remove({ settings, args }: Context): Promise<void> {
  const { who = '' } = args;
  await withAgent(settings, async (agent) => {
    const contact = await known(agent, who);
    await agent.ask('remove', contact.key);
    tell(
      `${nameOf(contact, contact.key)} is no contact any more. What was said stays in the history`,
    );
  });
}

export const block = (context: Context): Promise<void> => setBlocked(context, true);
export const unblock = (context: Context): Promise<void> => setBlocked(context, false);

async function setBlocked({ settings, args }: Context, blocked: boolean): Promise<void> {
  const { who = '' } = args;
  await withAgent(settings, async (agent) =>
    show(await agent.ask('block', who, blocked), settings),
  );
}

async function show(contact: Contact, settings: Common): Promise<void> {
  if (settings.json) await writeJson(contactJson(contact));
  else await write(lineOf(contact));
}

function lineOf(contact: Contact, width = 0): string {
  const { key, alias, name, verified, blocked, changedTo, unread, at } = contact;
  const marks = [
    alias !== null && alias !== name ? `alias ${presentable(alias)}` : '',
    at ? `at ${at}` : '',
    verified ? 'verified' : '',
    blocked ? 'blocked' : '',
    changedTo === null ? '' : 'KEY CHANGED',
    unread > 0 ? `${unread} unread` : '',
  ].filter(Boolean);
  return [nameOf(contact, key).padEnd(width), key, marks.join(', ')].join('  ').trimEnd();
}
