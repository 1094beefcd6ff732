// The conversations of the screen: contacts as the messenger has them, and what only the screen knows of
// them. Their order is settled when they are first seen, so that Alt-1 to Alt-9 stay where they are.

import type { Contact, Message } from '../../client/events.ts';
import type { Sign } from '../../fe1/content.ts';
import { isUrgent } from './content.ts';
import type { Conversation } from './model.ts';

const TYPING_MS = 30_000; // whoever types for longer says so again; else the end of it was lost
const KEY_SHOWN = 8;

interface Person {
  contact: Contact;
  /** Up to here the user has seen it, whatever the messenger has on the disk yet. */
  seenTo: number;
  urgentAt: number;
  presence: Conversation['presence'];
  isStraight: boolean;
  typing: NodeJS.Timeout | null;
  /** What the relay calls a key that has no name here. */
  claim: string | null;
}

export class People {
  readonly #people = new Map<string, Person>();
  readonly #changed: () => void;
  #straight: ReadonlySet<string> = new Set();
  #list: readonly Conversation[] | null = null;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Who has unread messages first, then by name; who was there before stays where he is. */
  setAll(contacts: readonly Contact[]): void {
    const keys = new Set(contacts.map(({ key }) => key));
    for (const key of this.#people.keys()) if (!keys.has(key)) this.#people.delete(key);
    const sorted = [...contacts].sort(
      (a, b) =>
        Number(b.unread > 0) - Number(a.unread > 0) ||
        Number(b.name !== '') - Number(a.name !== '') ||
        (a.name < b.name ? -1 : 1),
    );
    for (const contact of sorted) this.#put(contact);
    this.#tell();
  }

  set(contact: Contact): void {
    this.#put(contact);
    this.#tell();
  }

  get(key: string): Contact | null {
    return this.#people.get(key)?.contact ?? null;
  }

  keys(): string[] {
    return [...this.#people.keys()];
  }

  list(): readonly Conversation[] {
    this.#list ??= [...this.#people.values()]
      .filter(({ contact }) => !contact.blocked)
      .map((person) => this.#show(person));
    return this.#list;
  }

  nameOf(key: string): string {
    const person = this.#people.get(key);
    return person ? this.#nameOf(person) : key.slice(0, KEY_SHOWN);
  }

  /** The relay's word for a name: never shown as if it were one that the user gave. */
  claim(key: string, alias: string | null): void {
    const person = this.#people.get(key);
    if (!person) return;
    person.claim = alias;
    this.#tell();
  }

  /** The name that the relay claims, if nobody else has it. */
  claimOf(key: string): string | null {
    const claim = this.#people.get(key)?.claim ?? null;
    return claim !== null && this.#isFree(claim) ? claim : null;
  }

  came(message: Message): void {
    const person = this.#people.get(message.peer);
    if (!person) return;
    if (isUrgent(message)) person.urgentAt = Math.max(person.urgentAt, message.order);
    this.#hush(person);
    this.#tell();
  }

  /** Whether the messenger does not know it yet. */
  see(key: string, order: number): boolean {
    const person = this.#people.get(key);
    if (!person) return false;
    const { firstUnread } = person.contact;
    const isNew = firstUnread !== null && firstUnread <= order && person.seenTo < order;
    person.seenTo = Math.max(person.seenTo, order);
    if (isNew) this.#tell();
    return isNew;
  }

  sign(key: string, sign: Sign): void {
    const person = this.#people.get(key);
    if (!person) return;
    this.#hush(person);
    person.presence = sign === 'stopped' ? 'here' : sign;
    if (sign === 'typing') {
      person.typing = setTimeout(() => {
        this.#hush(person);
        this.#tell();
      }, TYPING_MS);
      person.typing.unref();
    }
    this.#tell();
  }

  /** Nothing is heard any more. */
  forgetPresence(): void {
    for (const person of this.#people.values()) {
      this.#hush(person);
      person.presence = null;
    }
    this.#tell();
  }

  /** To whom it goes directly beside a relay; of the others nobody. */
  goStraight(keys: readonly string[]): void {
    this.#straight = new Set(keys);
    for (const [key, person] of this.#people) person.isStraight = this.#straight.has(key);
    this.#tell();
  }

  turn(key: string, isStraight: boolean): void {
    const others = [...this.#straight].filter((each) => each !== key);
    this.goStraight(isStraight ? [...others, key] : others);
  }

  #put(contact: Contact): void {
    const person = this.#people.get(contact.key);
    if (person) person.contact = contact;
    else
      this.#people.set(contact.key, {
        ...{ contact, seenTo: 0, urgentAt: 0, presence: null, typing: null, claim: null },
        isStraight: this.#straight.has(contact.key),
      });
  }

  #hush(person: Person): void {
    if (person.typing) clearTimeout(person.typing);
    person.typing = null;
    if (person.presence === 'typing') person.presence = 'here';
  }

  #show(person: Person): Conversation {
    const { contact, seenTo, urgentAt, presence, isStraight } = person;
    const { key, changedTo, verified, added, firstUnread } = contact;
    const isSeen = firstUnread === null || firstUnread <= seenTo;
    return {
      id: key,
      name: this.#nameOf(person),
      trust: changedTo !== null ? 'changed' : verified ? 'verified' : 'unverified',
      isRequest: !added,
      unread: isSeen ? 0 : contact.unread,
      firstUnread: isSeen ? null : String(firstUnread),
      urgent: !isSeen && urgentAt > seenTo,
      ...{ presence, isStraight },
    };
  }

  #nameOf({ contact, claim }: Person): string {
    if (contact.name !== '') return contact.name;
    const short = contact.key.slice(0, KEY_SHOWN);
    // No name has a question mark.
    return claim !== null && this.#isFree(claim) ? `${claim}?` : short;
  }

  #isFree(claim: string): boolean {
    const fold = (name: string) => name.normalize('NFKC').toLowerCase();
    const all = [...this.#people.values()];
    return all.every(({ contact }) => fold(contact.name) !== fold(claim));
  }

  #tell(): void {
    this.#list = null;
    this.#changed();
  }
}
