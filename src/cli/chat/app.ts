// The chat on a terminal: keys in, scenes out. It holds what is only on the screen (input, place in the
// timeline, notices) and knows no terminal: `hands` are what it asks of one.

import { Editor } from './editor.ts';
import { Blocks, type Line, type Look, nameOf } from './entries.ts';
import type { Key } from './keys.ts';
import { wrap } from './lay.ts';
import type { Change, Chat, Conversation, Entry } from './model.ts';
import type { Paint, Style } from './paint.ts';
import { type Hit, Session, type Voice } from './session.ts';
import { type Frame, isTooSmall, type Notice, plan, type Scene, type Size, view } from './view.ts';
import { Window } from './window.ts';

const EMPTY = 'Nothing was said here yet. Only the two of you can read what will be.';
const NOBODY = 'Alt-1 goes to the first conversation, /msg NAME begins one.';
const ALONE =
  'Nobody yet. /msg NAME begins a conversation: by alias, key or address. /status shows your own address.';

/** What a terminal does for the chat. */
export interface Hands {
  draw(): void;
  /** Draws all anew. */
  redraw(): void;
  suspend(): void;
  ring(): void;
  quit(): void;
  /** Nothing works any more. */
  fail(error: unknown): void;
}

export class App {
  readonly session: Session;
  readonly editor: Editor;
  readonly #chat: Chat;
  readonly #hands: Hands;
  readonly #blocks = new Blocks();
  readonly #stop: () => void;
  #window: Window | null = null;
  #notice: Notice | null = null;
  #panel: readonly string[] | null = null;
  #hit: string | null = null;
  #clearedAt: string | null = null; // /clear: what is not newer is not shown
  #told: string | null = null; // up to where the messenger knows it as seen
  #size: Size = { columns: 80, rows: 24 };
  #typing = false;
  #isLeaving = false;
  #isTouched = false; // a key was pressed since the conversation was gone to

  constructor(chat: Chat, hands: Hands) {
    this.#chat = chat;
    this.#hands = hands;
    this.session = new Session(chat, this.#voice());
    this.editor = new Editor((text, cursor) => this.session.complete(text, cursor));
    this.#stop = chat.onChange((change) => this.#changed(change));
  }

  close(): void {
    this.#stop();
  }

  press(key: Key): void {
    this.#isTouched = true;
    const paneled = this.#panel !== null;
    this.#panel = null;
    if (key.kind === 'key' && this.#command(key.name, paneled)) return;
    this.#notice = null;
    const pressed = this.editor.press(key);
    if (pressed === 'full') this.#say('that does not fit into one message', 'warn');
    if (this.editor.choices.length > 0) this.#say(this.editor.choices.join('  '), 'dim');
    this.#tellTyping();
    this.#hands.draw();
  }

  frame(size: Size, paint: Paint): Frame {
    this.#size = size;
    return view(this.scene(), (height, columns) => this.#timeline(height, columns), {
      size,
      paint,
    });
  }

  /** What /help and the like showed, for a mode without panels. */
  takePanel(): readonly string[] {
    const panel = this.#panel ?? [];
    this.#panel = null;
    return panel;
  }

  /** Tells the messenger what has been on the screen. */
  shown(): void {
    const current = this.session.current;
    const newest = this.#window?.following ? this.#window.lowest() : null;
    if (!current || !newest || this.#panel || isTooSmall(this.#size)) return;
    if (newest.id === this.#told && current.unread === 0) return;
    this.#told = newest.id;
    this.#chat.seen(current.id, newest.id);
  }

  #command(name: string, paneled: boolean): boolean {
    const act = this.#keys[name] ?? (/^alt-[1-9]$/.test(name) ? this.#nth : null);
    if (name === 'ctrl-d' && this.editor.text !== '') return false;
    if (name === 'enter' && paneled && this.editor.text === '') this.#hands.draw();
    else if (act) act(name);
    else return false;
    return true;
  }

  readonly #nth = (name: string) => {
    this.session.goNth(Number(name.at(-1)) - 1);
    this.#hands.draw();
  };

  readonly #keys: Readonly<Record<string, (name: string) => void>> = {
    enter: () => {
      const text = this.editor.take();
      this.#notice = null;
      this.#window?.follow();
      this.#tellTyping();
      this.session.enter(text);
      this.#hands.draw();
    },
    escape: () => {
      this.#notice = null;
      this.#hit = null;
      this.#window?.follow();
      this.#hands.draw();
    },
    'ctrl-c': () => {
      if (this.editor.text === '') this.#say('Ctrl-D or /quit leaves', 'dim');
      else this.editor.clear();
      this.#tellTyping();
      this.#hands.draw();
    },
    'ctrl-d': () => this.#leave(),
    'ctrl-l': () => this.#hands.redraw(),
    'ctrl-z': () => this.#hands.suspend(),
    'page-up': () => this.#scroll(-1),
    'page-down': () => this.#scroll(1),
    'shift-page-up': () => this.#scroll(-1),
    'shift-page-down': () => this.#scroll(1),
  };

