// The chat over an agent: what the screen shows, kept in memory and brought up to date by events. An event
// is a hint that there is something to read; what is shown was read, so its order is that of the history.

import type { Contact, Message } from '../../client/events.ts';
import { randomBytes } from '../../crypto/sodium.ts';
import { safetyNumber, safetyText } from '../../fe1/safety.ts';
import { fromHex, toHex, utf8 } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { presentable } from '../../lib/text.ts';
import type { Agent, AgentEvent } from '../agent/agent.ts';
import { qrLines } from '../qr/blocks.ts';
import { encodeQr } from '../qr/encode.ts';
import { entryOf, letterOf } from './content.ts';
import type { Change, Chat, Connection, Conversation, Entry, Outgoing, Part } from './model.ts';
import { People } from './people.ts';
import { connected, disconnected, statusLines, underWay, type Way } from './standing.ts';
import { Timeline } from './timeline.ts';

const ID_BYTES = 16;
const CLAIM_MS = 1_000;
const HERE_MS = 240_000; // saying again that one is here

export interface LiveOptions {
  /** That of the settings. */
  readonly relay: Way;
  /** Tell people that one types, and is here. */
  readonly presence: boolean;
}

export class LiveChat implements Chat {
  readonly me: string;
  readonly #agent: Agent;
  readonly #options: LiveOptions;
  readonly #people = new People(() => this.#tell({ kind: 'conversations' }));
  readonly #timelines = new Map<string, Timeline>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #told = new Map<string, number>(); // when whom was told that one is here
  readonly #compared = new Map<string, string>(); // whose safety number was shown, with which key
  readonly #asking = new Map<string, { again: boolean; done: Promise<void> }>(); // contacts
  readonly #greetings = new Map<string, Promise<void>>(); // under way
  readonly #unsent = new Set<string>(); // ids that the relay may not have
  #connection: Connection;
  #settled: (() => void)[] = []; // who waits for the first word about the connection
  #isClosed = false;

  private constructor(agent: Agent, options: LiveOptions) {
    this.me = agent.me.name;
    this.#agent = agent;
    this.#options = options;
    this.#connection = underWay(options.relay);
  }

  static async open(agent: Agent, options: LiveOptions): Promise<LiveChat> {
    const chat = new LiveChat(agent, options);
    const events = agent.events(); // from here on, so that nothing falls between
    await chat.#readAll();
    void chat.#listen(events);
    return chat;
  }

  /** Says good-bye to those who were told that one is here. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const signs = [...this.#told.keys()].map((key) => this.#agent.ask('sign', key, 'away'));
    await Promise.allSettled(signs);
  }

  /** Of what was entered here, what nobody is known to have yet. */
  get unsent(): number {
    return this.#unsent.size;
  }

  // ---- what there is ----

  /** When the newest `count` entries are at hand, or cannot be. */
  newest(conversation: string, count: number): Promise<void> {
    return this.#timeline(conversation).newest(count);
  }

  conversations(): readonly Conversation[] {
    return this.#people.list();
  }

  connection(): Connection {
    return this.#connection;
  }

  before(conversation: string, entry: string | null, count: number): Part {
    return this.#timeline(conversation).before(entry, count);
  }

  after(conversation: string, entry: string, count: number): Part {
    return this.#timeline(conversation).after(entry, count);
  }

  async search(conversation: string, words: string, count: number): Promise<readonly Entry[]> {
    const page = { search: words, limit: count };
    const messages = await this.#agent.ask('history', conversation, page);
    return messages.map(entryOf).reverse();
  }

