// What each sender holds of one mailbox, and how senders are told apart there: by a tag, which only the
// relay can make (docs/protocols/flexim.md §7.4). Shares are read when they are asked for; changed ones are
// written with the account, in the same batch as the rows.

import { decodeShare, encodeShare, type Share } from './account.ts';

/** A sender in one mailbox: his tag in rows, and as a name for maps. */
export interface Mark {
  readonly tag: Buffer;
  readonly name: string;
}

/** What shares need of a table of the store. */
interface ShareRows {
  get(key: Uint8Array): Buffer | undefined;
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
}

export class Shares {
  readonly #mailbox: Uint8Array; // its id, which rows begin with
  readonly #rows: ShareRows;
  readonly #tagOf: (sender: string) => Buffer;
  readonly #marks = new Map<string, Mark>(); // by sender
  readonly #shares = new Map<string, Share>(); // those looked at since; changed ones are written
  readonly #changed = new Set<string>();

  constructor(mailbox: Uint8Array, rows: ShareRows, tagOf: (sender: string) => Buffer) {
    this.#mailbox = mailbox;
    this.#rows = rows;
    this.#tagOf = tagOf;
  }

  mark(sender: string): Mark {
    let mark = this.#marks.get(sender);
    if (!mark) {
      const tag = this.#tagOf(sender);
      mark = { tag, name: nameOf(tag) };
      this.#marks.set(sender, mark);
    }
    return mark;
  }

  of(name: string): Share {
    let share = this.#shares.get(name);
    if (!share) {
      const row = this.#rows.get(this.#key(name));
      share = row ? decodeShare(row) : { count: 0, bytes: 0 };
      this.#shares.set(name, share);
    }
    return share;
  }

  count(name: string, length: number, sign: 1 | -1): void {
    const share = this.of(name);
    share.count += sign;
    share.bytes += sign * length;
    this.#changed.add(name);
  }

  /** Inside a batch. */
  write(): void {
    for (const name of this.#changed) {
      const share = this.of(name);
      if (share.count === 0) this.#rows.remove(this.#key(name));
      else this.#rows.put(this.#key(name), encodeShare(share));
    }
    this.#changed.clear();
  }

  /** What is on the disk counts again: the batch with the changes failed. */
  forget(): void {
    this.#shares.clear();
    this.#changed.clear();
  }

  #key(name: string): Buffer {
    return Buffer.concat([this.#mailbox, Buffer.from(name, 'latin1')]);
  }
}

export function nameOf(tag: Buffer): string {
  return tag.toString('latin1');
}
