// Which part of a timeline is on the screen. Only that is read and laid out. It follows the newest entry,
// or stands still on an anchor while others come.

import type { Blocks, Line, Look } from './entries.ts';
import type { Chat, Entry, Part } from './model.ts';

/** The lowest entry on the screen, and how many of its lines are below the edge; null: the newest. */
type Anchor = { readonly entry: Entry; readonly hidden: number } | null;
type Source = Pick<Chat, 'before' | 'after'>;

const READING: Line = [{ text: '… being read …', style: 'dim' }];

export class Window {
  readonly #chat: Source;
  readonly #blocks: Blocks;
  readonly conversation: string;
  #anchor: Anchor = null;
  // What was read before the anchor, until something changes.
  #page: {
    readonly below: string | null;
    readonly part: Part;
    readonly asked: number;
  } | null = null;

  constructor(chat: Source, blocks: Blocks, conversation: string) {
    this.#chat = chat;
    this.#blocks = blocks;
    this.conversation = conversation;
  }

  get following(): boolean {
    return this.#anchor === null;
  }

  follow(): void {
    this.#anchor = null;
  }

  /** An entry came, or is not what it was. */
  changed(entry: Entry): void {
    this.#page = null;
    if (this.#anchor?.entry.id === entry.id) this.#anchor = { ...this.#anchor, entry };
  }

  /** More can be read now. */
  loaded(): void {
    this.#page = null;
  }

  /** Shows an entry at the lower edge. */
  goTo(entry: Entry): void {
    this.#anchor = { entry, hidden: 0 };
  }

  /** The newest entry on the screen. */
  lowest(): Entry | null {
    return this.#anchor?.entry ?? this.#before(null, 1).entries.at(-1) ?? null;
  }

  /** At most `height` lines, the last ones at the end; while following, none up to `cleared`. */
  lines(height: number, look: Look, cleared: string | null = null): Line[] {
    const parts: (readonly Line[])[] = [];
    let missing = height;
    if (this.#anchor) {
      const block = this.#anchorBlock(look);
      const shown = block.slice(0, Math.max(1, block.length - this.#anchor.hidden));
      parts.push(shown);
      missing -= shown.length;
    }
    const { entries, pending } = this.#before(this.#anchor?.entry.id ?? null, height + 1);
    let isWhole = !pending;
    for (let i = entries.length - 1; i >= 0 && missing > 0; i--) {
      if (this.following && entries[i]?.id === cleared) {
        isWhole = true;
        break;
      }
      const block = this.#blocks.of(entries[i] as Entry, entries[i - 1] ?? null, look);
      parts.push(block);
      missing -= block.length;
    }
    if (missing > 0 && !isWhole) parts.push([READING]);
    return parts.reverse().flat().slice(-height);
  }

  /** Up by so many lines; stops when the oldest entry is at the upper edge of `height`. */
  up(by: number, height: number, look: Look): void {
    for (let i = 0; i < by; i++) this.#upOne(look);
    const missing = height - this.lines(height, look).length;
    if (missing > 0) this.down(missing, look);
  }

  #upOne(look: Look): void {
    const lowest = this.lowest();
    if (!lowest) return;
    const block = this.#blockOf(lowest, look);
    const hidden = (this.#anchor?.hidden ?? 0) + 1;
    if (hidden < block.length) {
      this.#anchor = { entry: lowest, hidden };
      return;
    }
    const previous = this.#before(lowest.id, 1).entries.at(-1);
    if (previous) this.#anchor = { entry: previous, hidden: 0 };
  }

  down(by: number, look: Look): void {
    for (let left = by; left > 0 && this.#anchor; left--) {
      const { entry, hidden } = this.#anchor;
      if (hidden > 0) {
        this.#anchor = { entry, hidden: hidden - 1 };
        continue;
      }
      const { entries, pending } = this.#chat.after(this.conversation, entry.id, 1);
      const [next] = entries;
      if (!next && pending) return;
      if (!next) this.#anchor = null;
      else this.#anchor = { entry: next, hidden: this.#blockOf(next, look).length - 1 };
    }
    const anchor = this.#anchor;
    if (!anchor || anchor.hidden > 0) return;
    const { entries, pending } = this.#chat.after(this.conversation, anchor.entry.id, 1);
    if (entries.length === 0 && !pending) this.#anchor = null;
  }

  #anchorBlock(look: Look): readonly Line[] {
    return this.#anchor ? this.#blockOf(this.#anchor.entry, look) : [];
  }

  #blockOf(entry: Entry, look: Look): readonly Line[] {
    return this.#blocks.of(entry, this.#before(entry.id, 1).entries.at(-1) ?? null, look);
  }

  #before(below: string | null, count: number): Part {
    const page = this.#page;
    if (page && page.below === below && page.asked >= count) {
      const { entries, pending } = page.part;
      return { entries: entries.slice(-count), pending: pending && entries.length < count };
    }
    const part = this.#chat.before(this.conversation, below, count);
    this.#page = { below, part, asked: count };
    return part;
  }
}
