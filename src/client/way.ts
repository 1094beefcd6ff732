// One of two ways (ways.ts): a link that is dialled, and dialled again with growing pauses, for as long as it
// is wanted. What comes of it goes to whoever joins them.

import { FleximError, isFleximError } from '../lib/errors.ts';
import { withResolvers } from '../lib/queue.ts';
import type { Delivery, Link, LinkEvent } from '../protocols/protocol.ts';

export interface Pauses {
  readonly minMs: number;
  readonly maxMs: number;
}

export interface WayOptions {
  readonly dial: (signal: AbortSignal) => Promise<Link>;
  readonly again: Pauses;
  readonly event: (event: LinkEvent) => void;
  /** A promise: nothing more is taken before. */
  readonly delivery: (delivery: Delivery) => Promise<void> | undefined;
  /** There is a link; it tells itself when it is up. */
  readonly begun: (link: Link) => void;
  /** There is none, or no more; it is dialled again after so long. */
  readonly lost: (error: FleximError, retryMs: number) => void;
  /** Not to be dialled again. */
  readonly isFinal: (error: FleximError) => boolean;
  readonly failed: (error: FleximError) => void;
}

export class Way {
  readonly #options: WayOptions;
  readonly #giveUp = new AbortController();
  #link: Link | null = null;
  #dialling: Promise<void> | null = null;
  #retry: NodeJS.Timeout | null = null;
  #attempt = 0;
  readonly #tried = withResolvers<void>();

  constructor(options: WayOptions) {
    this.#options = options;
  }

  get link(): Link | null {
    return this.#link;
  }

  /** It was dialled once, whatever came of it. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  start(): void {
    this.#dialling = this.#dial().finally(() => this.#tried.resolve());
  }

  async close(): Promise<void> {
    this.#giveUp.abort();
    if (this.#retry) clearTimeout(this.#retry);
    await this.#dialling;
    await this.#link?.close();
  }

  async #dial(): Promise<void> {
    const { dial, begun } = this.#options;
    const { signal } = this.#giveUp;
    try {
      const link = await dial(signal);
      if (signal.aborted) return void (await link.close());
      this.#link = link;
      begun(link);
      void this.#events(link);
      void this.#deliveries(link);
      void link.closed.then((error) => this.#closed(link, error));
    } catch (error) {
      this.#failed(error);
    }
  }

  async #events(link: Link): Promise<void> {
    for await (const event of link.events()) {
      if (this.#link !== link) return;
      if (event.kind === 'up') this.#attempt = 0;
      this.#options.event(event);
    }
  }

  async #deliveries(link: Link): Promise<void> {
    for await (const delivery of link.deliveries()) {
      if (this.#link !== link) return;
      await this.#options.delivery(delivery);
    }
  }

  #closed(link: Link, error: FleximError | null): void {
    if (this.#link !== link) return;
    this.#link = null;
    this.#failed(error ?? new FleximError('closed', 'the link was closed'));
  }

  #failed(reason: unknown): void {
    if (this.#giveUp.signal.aborted) return;
    const error = isFleximError(reason)
      ? reason
      : new FleximError('connection-lost', `the connection failed: ${reason}`, reason);
    const { again, isFinal, failed, lost } = this.#options;
    if (isFinal(error)) return failed(error);
    const most = Math.min(again.maxMs, again.minMs * 2 ** Math.min(this.#attempt++, 20));
    const retryMs = Math.round(most * (0.5 + Math.random() / 2));
    lost(error, retryMs);
    this.#retry = setTimeout(() => this.start(), retryMs);
  }
}
