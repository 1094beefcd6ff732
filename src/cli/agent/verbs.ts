// What commands and screens can ask of a messenger: one table, from which the types of both ends follow.
// Arguments and results are plain values, fit for msgpack.

import type { Contact, Message } from '../../client/events.ts';
import type { Page } from '../../client/history.ts';
import type { Letter, Messenger, Status } from '../../client/messenger.ts';
import type { DeliveryState } from '../../client/records.ts';
import type { Sign } from '../../fe1/content.ts';
import type { Person } from '../../protocols/protocol.ts';

/** A message that was accepted: its id, and who it is for. */
export interface Accepted {
  readonly id: string;
  readonly peer: string;
}

type Verb = (messenger: Messenger, ...args: never[]) => unknown;

export const VERBS = {
  contacts: (m: Messenger): Contact[] => m.contacts.list(),
  contact: (m: Messenger, who: string): Contact | null => m.contacts.get(who),
  /** Somebody to write to; who is not known yet is looked up and added. */
  resolve: async (m: Messenger, who: string): Promise<Contact> => {
    const key = await m.contacts.resolve(who);
    return m.contacts.get(key) as Contact;
  },
  add: (m: Messenger, who: string, name: string | null): Promise<Contact> =>
    m.contacts.add(who, name === null ? {} : { name }),
  /** Where he is met without a relay; null: nowhere. */
  place: (m: Messenger, who: string, at: string | null): Promise<Contact> =>
    m.contacts.place(who, at),
  rename: (m: Messenger, who: string, name: string): Promise<Contact> =>
    m.contacts.rename(who, name),
  remove: (m: Messenger, who: string): Promise<void> => m.contacts.remove(who),
  block: (m: Messenger, who: string, blocked: boolean): Promise<Contact> =>
    blocked ? m.contacts.block(who) : m.contacts.unblock(who),
  verify: (m: Messenger, who: string, verified: boolean): Promise<Contact> =>
    m.contacts.verify(who, verified),
  trust: (m: Messenger, who: string, compared: boolean): Promise<Contact> =>
    m.contacts.trust(who, { compared }),
  safety: (m: Messenger, who: string): { readonly number: string; readonly code: string } => ({
    number: m.contacts.safetyNumber(who),
    code: m.contacts.safetyText(who),
  }),

  /** With an id that was used before nothing happens, so it may be asked again. */
  send: async (m: Messenger, who: string, letter: Letter, id: string): Promise<Accepted> => {
    const peer = await m.contacts.resolve(who);
    return { id: await m.send(peer, letter, { id }), peer };
  },
  state: (m: Messenger, who: string, id: string): DeliveryState | null => m.stateOf(who, id),
  history: (m: Messenger, who: string, page: Page): Message[] => m.history(who, page),
  unread: (m: Messenger): Message[] => m.unread(),
  /** One by its id, or all of somebody's. */
  read: (m: Messenger, who: string, id: string | null): Promise<void> =>
    m.read(who, id ?? undefined),
  /** All of somebody's up to a place in the history. */
  readTo: (m: Messenger, who: string, order: number): Promise<void> => m.readTo(who, order),
  sign: (m: Messenger, who: string, sign: Sign): Promise<boolean> => m.sign(who, sign),

  status: (m: Messenger): Status => m.status,
  find: (m: Messenger, who: string): Promise<Person | null> => m.directory.find(who),
  search: (m: Messenger, prefix: string): Promise<readonly Person[]> => m.directory.search(prefix),
  roster: (m: Messenger, after: string | null): Promise<readonly Person[]> =>
    m.directory.roster(after ?? undefined),
  register: (m: Messenger, alias: string): Promise<Person> => m.directory.register(alias),
  unregister: (m: Messenger, alias: string): Promise<Person> => m.directory.unregister(alias),
  reconnect: (m: Messenger): void => m.reconnect(),
  goBy: (m: Messenger, way: string): Promise<void> => m.goBy(way),
} as const satisfies Record<string, Verb>;

export type VerbName = keyof typeof VERBS;
export type ArgsOf<N extends VerbName> =
  Parameters<(typeof VERBS)[N]> extends [Messenger, ...infer A] ? A : never;
export type ResultOf<N extends VerbName> = Awaited<ReturnType<(typeof VERBS)[N]>>;
