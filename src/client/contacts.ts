// Contacts as the user handles them. Names are his; an alias is what a relay says, looked up once.

import { safetyNumber, safetyText } from '../fe1/safety.ts';
import { hostAndPort, parseAddress } from '../lib/address.ts';
import { aliasProblem } from '../lib/alias.ts';
import { FleximError } from '../lib/errors.ts';
import { printable } from '../lib/text.ts';
import type { Link } from '../protocols/protocol.ts';
import type { Core } from './core.ts';
import type { Contact } from './events.ts';
import { wake } from './opening.ts';
import { accept, add, byName, change, freeName, keyIn, lookedUp, place, shown } from './people.ts';
import type { Runner } from './runner.ts';
import { pump } from './sending.ts';
import { bytesOf } from './state.ts';

export interface ContactsOptions {
  readonly core: Core;
  readonly runner: Runner;
  readonly link: () => Link | null;
}

export class Contacts {
  readonly #core: Core;
  readonly #runner: Runner;
  readonly #link: () => Link | null;

  constructor({ core, runner, link }: ContactsOptions) {
    this.#core = core;
    this.#runner = runner;
    this.#link = link;
  }

  list(): Contact[] {
    const { state } = this.#core;
    return state.contacts.values().map((row) => shown(state, row));
  }

  /** By name, alias, key or address; null when there is none. Asks nobody. */
  get(who: string): Contact | null {
    const { state } = this.#core;
    const key = keyIn(who);
    const row = key === null ? byName(state, who) : state.contacts.get(key);
    return row ? shown(state, row) : null;
  }

  /** Adds somebody by key, flexim:// address or alias; the alias is looked up and its key pinned. */
  async add(who: string, { name }: { readonly name?: string } = {}): Promise<Contact> {
    const key = keyIn(who);
    if (key !== null) {
      if (who.startsWith('flexim://')) this.#checkPlace(who);
      return this.#step((core) => add(core, key, name ?? '', null));
    }
    if (aliasProblem(who)) throw unknown(who, this.#link());
    const named = (await this.#link()?.names?.find(who)) ?? null;
    if (named !== null)
      return this.#step((core) => add(core, named, name ?? this.#nameFor(who, named), null));
    const pinned = byName(this.#core.state, who);
    const found = await this.#find(who);
    // A pinned alias is never taken over by what the relay says now.
    if (pinned && pinned.alias !== null && found !== pinned.key) {
      await this.#runner.step((core) => lookedUp(core, pinned.key, found));
      return this.#of(pinned.key);
    }
    if (found === null) throw unknown(who, this.#link());
    return this.#step((core) => add(core, found, name ?? this.#nameFor(who, found), who));
  }

  /** The key of somebody to write to; who is not there yet is added. */
  async resolve(who: string): Promise<string> {
    const contact = this.get(who);
    if (contact) return contact.key;
    return (await this.add(who)).key;
  }

  /** Where he is met without a relay, HOST:PORT; null: nowhere. Throws `bad-address`. */
  place(who: string, at: string | null): Promise<Contact> {
    const to = at === null ? '' : placeOf(at);
    const key = this.#known(who);
    return this.#step((core) => {
      const row = change(core, key, { at: to });
      place(core, row);
      return row;
    });
  }

  rename(who: string, name: string): Promise<Contact> {
    return this.#change(who, (core, key) => ({ name: freeName(core.state, name, key) }));
  }

  /** Its history stays; what he writes later shows him as somebody new, and unverified. */
  async remove(who: string): Promise<void> {
    const key = this.#known(who);
    await this.#runner.step((core) => {
      place(core, change(core, key, { blocked: true })); // nobody dials him
      core.state.contacts.delete(key);
    });
  }

  block(who: string): Promise<Contact> {
    return this.#change(who, () => ({ blocked: true }));
  }

  unblock(who: string): Promise<Contact> {
    return this.#change(who, () => ({ blocked: false }));
  }

  /** The safety numbers were compared, and are the same. */
  verify(who: string, verified = true): Promise<Contact> {
    return this.#change(who, () => ({ verified, added: true }));
  }

  /** Accepts the key that an alias has now; `compared` when its safety number was. */
  trust(who: string, { compared = false } = {}): Promise<Contact> {
    const key = this.#known(who);
    return this.#step((core) => {
      const row = accept(core, key, compared);
      for (const X of [key, row.key]) {
        pump(core, X);
        wake(core, X);
      }
      return row;
    });
  }

  safetyNumber(who: string): string {
    return safetyNumber(bytesOf(this.#core.identity.hex), bytesOf(this.#known(who)));
  }

  safetyText(who: string): string {
    return safetyText(bytesOf(this.#core.identity.hex), bytesOf(this.#known(who)));
  }

  /** Asks the relay once more about every pinned alias, and notes what has changed. */
  async lookAgain(): Promise<void> {
    for (const { key, alias, blocked } of this.list()) {
      if (alias === null || blocked) continue;
      const found = await this.#find(alias);
      await this.#runner.step((core) => lookedUp(core, key, found));
    }
  }

  async #find(alias: string): Promise<string | null> {
    const link = this.#link();
    if (!link?.directory)
      throw link?.isDirect
        ? unknown(alias, link)
        : new FleximError(
            'not-connected',
            `${printable(alias)} is no contact yet, and there is no connection to look him up`,
          );
    return (await link.directory.find(alias))?.key ?? null;
  }

  /** He is reached on this relay, or not from here. */
  #checkPlace(who: string): void {
    const address = parseAddress(who);
    const link = this.#link();
    if (link?.isDirect) return; // there are no relays: the key alone says who it is
    if (!link)
      throw new FleximError('not-connected', 'an address can be checked only when connected');
    const { relay } = link;
    const isHere =
      address.relayKey === null
        ? hostAndPort(address) === hostAndPort(relay)
        : address.relayKey === relay.key;
    if (isHere) return;
    throw new FleximError(
      'other-relay',
      `that person is reached at ${hostAndPort(address)}, and this is ${hostAndPort(relay)}`,
    );
  }

  #nameFor(alias: string, key: string): string {
    const other = byName(this.#core.state, alias);
    return other && other.key !== key ? '' : alias;
  }

  #known(who: string): string {
    const contact = this.get(who);
    if (!contact) throw unknown(who);
    return contact.key;
  }

  async #change(
    who: string,
    part: (core: Core, key: string) => Partial<Contact>,
  ): Promise<Contact> {
    const key = this.#known(who);
    return this.#step((core) => {
      const row = change(core, key, part(core, key));
      place(core, row);
      pump(core, key);
      wake(core, key);
      return row;
    });
  }

  async #step(work: (core: Core) => { readonly key: string }): Promise<Contact> {
    const { key } = await this.#runner.step(work);
    return this.#of(key);
  }

  #of(key: string): Contact {
    return this.get(key) as Contact;
  }
}

function placeOf(text: string): string {
  const place = hostAndPort(parseAddress(text));
  if (place === text.toLowerCase()) return place;
  throw new FleximError('bad-address', 'he is met at HOST:PORT, such as 192.168.1.7:7776');
}

function unknown(who: string, link: Link | null = null): FleximError {
  const there = link?.isDirect ? 'in the address book' : 'at the relay';
  return new FleximError(
    'contact-unknown',
    `nobody is known as ${printable(who, 80)}, neither here nor ${there}`,
  );
}
