// What the user does, in all three modes: lines to messages and commands, the conversation he is in. How it
// is said to him is for the mode (Voice).

import { isFleximError } from '../../lib/errors.ts';
import { WAY_NAMES, wayNamed } from '../transports.ts';
import { COMMANDS, HELP, type Name, parse } from './commands.ts';
import type { Completion } from './editor.ts';
import { nameOf } from './entries.ts';
import type { Chat, Conversation, Entry, Outgoing } from './model.ts';
import type { Style } from './paint.ts';
import { transportTo } from './standing.ts';

const MAX_HITS = 1_000;

export interface Hit {
  readonly entry: Entry;
  readonly nth: number;
  readonly of: number;
}

/** How a mode speaks. Texts may hold what others wrote: the mode makes them presentable. */
export interface Voice {
  /** What is no text may be shown, too. */
  readonly draws: boolean;
  say(text: string, style: Style): void;
  show(lines: readonly string[]): void;
  /** It was not sent, and must not be lost. */
  refused(text: string, why: string): void;
  went(): void;
  found(hit: Hit, words: string): void;
  clear(): void;
  quit(): void;
}

export class Session {
  readonly #chat: Chat;
  readonly #voice: Voice;
  #current: string | null = null;
  #work: Promise<void> = Promise.resolve();
  #refusals = 0;
  #isBeginning = false;
  /** Whom the chat was begun with, as long as he was not found. */
  #wanted: string | null = null;
  #search: { words: string; hits: readonly Entry[]; at: number } | null = null;
  /** Above which entry the unread rule stands. */
  unreadFrom: string | null = null;

  constructor(chat: Chat, voice: Voice) {
    this.#chat = chat;
    this.#voice = voice;
  }

  get current(): Conversation | null {
    return this.#chat.conversations().find(({ id }) => id === this.#current) ?? null;
  }

  /** All that was entered is done, as far as it can be. */
  async idle(): Promise<void> {
    for (let work: unknown = null; work !== this.#work; ) {
      work = this.#work;
      await work;
    }
  }