  onChange(changed: (change: Change) => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  async status(): Promise<readonly string[]> {
    return statusLines(this.#agent.me, await this.#agent.ask('status'), this.#connection);
  }

  // ---- what the user does ----

  async transport(name: string | null): Promise<string | null> {
    if (name !== null) await this.#agent.ask('goBy', name);
    return (await this.#agent.ask('status')).way;
  }

  async send(conversation: string, message: Outgoing): Promise<void> {
    await this.#accept(conversation);
    const id = toHex(randomBytes(ID_BYTES));
    await this.#agent.ask('send', conversation, letterOf(message), id);
    this.#unsent.add(id);
    this.#timeline(conversation).catchUp();
  }

  async open(who: string): Promise<string> {
    const contact = (await this.#agent.ask('contact', who)) ?? (await this.#lookUp(who));
    this.#people.set(contact);
    const name = this.#people.nameOf(contact.key);
    if (contact.blocked) throw new FleximError('contact-blocked', `${name} is blocked`);
    return contact.key;
  }

  seen(conversation: string, entry: string): void {
    const order = Math.floor(Number(entry));
    this.#sayHere(conversation);
    if (this.#people.see(conversation, order))
      this.#agent
        .ask('readTo', conversation, order)
        .then(() => this.#readContact(conversation))
        .catch(this.#failed);
  }

  typing(conversation: string, typing: boolean): void {
    this.#sign(conversation, typing ? 'typing' : 'stopped');
  }

  async verification(conversation: string): Promise<{ number: string; qr: readonly string[] }> {
    const key = this.#keyNow(conversation);
    const [own, peer] = [bytesOf(this.#agent.me.key), bytesOf(key)];
    this.#compared.set(conversation, key);
    return { number: safetyNumber(own, peer), qr: qrOf(safetyText(own, peer)) };
  }

  async verified(conversation: string): Promise<string> {
    const isChanged = this.#people.get(conversation)?.changedTo != null;
    if (!isChanged) {
      this.#people.set(await this.#agent.ask('verify', conversation, true));
      return conversation;
    }
    // What was compared is what is accepted: the key may have changed once more.
    const compared = this.#compared.get(conversation);
    if (compared !== this.#keyNow(conversation)) throw notCompared();
    const contact = await this.#agent.ask('trust', conversation, true);
    if (contact.key !== compared) await this.#agent.ask('verify', contact.key, false);
    return this.#goOn(conversation, contact);
  }

  async trust(conversation: string): Promise<string> {
    return this.#goOn(conversation, await this.#agent.ask('trust', conversation, false));
  }

  /** The name is with another key now, and so is the conversation. */
  async #goOn(before: string, contact: Contact): Promise<string> {
    const at = Date.now();
    await this.#readContacts();
    const old = this.#people.nameOf(before);
    const name = this.#people.nameOf(contact.key);
    this.#note(contact.key, `${name} has another key now. What was said before: /msg ${old}`, at);
    return contact.key;
  }

  #keyNow(conversation: string): string {
    return this.#people.get(conversation)?.changedTo ?? conversation;
  }

  /** Whoever is written to is a contact. */
  async #accept(key: string): Promise<void> {
    const contact = this.#people.get(key);
    if (!contact || contact.added) return;
    const name = contact.name === '' ? this.#people.claimOf(key) : null;
    this.#people.set(await this.#agent.ask('add', key, name));
  }

  async #lookUp(who: string): Promise<Contact> {
    if (this.#connection.state === 'connecting')
      await new Promise<void>((resolve) => this.#settled.push(resolve));
    return this.#agent.ask('resolve', who);
  }

  #sayHere(key: string): void {
    const last = this.#told.get(key) ?? Number.NEGATIVE_INFINITY;
    if (performance.now() - last < HERE_MS) return;
    if (this.#sign(key, 'here')) this.#told.set(key, performance.now());
  }

  #sign(key: string, sign: 'typing' | 'stopped' | 'here'): boolean {
    if (!this.#options.presence || this.#connection.state !== 'online') return false;
    if (!this.#people.get(key)?.added) return false;
    this.#agent.ask('sign', key, sign).catch(() => {}); // worth nothing later
    return true;
  }

  // ---- what happens ----

  async #listen(events: AsyncIterable<AgentEvent>): Promise<void> {
    let error: unknown = new FleximError('closed', 'the messenger has ended');
    try {
      for await (const event of events) this.#on(event);
    } catch (reason) {
      error = reason;
    }
    if (!this.#isClosed) this.#tell({ kind: 'over', error });
  }

  #on(event: AgentEvent): void {
    switch (event.kind) {
      case 'message':
        return this.#came(event.message);
      case 'state':
        this.#unsent.delete(event.id);
        return this.#timelines.get(event.peer)?.advance(event.id, event.state);
      case 'sign':
        return this.#people.sign(event.peer, event.sign);
      case 'plain':
        return this.#say(`${presentable(event.name)}, NOT ENCRYPTED: ${presentable(event.text)}`);
      case 'contact-new':
        return this.#greet(event.key);
      case 'contact-changed':
        return this.#keyChanged(event.key);
      case 'way':
        return this.#people.turn(event.peer, event.isDirect);
      case 'up':
        this.#people.goStraight([]);
        if (event.relay.firstContact)
          this.#say(`first contact with this relay: its key is kept, ${event.relay.key}`);
        this.#connect(connected(event.relay));
        return;
      case 'down':
        this.#told.clear();
        this.#connect(disconnected(this.#connection, event));
        this.#people.goStraight([]);
        return this.#people.forgetPresence();
      case 'warning':
        if (event.peer === null) return this.#say(event.error.message);
        return this.#note(event.peer, event.error.message);
      case 'missed':
      case 'moved':
        this.#readAll().catch(this.#failed);
        for (const timeline of this.#timelines.values()) timeline.refresh();
    }
  }

  #came(message: Message): void {
    const { peer } = message;
    const isKnown = this.#people.get(peer) !== null;
    const read = Promise.all([this.#readContact(peer), this.#greetings.get(peer)]);
    const show = () => {
      this.#people.came(message);
      this.#timeline(peer).came(message);
    };
    if (isKnown) show();
    read.then(isKnown ? () => {} : show).catch(this.#failed);
  }

  #connect(connection: Connection): void {
    this.#connection = connection;
    for (const settled of this.#settled.splice(0)) settled();
    this.#tell({ kind: 'connection' });
  }

  /** Somebody whom nobody introduced. The relay's word for his name is a help, and no more. */
  #greet(key: string): void {
    const greeting = Promise.all([this.#claimed(key), this.#readContact(key)])
      .then(([claim]) => {
        this.#people.claim(key, claim);
        const name = this.#people.nameOf(key);
        this.#note(
          key,
          `${name} wrote first, as anybody can; the name is the relay's word. An answer makes a contact, ` +
            `/verify compares the keys. To hear no more: flexim contacts block ${key}`,
        );
      })
      .catch(this.#failed)
      .finally(() => this.#greetings.delete(key));
    this.#greetings.set(key, greeting);
  }

  /** What the relay calls a key; null when it does not say so soon. */
  async #claimed(key: string): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), CLAIM_MS);
    });
    const asked = this.#agent.ask('find', key).catch(() => null);
    const person = await Promise.race([asked, late]);
    clearTimeout(timer);
    return person?.aliases[0] ?? null;
  }

  #keyChanged(key: string): void {
    void this.#readContact(key)
      .then(() => {
        const name = this.#people.nameOf(key);
        const changed = this.#people.get(key)?.changedTo;
        if (!changed) return;
        this.#note(
          key,
          `the relay now gives another key for ${name}: ${changed}. Either he has a new one, or somebody ` +
            'wants to read what you write. Nothing is sent: /verify compares, /trust accepts',
        );
      })
      .catch(this.#failed);
  }

  #note(key: string, text: string, at = Date.now()): void {
    this.#timeline(key).note(text, at);
  }

  #timeline(key: string): Timeline {
    const present = this.#timelines.get(key);
    if (present) return present;
    const entry = (kind: 'entry' | 'state') => (each: Entry) =>
      this.#tell({ kind, conversation: key, entry: each });
    const made = new Timeline({
      read: (page) => this.#agent.ask('history', key, page),
      loaded: () => this.#tell({ kind: 'loaded', conversation: key }),
      entry: entry('entry'),
      state: entry('state'),
      failed: this.#failed,
    });
    this.#timelines.set(key, made);
    return made;
  }

  async #readAll(): Promise<void> {
    await this.#readContacts();
    const { relay, straight } = await this.#agent.ask('status');
    this.#people.goStraight(straight);
    if (relay) this.#connect(connected(relay));
    else if (this.#connection.state === 'online') this.#connect(underWay(this.#options.relay));
  }

  async #readContacts(): Promise<void> {
    this.#people.setAll(await this.#agent.ask('contacts'));
  }

  /** What comes meanwhile needs one more look, not one each. */
  #readContact(key: string): Promise<void> {
    const present = this.#asking.get(key);
    if (present) {
      present.again = true;
      return present.done;
    }
    const asking = { again: false, done: Promise.resolve() };
    this.#asking.set(key, asking);
    asking.done = this.#askContact(key, asking).finally(() => this.#asking.delete(key));
    return asking.done;
  }

  async #askContact(key: string, asking: { again: boolean }): Promise<void> {
    do {
      asking.again = false;
      const contact = await this.#agent.ask('contact', key);
      if (contact) this.#people.set(contact);
    } while (asking.again);
  }

  /** What was to be read could not be; what can be done about it is for the next one who asks. */
  readonly #failed = (error: unknown): void => {
    if (this.#isClosed) return;
    if (isFleximError(error)) this.#say(error.message);
    else this.#tell({ kind: 'over', error });
  };

  #say(text: string): void {
    this.#tell({ kind: 'notice', text });
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A code for cameras, in shapes alone; none where there is no terminal, or no room. */
function qrOf(text: string): readonly string[] {
  const { columns = 0 } = process.stdout;
  return qrLines(encodeQr(utf8(text)), { columns, colours: false });
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex, hex.length / 2) as Uint8Array;
}

function notCompared(): FleximError {
  return new FleximError(
    'contact-changed',
    'that is another key than the one that was compared: /verify shows its safety number',
  );
}
