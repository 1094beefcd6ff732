// The frontend of a node that runs in this process: what it tells goes to stdout, lines of stdin become
// orders. Friends with a key are written to by the messenger, encrypted; others by the node.

import type { MessengerEvent } from '../../client/events.ts';
import { randomBytes } from '../../crypto/sodium.ts';
import { toHex } from '../../lib/bytes.ts';
import { FleximError, isFleximError } from '../../lib/errors.ts';
import { presentable, printable } from '../../lib/text.ts';
import type { EnclaveLink, FriendView, NodeEvent } from '../../protocols/enclave/index.ts';
import type { Agent } from '../agent/agent.ts';
import { write, writeJson } from '../output.ts';
import { messageJson, messageText, nameOf } from '../people.ts';
import { tell } from '../profile.ts';
import { friendJson, friendText, HELP, newsText, statusNamed, strangerText } from './words.ts';

const ID_BYTES = 16;

export class Desk {
  readonly #agent: Agent;
  readonly #link: () => EnclaveLink;
  readonly #json: boolean;
  readonly #told = new Map<string, string>(); // the last news of each friend
  #last = 0;

  constructor(agent: Agent, link: () => EnclaveLink, json: boolean) {
    this.#agent = agent;
    this.#link = link;
    this.#json = json;
  }

  // ---- what is told ----

  async heard(event: NodeEvent): Promise<void> {
    switch (event.kind) {
      case 'listening':
        return this.#say({ listening: event }, `listening at ${event.host} port ${event.port}`);
      case 'friend':
        return this.#news(event.friend);
      case 'removed':
        return this.#say({ removed: event.name }, `${event.name} is out of the address book`);
      case 'first-key':
        return this.#say(
          { firstKey: { name: event.name, key: event.key } },
          `first contact with ${event.name}: his key is kept, ${event.key}`,
        );
      case 'stranger':
        return this.#say({ stranger: event.stranger }, strangerText(event.stranger));
      case 'stranger-gone':
        return this.#say({ strangerGone: event.id }, `who knocked as ${event.id} has gone`);
      case 'message': {
        const { name, text, at } = event;
        const shown = presentable(text, { lines: true }).replaceAll('\n', '\n    ');
        return this.#say({ plain: { name, text, at } }, `${name} (NOT ENCRYPTED): ${shown}`);
      }
      case 'sent':
      case 'waiting':
        return this.#went(event);
      case 'trouble': {
        const { error, name } = event;
        tell(`${printable(error.message, 2_000)} [${error.code}]`);
        if (this.#json) return this.#say({ trouble: { code: error.code, name } }, '');
      }
    }
  }

  async happened(event: MessengerEvent | { readonly kind: 'moved' }): Promise<void> {
    if (event.kind === 'message' && !event.message.outgoing) {
      const { message } = event;
      const contact = await this.#agent.ask('contact', message.peer);
      await this.#say({ message: messageJson(message, contact) }, messageText(message, contact));
      await this.#agent.ask('read', message.peer, message.id);
    }
    if (event.kind === 'state' && event.state === 'delivered') {
      const contact = await this.#agent.ask('contact', event.peer);
      await this.#say(
        { delivered: { id: event.id, peer: event.peer } },
        `${nameOf(contact, event.peer)} has it`,
      );
    }
    // The link tells of its troubles by itself; what is left concerns keys.
    if (event.kind === 'warning' && event.error.code === 'bundle-rejected')
      tell(printable(event.error.message, 2_000));
  }

  /** What changes and cannot be seen is no news. */
  async #news(friend: FriendView): Promise<void> {
    const text = newsText(friend);
    if (this.#told.get(friend.name) === text) return;
    this.#told.set(friend.name, text);
    await this.#say({ friend: friendJson(friend) }, text);
  }

  #went({ kind, id, name }: Extract<NodeEvent, { kind: 'sent' | 'waiting' }>) {
    const words = kind === 'sent' ? `sent to ${name}, NOT ENCRYPTED` : `${name} is away: it waits`;
    return this.#say({ [kind]: { id, name } }, words);
  }

  async #say(json: object, text: string): Promise<void> {
    if (this.#json) await writeJson(json);
    else if (text !== '') await write(text);
  }

  // ---- what is ordered ----

  /** Does a line; false when it was the last. */
  async line(text: string): Promise<boolean> {
    const line = text.trim();
    if (line === '') return true;
    if (line === '/quit') return false;
    try {
      await this.#do(line);
    } catch (error) {
      if (!isFleximError(error)) throw error;
      tell(`${printable(error.message, 2_000)} [${error.code}]`);
    }
    return true;
  }

  async #do(line: string): Promise<void> {
    const [, command = '', rest = ''] = /^\/(\S+)\s*(.*)$/s.exec(line) ?? [];
    const [first = '', ...more] = rest.split(/\s+/);
    const words = rest.slice(first.length).trim();
    const { outbound } = this.#link().node;
    switch (command) {
      case '':
        return this.#write(/^([^\s:]+):\s*(.*)$/s.exec(line));
      case 'msg':
        return this.#write(/^(\S+)\s+(.*)$/s.exec(rest));
      case 'friends':
        return this.#list();
      case 'accept':
      case 'ignore':
      case 'block':
        outbound.push({
          kind: 'answer',
          id: Number(first),
          verdict: command,
          name: more[0] ?? null,
        });
        return;
      case 'status': {
        const status = statusNamed(first);
        if (status === null) throw usage('/status available|away|busy [WORDS]');
        outbound.push({ kind: 'status', status, note: words });
        return;
      }
      case 'alias':
        if (rest === '') throw usage('/alias NAME');
        outbound.push({ kind: 'alias', alias: rest });
        return;
      case 'help':
        for (const each of HELP) tell(each);
        return;
      default:
        throw usage('/help says what there is');
    }
  }

  async #write(match: RegExpExecArray | null): Promise<void> {
    const [, name = '', text = ''] = match ?? [];
    if (text === '') throw usage('NAME: TEXT, or /help');
    const friend = this.#friend(name);
    if (friend?.key) {
      await this.#agent.ask('send', friend.key, { body: text }, toHex(randomBytes(ID_BYTES)));
      if (friend.status === 0) tell(`${friend.name} is away: it waits, encrypted`);
      return;
    }
    this.#link().node.outbound.push({ kind: 'message', to: name, text, id: ++this.#last });
  }

  #friend(name: string): FriendView | undefined {
    const fold = (each: string) => each.normalize('NFKC').toLowerCase();
    return this.#link().node.friends.find((each) => fold(each.name) === fold(name));
  }

  async #list(): Promise<void> {
    for (const friend of this.#link().node.friends)
      await this.#say({ friend: friendJson(friend) }, friendText(friend));
  }
}

function usage(words: string): FleximError {
  return new FleximError('usage', words);
}