  /** Goes to somebody by name, key or address. What is entered meanwhile waits for it. */
  begin(who: string): void {
    this.#wanted = who;
    this.#isBeginning = true;
    this.#voice.say(`looking for ${who} …`, 'dim');
    this.#do(async () => {
      try {
        const id = await this.#chat.open(who);
        this.#wanted = null;
        this.go(id);
      } catch (error) {
        if (!isFleximError(error, 'not-connected')) this.#wanted = null;
        throw error;
      } finally {
        this.#isBeginning = false;
      }
    });
  }

  /** There is a connection again: who could not be looked up can be now. */
  beginAgain(): void {
    if (this.#wanted !== null && !this.#isBeginning && this.#current === null)
      this.begin(this.#wanted);
  }

  /** Leaves when everything that was entered is kept; not, when something of it was refused. */
  leave(): void {
    const refusals = this.#refusals;
    this.#do(async () => {
      if (this.#refusals === refusals) this.#voice.quit();
    });
  }

  go(id: string): void {
    if (id === this.#current) return;
    this.#current = id;
    this.#search = null;
    this.unreadFrom = this.current?.firstUnread ?? null;
    this.#voice.went();
  }

  goNth(index: number): void {
    const conversation = this.#chat.conversations()[index];
    if (conversation) this.go(conversation.id);
  }

  /** Takes what was entered. One after the other: messages keep their order. */
  enter(input: string): void {
    const parsed = parse(input);
    if (this.#isBeginning && parsed.kind === 'message')
      return this.#do(async () => this.enter(input));
    const where = this.#current;
    switch (parsed.kind) {
      case 'nothing':
        return;
      case 'unknown':
        return this.#refuse(input, parsed.why);
      case 'message':
        return this.#send(where, input, { text: parsed.text, notify: false, action: false });
      case 'command':
        return this.#command(where, input, parsed);
    }
  }

  complete(text: string, cursor: number): Completion {
    const from = text.slice(0, cursor).search(/\S*$/);
    const begun = text.slice(from, cursor).toLowerCase();
    const names = this.#chat.conversations().map(({ name }) => nameOf(name));
    if (/^\/transport\s+\S*$/i.test(text.slice(0, cursor)))
      return { from, words: WAY_NAMES.filter((word) => word.startsWith(begun)) };
    const isCommand = from === 0 && begun.startsWith('/');
    const words = isCommand ? Object.keys(COMMANDS).map((name) => `/${name}`) : names;
    if (begun === '' && !/^\/msg\s/.test(text)) return { from, words: [] };
    return { from, words: words.filter((word) => word.toLowerCase().startsWith(begun)).sort() };
  }

  #send(where: string | null, input: string, message: Outgoing): void {
    if (where === null) return this.#refuse(input, 'not sent: to whom? /msg WHO');
    if (message.text.trim() === '') return this.#refuse(input, 'not sent: there is no text');
    this.unreadFrom = null;
    this.#do(async () => {
      const to = this.#chat.conversations().find(({ id }) => id === where);
      if (to?.trust === 'changed') {
        const name = nameOf(to.name);
        const why = `not sent: the key of ${name} changed. Compare with /verify, accept with /trust`;
        return this.#refuse(input, why);
      }
      await this.#chat.send(where, message);
    }, input);
  }

  #command(
    where: string | null,
    input: string,
    { name, rest }: { name: Name; rest: string },
  ): void {
    switch (name) {
      case 'help':
        return this.#voice.show(HELP);
      case 'quit':
        return this.leave();
      case 'clear':
        return this.#voice.clear();
      case 'me':
        return this.#send(where, input, { text: rest, notify: false, action: true });
      case 'notify':
        return this.#send(where, input, { text: rest, notify: true, action: false });
      case 'status':
        return this.#do(async () => this.#voice.show(await this.#chat.status()));
      case 'transport':
        return this.#do(() => this.#transport(rest));
      case 'msg':
        return this.#message(input, rest);
    }
    if (where === null) return this.#voice.say(`/${name}: with whom? /msg WHO first`, 'warn');
    if (name === 'search') return this.#do(() => this.#find(where, rest));
    if (name === 'verify') return this.#do(() => this.#verify(where, rest));
    this.#do(() => this.#trust(where));
  }

  async #transport(rest: string): Promise<void> {
    const before = await this.#chat.transport(null);
    const wished = rest.trim().toLowerCase();
    const now = wished === '' ? before : await this.#chat.transport(wayNamed(wished));
    const others = WAY_NAMES.filter((each) => each !== now).join(', ');
    if (now === null) return this.#voice.say('there is one way only', 'dim');
    const by = transportTo(this.current, this.#chat.connection());
    const how = wished === '' ? `${now}: now ${by}. Others: ${others}` : `going by ${now}`;
    this.#voice.say(how, 'dim');
  }

  #message(input: string, rest: string): void {
    const [, who = '', text = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
    if (who === '') return this.#voice.say(`how: ${COMMANDS.msg.usage}`, 'warn');
    this.#do(async () => {
      const id = await this.#chat.open(who);
      this.go(id);
      if (text !== '') this.#send(id, input, { text, notify: false, action: false });
    }, input);
  }

  async #verify(where: string, rest: string): Promise<void> {
    const peer = this.#chat.conversations().find(({ id }) => id === where);
    const name = nameOf(peer?.name ?? '');
    if (rest === 'yes') {
      this.#goOn(where, await this.#chat.verified(where));
      return this.#voice.say(`${name} is verified`, 'good');
    }
    if (rest !== '') return this.#voice.say(`how: ${COMMANDS.verify.usage}`, 'warn');
    const { number, qr } = await this.#chat.verification(where);
    const groups = number.split(' ');
    const rows = [0, 4, 8].map((from) => `    ${groups.slice(from, from + 4).join(' ')}`);
    this.#voice.show([
      peer?.trust === 'changed'
        ? `The safety number of the NEW key of ${name} and you, the same on both screens:`
        : `The safety number of ${name} and you, the same on both screens:`,
      ...rows,
      'Read it to each other, not over this chat. Is it the same? /verify yes',
      ...(this.#voice.draws ? qr : []),
    ]);
  }

  async #trust(where: string): Promise<void> {
    const to = this.#chat.conversations().find(({ id }) => id === where);
    if (to?.trust !== 'changed') return this.#voice.say('the key has not changed', 'dim');
    this.#goOn(where, await this.#chat.trust(where));
    this.#voice.say(`the new key of ${nameOf(to.name)} is accepted; /verify compares it`, 'good');
  }

  /** A key that was accepted has a conversation of its own. */
  #goOn(before: string, now: string): void {
    if (this.#current === before) this.go(now);
  }

  /** Goes from the newest hit to older ones. */
  async #find(where: string, words: string): Promise<void> {
    const before = this.#search;
    if (words === '' && !before) return this.#voice.say(`how: ${COMMANDS.search.usage}`, 'warn');
    const again = before !== null && (words === '' || words === before.words);
    const search = again
      ? { ...before, at: before.at + 1 }
      : { words, hits: await this.#chat.search(where, words, MAX_HITS), at: 0 };
    if (where !== this.#current) return; // he has gone elsewhere meanwhile
    const entry = search.hits[search.at];
    if (!entry) {
      const why = search.at > 0 ? 'no older entry has' : 'no entry has';
      return this.#voice.say(`${why} “${search.words}”`, 'warn');
    }
    this.#search = search;
    this.#voice.found({ entry, nth: search.at + 1, of: search.hits.length }, search.words);
  }

  #do(work: () => Promise<void>, input?: string): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      if (!isFleximError(error)) throw error;
      if (input === undefined) this.#voice.say(error.message, 'warn');
      else this.#refuse(input, `not sent: ${error.message}`);
    });
  }

  #refuse(input: string, why: string): void {
    this.#refusals++;
    this.#voice.refused(input, why);
  }
}
