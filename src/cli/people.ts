// People and messages as commands show them: texts of others made fit for a terminal, and the JSON fields
// that docs/cli.md promises.

import type { Contact, Message } from '../client/events.ts';
import { parseKey } from '../lib/address.ts';
import { toBase64url } from '../lib/bytes.ts';
import { FleximError } from '../lib/errors.ts';
import { presentable, printable } from '../lib/text.ts';
import type { Agent } from './agent/agent.ts';
import type { Watch } from './agent/watch.ts';
import { tell } from './profile.ts';

const KEY_SHOWN = 8;
const MAX_LINE = 2_000; // of a text that is no chat

/** The name that the user gave, or the beginning of the key. */
export function nameOf(contact: Contact | null, key: string): string {
  return contact?.name ? presentable(contact.name) : key.slice(0, KEY_SHOWN);
}

/** What to call somebody on a command line. */
export function wordOf({ name, key }: Contact): string {
  return name || key;
}

/** Somebody who is known here; asks no relay. Throws `contact-unknown`. */
export async function known(agent: Agent, who: string): Promise<Contact> {
  const contact = await agent.ask('contact', who);
  if (contact) return contact;
  throw new FleximError(
    'contact-unknown',
    `${printable(who, 80)} is no contact here. flexim contacts lists them`,
  );
}

/** The key of somebody who is known, or whose key it is. */
export async function keyOf(agent: Agent, who: string): Promise<string> {
  return parseKey(who) ?? (await known(agent, who)).key;
}

/** Somebody to write to; who is not known is looked up at the relay, and that is told. */
export async function reach(watch: Watch, who: string, late: number): Promise<Contact> {
  const { agent } = watch;
  const contact = await agent.ask('contact', who);
  if (contact) return contact;
  const resolve = () => agent.ask('resolve', who);
  const found = parseKey(who) ? await resolve() : await watch.online(late, resolve);
  tellPinned(found);
  return found;
}

export function tellPinned(contact: Contact): void {
  if (contact.alias === null) return;
  const alias = presentable(contact.alias);
  tell(`the relay says that ${alias} is ${contact.key}`);
  tell(`to be sure of it: flexim verify ${wordOf(contact)}`);
}

export function contactJson(contact: Contact): object {
  const { key, name, alias, added, verified, blocked, changedTo, unread, at } = contact;
  return {
    key,
    name: name || null,
    alias,
    added,
    verified,
    blocked,
    changedTo,
    unread,
    at: at || null,
  };
}

export function messageJson(message: Message, contact: Contact | null): object {
  const { id, peer, outgoing, state, at, date, flags, body } = message;
  const isText = typeof body === 'string';
  return {
    ...{ id, peer, name: contact?.name || null, outgoing, state, at, date, flags },
    text: isText ? body : null,
    ...(isText ? {} : { body: plain(body) }),
  };
}

/** `2030-01-31 12:05  bob: hello`; further lines are indented, so that they cannot pass for messages. */
export function messageText(message: Message, contact: Contact | null): string {
  const { outgoing, state, at, flags, peer, body } = message;
  const who = outgoing ? 'me' : nameOf(contact, peer);
  const urgent = flags.includes('NOTIFY') ? 'URGENT ' : '';
  const text = typeof body === 'string' ? presentable(body, { lines: true }) : noText(body);
  const action = flags.includes('ACTION') ? '* ' : '';
  const became = outgoing && state !== 'delivered' && state !== 'read' ? ` (${state})` : '';
  return `${moment(at)}  ${urgent}${who}: ${action}${text.replaceAll('\n', '\n    ')}${became}`;
}

export function moment(seconds: number): string {
  const date = new Date(seconds * 1_000);
  if (Number.isNaN(date.getTime())) return 'at no time';
  const two = (n: number) => `${n}`.padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function noText(body: unknown): string {
  return `(no text) ${presentable(JSON.stringify(plain(body)) ?? '', { max: MAX_LINE })}`;
}

/** Any msgpack value as JSON: bytes as base64url, what JSON has not as text. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return toBase64url(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'bigint' || value instanceof Date) return String(value);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}