  /** Once waits for what was entered; twice does not. */
  #leave(): void {
    if (this.#isLeaving) return this.#hands.quit();
    this.#isLeaving = true;
    this.session.leave();
    this.#say('leaving, when what was entered is kept; Ctrl-D again leaves at once', 'dim');
    this.#hands.draw();
  }

  #scroll(by: -1 | 1): void {
    if (!isTooSmall(this.#size) && this.#window) {
      const { height, columns } = plan(this.scene(), this.#size);
      const lines = Math.max(1, height - 1);
      if (by < 0) this.#window.up(lines, height, this.look(columns));
      else this.#window.down(lines, this.look(columns));
    }
    this.#hands.draw();
  }

  scene(): Scene {
    return {
      conversations: this.#conversations(),
      current: this.session.current?.id ?? null,
      connection: this.#chat.connection(),
      input: this.editor,
      notice: this.#notice,
      panel: this.#panel,
      following: this.#window?.following ?? true,
    };
  }

  /** What is on the screen is not unread. */
  #conversations(): readonly Conversation[] {
    const all = this.#chat.conversations();
    const current = this.session.current;
    const isSeen =
      current !== null && current.unread > 0 && this.#window?.following && !this.#panel;
    if (!isSeen) return all;
    return all.map((each) =>
      each.id === current.id ? { ...each, unread: 0, urgent: false } : each,
    );
  }

  look(columns: number): Look {
    return {
      columns,
      peer: nameOf(this.session.current?.name ?? ''),
      unreadFrom: this.session.unreadFrom,
      hit: this.#hit,
    };
  }

  #timeline(height: number, columns: number): readonly Line[] {
    const lines = this.#window?.lines(height, this.look(columns), this.#clearedAt) ?? [];
    if (lines.length > 0 || this.#clearedAt !== null) return lines;
    const hint = this.#window ? EMPTY : this.#chat.conversations().length > 0 ? NOBODY : ALONE;
    return wrap(hint, columns).map((text) => [{ text, style: 'dim' }]);
  }

  #tellTyping(): void {
    const typing = this.editor.text !== '' && !this.editor.text.startsWith('/');
    const current = this.session.current;
    if (typing === this.#typing || !current) return;
    this.#typing = typing;
    this.#chat.typing(current.id, typing);
  }

  #changed(change: Change): void {
    if (change.kind === 'entry' || change.kind === 'state') {
      const here = change.conversation === this.#window?.conversation;
      if (here) this.#window?.changed(change.entry);
      // What comes before he has touched anything was waiting for him.
      if (here && change.kind === 'entry' && change.entry.from === 'peer' && !this.#isTouched)
        this.session.unreadFrom ??= change.entry.id;
      if (change.kind === 'entry') this.#arrived(change.conversation, change.entry, here);
      else if (!here) return;
    }
    switch (change.kind) {
      case 'loaded':
        if (change.conversation === this.#window?.conversation) this.#window.loaded();
        break;
      case 'connection':
        if (this.#chat.connection().state === 'online') this.session.beginAgain();
        break;
      case 'notice':
        this.#say(change.text, 'warn');
        break;
      case 'over':
        return this.#hands.fail(change.error);
    }
    this.#hands.draw();
  }

  #arrived(conversation: string, entry: Entry, here: boolean): void {
    if (entry.from !== 'peer') return;
    if (entry.notify) this.#hands.ring();
    if (here || !(entry.notify || this.#window === null)) return;
    const all = this.#chat.conversations();
    const at = all.findIndex(({ id }) => id === conversation);
    const key = at >= 0 && at < 9 ? `: Alt-${at + 1}` : '';
    const name = nameOf(all[at]?.name ?? '');
    if (entry.notify) this.#say(`URGENT from ${name}${key}`, 'urgent');
    else this.#say(`${name} has written${key}`, 'good');
  }

  #say(text: string, style: Style): void {
    this.#notice = { text, style };
  }

  #voice(): Voice {
    return {
      draws: true,
      say: (text, style) => {
        this.#say(text, style);
        this.#hands.draw();
      },
      show: (lines) => {
        this.#panel = lines;
        this.#hands.draw();
      },
      refused: (text, why) => {
        this.#isLeaving = false;
        if (this.editor.text === '') this.editor.set(text);
        this.#say(why, 'warn');
        this.#hands.draw();
      },
      went: () => this.#went(),
      found: (hit, words) => this.#found(hit, words),
      clear: () => {
        this.#clearedAt = this.#window?.lowest()?.id ?? null;
        this.#window?.follow();
        this.#hands.draw();
      },
      quit: () => this.#hands.quit(),
    };
  }

  #went(): void {
    const current = this.session.current;
    this.#window = current ? new Window(this.#chat, this.#blocks, current.id) : null;
    this.#blocks.forget(); // ids are of one conversation
    this.#hit = null;
    this.#isTouched = false;
    this.#notice = null;
    this.#told = null;
    this.#clearedAt = null;
    this.#hands.draw();
  }

  #found({ entry, nth, of }: Hit, words: string): void {
    this.#hit = entry.id;
    this.#clearedAt = null;
    this.#window?.goTo(entry);
    this.#say(`“${words}”: ${nth} of ${of}. /search goes on, Escape leaves`, 'good');
    this.#hands.draw();
  }
}
