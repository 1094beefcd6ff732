// All mailboxes over one store, and the group commit: what arrives while one batch is being written
// goes into the next, with one wait for the disk. One batch at a time, so that a mailbox that is
// written reads what was kept before.

import { isFleximError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { withResolvers } from '../lib/queue.ts';
import type { Clock } from '../lib/time.ts';
import { Blocks } from './blocks.ts';
import type { Limits } from './limits.ts';
import { type ByteRows, Mailbox, type Post, type Refusal, type Tables } from './mailbox.ts';
import type { Segment } from './segment.ts';

export interface QueueStore {
  bytes(name: string): ByteRows;
  /** Kept when all changes are on the disk; all or none. `adds` is how many bytes come to them, about. */
  batch(work: () => void, adds?: number): Promise<void>;
}

export interface QueueOptions {
  readonly store: QueueStore;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Log;
  /** A keyed hash of both keys: the store shows no social graph (§7.4). */
  readonly tagOf: (recipient: string, sender: string) => Buffer;
  /** The store cannot be trusted any more. */
  readonly broken: (error: Error) => void;
}

export const ACCOUNTS = 'accounts';
const RETRY_MS = 1_000;

export class Queue {
  readonly tables: Tables;
  readonly #blocks = new Blocks();
  readonly #options: QueueOptions;
  readonly #mailboxes = new Map<string, Mailbox>(); // those that are read or written
  #dirty = new Set<Mailbox>();
  #scheduled = false;
  #writing = false;
  #current: (() => void)[] = []; // who waits for the batch that is being written
  #waiting: (() => void)[] = []; // for the one after it
  #uncommitted = 0;
  #isFull = false;
  #kept: { readonly mailbox: Mailbox; readonly segment: Segment } | null = null; // read, and not used up
  #isBroken = false;
  #removedAlone = false; // by the last batch
  #retry: NodeJS.Timeout | null = null;

  constructor(options: QueueOptions) {
    this.#options = options;
    const { store } = options;
    this.tables = {
      rows: store.bytes('queue'),
      accounts: store.bytes(ACCOUNTS),
      shares: store.bytes('shares'),
    };
  }

  /** The disk is full: nothing becomes durable at the moment. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** The store gave an error, and cannot be trusted any more. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Bytes that are not on the disk yet. */
  get uncommitted(): number {
    return this.#uncommitted;
  }

  /** The mailbox of a key. It stays the same object while it has a reader or something to write. */
  of(key: string): Mailbox {
    let mailbox = this.#mailboxes.get(key);
    if (!mailbox) {
      mailbox = new Mailbox(key, {
        tables: this.tables,
        blocks: this.#blocks,
        tagOf: this.#options.tagOf,
      });
      this.#mailboxes.set(key, mailbox);
      this.#touch(mailbox); // forgotten again after the next commit, if nothing holds it
    }
    return mailbox;
  }

  /** Why a mailbox takes no Message of so many bytes from a sender, or null when it does. */
  refusal(mailbox: Mailbox, sender: string, length: number): Refusal | null {
    return mailbox.refusal(sender, length, this.#options.limits);
  }

  /** As `mailbox.read`; null also when the store gave an error, which is the end of the relay. */
  read(mailbox: Mailbox, from: number): Segment | null {
    if (this.#isBroken) return null;
    const kept = this.#kept;
    if (kept?.mailbox === mailbox) {
      const wanted = Math.max(from, mailbox.head);
      const isIn = wanted >= kept.segment.first && wanted <= kept.segment.last;
      if (isIn) return mailbox.awaits(wanted) ? null : kept.segment;
    }
    try {
      return mailbox.read(from);
    } catch (error) {
      this.#break(error as Error);
      return null;
    }
  }

  /**
   * A row was read, and not all of it could be used: the rest of it will be asked for next. One is kept, of all mailboxes:
   * who acknowledges one by one would have it read for each. Its memory is its own, as a store gives it.
   */
  keep(mailbox: Mailbox, segment: Segment): void {
    this.#kept = { mailbox, segment };
  }

  append(mailbox: Mailbox, post: Post): void {
    mailbox.append(post);
    this.#uncommitted += post.end - post.start;
    this.#touch(mailbox);
  }

  /** All up to and with this number were delivered. */
  removeTo(mailbox: Mailbox, number: number): void {
    mailbox.removeTo(number);
    this.#touch(mailbox);
  }

  /** Kept when everything asked for so far is on the disk, or was given up; null when it is. */
  settled(): Promise<void> | null {
    if (this.#dirty.size === 0 && !this.#writing) return null;
    const { promise, resolve } = withResolvers<void>();
    // What is being written was asked for, and what is dirty goes with the next.
    if (this.#dirty.size === 0) this.#current.push(() => resolve());
    else this.#waiting.push(() => resolve());
    return promise;
  }

  /** A mailbox has lost its reader. */
  release(mailbox: Mailbox): void {
    this.#touch(mailbox);
  }

  stop(): void {
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
  }

  #touch(mailbox: Mailbox): void {
    this.#dirty.add(mailbox);
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    setImmediate(this.#commit);
  }

  readonly #commit = (): void => {
    this.#scheduled = false;
    if (this.#writing || this.#isBroken) return;
    if (this.#isFull && !this.#removedAlone && this.#removeAlone()) return;
    this.#removedAlone = false;
    const dirty = [...this.#dirty];
    this.#dirty = new Set();
    this.#current = this.#waiting;
    this.#waiting = [];
    const written = dirty.filter(({ isDirty }) => isDirty);
    if (written.length === 0) return this.#done(dirty);
    this.#writing = true;
    const bytes = this.#uncommitted;
    const blocks = this.#blocks.take();
    const time = this.#options.clock.wall();
    this.#batch(() => {
      for (const mailbox of written) mailbox.write(time);
    }, bytes)
      .then(
        () => {
          this.#writing = false;
          this.#uncommitted -= bytes;
          if (this.#isFull) this.#options.log.info({}, 'the queue can be written again');
          this.#isFull = false;
          for (const mailbox of written) mailbox.kept();
        },
        (error: Error) => {
          this.#writing = false;
          this.#uncommitted -= bytes;
          this.#failed(error, written);
        },
      )
      .then(() => {
        this.#blocks.giveBack(blocks);
        this.#done(dirty);
      })
      .catch((error: Error) => this.#break(error));
  };

  /**
   * What would make room must not wait for what needs it: on a full disk every other batch removes and
   * adds nothing. False when there is nothing to remove.
   */
  #removeAlone(): boolean {
    const written = [...this.#dirty].filter(({ isRemoving }) => isRemoving);
    if (written.length === 0) return false;
    this.#writing = true;
    this.#removedAlone = true;
    this.#batch(() => {
      for (const mailbox of written) mailbox.writeRemovals();
    }, 0)
      .then(
        () => {
          this.#writing = false;
          for (const mailbox of written) mailbox.kept();
        },
        (error: Error) => {
          this.#writing = false;
          this.#failed(error, written);
        },
      )
      .then(() => this.#done([])) // all are looked at again by the next batch
      .catch((error: Error) => this.#break(error));
    return true;
  }

  /** A mailbox may come upon a damaged row while it is written: that is an error like any other. */
  async #batch(work: () => void, bytes: number): Promise<void> {
    await this.#options.store.batch(work, bytes);
  }

  /** Once: nothing is read or written from here on. */
  #break(error: Error): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.broken(error);
  }

  #failed(error: Error, written: readonly Mailbox[]): void {
    if (!isFleximError(error, 'store-full')) return this.#break(error);
    if (!this.#isFull)
      this.#options.log.error({ code: error.code }, `${error.message}; Messages are refused`);
    this.#isFull = true;
    for (const mailbox of written) {
      const again = mailbox.failed(); // who hears of it may send more at once
      this.#uncommitted += again;
    }
    if (this.#retry || !written.some(({ isDirty }) => isDirty)) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#commit();
    }, RETRY_MS);
  }

  /** Forgets mailboxes that nothing holds, and goes on. */
  #done(mailboxes: readonly Mailbox[]): void {
    const current = this.#current;
    this.#current = [];
    for (const mailbox of mailboxes) {
      if (mailbox.isDirty) this.#dirty.add(mailbox);
      else if (!mailbox.reader && !this.#dirty.has(mailbox)) this.#mailboxes.delete(mailbox.key);
    }
    for (const resolve of current) resolve();
    if (this.#dirty.size === 0 || this.#scheduled || this.#retry || this.#isBroken) return;
    this.#scheduled = true;
    setImmediate(this.#commit);
  }
}
