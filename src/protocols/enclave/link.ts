// A node behind the seam: docs/protocols/enclave.md §10. FE1 envelopes go out and come in as bytes; who is
// connected is told as arrivals; the prekeys of a peer are what his handshake showed.

import { FleximError, isFleximError } from '../../lib/errors.ts';
import { AsyncQueue, leavable, withResolvers } from '../../lib/queue.ts';
import { systemClock } from '../../lib/time.ts';
import type {
  Delivery,
  Link,
  LinkEvent,
  Names,
  Person,
  Place,
  PrekeyDirectory,
  RelayInfo,
} from '../protocol.ts';
import { readPlace } from './book.ts';
import type { BookFile } from './file.ts';
import type { Node } from './node.ts';
import type { NodeEvent } from './queues.ts';
import { encodePacket, MAX_ENVELOPE, STATUS } from './wire.ts';

const HIGH = 1_024; // deliveries, or events, not yet taken, beyond which the node is left waiting
const FIRST_ANSWER_MS = 10_000; // for the key of a friend whose line has none

export interface LinkOptions {
  readonly key: string;
  readonly alias: string;
  readonly book: BookFile;
  /** Hears all that the node tells, before the link makes something of it. */
  readonly heard?: ((event: NodeEvent) => void) | undefined;
}

export class EnclaveLink implements Link {
  readonly isDirect = true;
  readonly directory = null;
  readonly node: Node;
  readonly closed: Promise<FleximError | null>;
  readonly relay: RelayInfo;
  readonly self: Person;
  readonly #options: LinkOptions;
  readonly #events = new AsyncQueue<LinkEvent>(() => this.#taken());
  readonly #deliveries = new AsyncQueue<Delivery>(() => this.#taken());
  readonly #present = new Map<string, boolean>(); // what was told of friends
  readonly #settle: (error: FleximError | null) => void;
  readonly #waiting = new Map<string, (() => void)[]>(); // for the first key of a friend
  #room: (() => void) | null = null;
  #last = 0;
  #isClosed = false;

  constructor(node: Node, options: LinkOptions) {
    this.node = node;
    this.#options = options;
    const { key, alias } = options;
    const { host, port } = node.address;
    this.relay = { name: alias, key, host, port, firstContact: false, transport: 'enclave' };
    this.self = { key, aliases: [alias], lastSeen: systemClock.wall() };
    const { promise, resolve } = withResolvers<FleximError | null>();
    this.closed = promise;
    this.#settle = resolve;
    this.#events.push({ kind: 'up', relay: this.relay, self: this.self });
    this.#events.push({ kind: 'caught-up', deliveries: 0 }); // nobody keeps anything for us
    void this.#listen();
  }

  send(to: string, envelope: Uint8Array, { live = false } = {}): number {
    if (this.#isClosed) throw new FleximError('closed', 'this link was closed');
    if (envelope.length > MAX_ENVELOPE)
      throw new FleximError(
        'frame-too-large',
        `an envelope of ${envelope.length} bytes; the limit is ${MAX_ENVELOPE}`,
      );
    const n = ++this.#last;
    if (this.node.has(to)) {
      const packet = encodePacket({ fe1: envelope, timestamp: systemClock.wall() });
      this.node.outbound.push({ kind: 'envelope', key: to, packet });
    } else if (!live) this.#events.push({ kind: 'unknown', to, n });
    return n;
  }

  events(): AsyncIterableIterator<LinkEvent> {
    return leavable(this.#events);
  }

  deliveries(): AsyncIterableIterator<Delivery> {
    return leavable(this.#deliveries);
  }

  /** There is nothing between two people that could answer. */
  async ping(): Promise<number> {
    if (this.#isClosed) throw new FleximError('closed', 'this link was closed');
    throw new FleximError('command-refused', 'Enclave has no relay to measure the way to');
  }

  readonly prekeys: PrekeyDirectory = {
    publish: async (spr) => {
      this.node.outbound.push({ kind: 'prekeys', spr });
      return 0;
    },
    fetch: async (key) => {
      const spr = this.node.prekeysOf(key);
      return spr && { spr, otk: null };
    },
    peek: async (key) => this.node.prekeysOf(key),
    count: async () => 0,
  };

  readonly names: Names = {
    find: async (name) => {
      const friend = this.#friend(name);
      if (!friend || friend.key !== null) return friend?.key ?? null;
      if (!friend.isBlocked && !friend.isPlain) await this.#firstKey(friend.name);
      return this.#friend(name)?.key ?? raise(keyless(friend.name));
    },
  };

  /** The line of his key, or a new one, gets the place; what cannot be written is told. */
  know({ key, name, at }: Place): void {
    const place = at === null ? null : readPlace(at);
    if (this.#isClosed || typeof place === 'string') return;
    try {
      this.#options.book.update((book) => {
        const friend = book.withKey(key);
        if (place === null) return friend ? book.change(friend.name, { port: 0 }) : book;
        if (friend?.host === place.host && friend.port === place.port) return book;
        if (friend) return book.change(friend.name, place);
        const named = name || key.slice(0, 8);
        return book.add({ ...place, name: named, key, isPlain: false, isBlocked: false });
      });
    } catch (error) {
      if (!isFleximError(error)) throw error;
      this.#events.push({ kind: 'trouble', error, key });
    }
    this.node.outbound.push({ kind: 'look' });
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#room?.();
      await this.node.leave();
      this.#events.end();
      this.#deliveries.end();
      this.#settle(null);
    }
    await this.closed;
  }

  #friend(name: string) {
    this.#options.book.refresh();
    return this.#options.book.book.named(name);
  }

  /** He is being dialled; only then it is known who that is. */
  async #firstKey(name: string): Promise<void> {
    this.node.outbound.push({ kind: 'look' });
    const { promise, resolve } = withResolvers<void>();
    const timer = setTimeout(resolve, FIRST_ANSWER_MS);
    this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), resolve]);
    await promise;
    clearTimeout(timer);
  }

  async #listen(): Promise<void> {
    for await (const event of this.node.inbound) {
      this.#options.heard?.(event);
      this.#take(event);
      if (Math.max(this.#deliveries.length, this.#events.length) >= HIGH && !this.#isClosed)
        await this.#hasRoom();
    }
  }

  #taken(): void {
    const most = Math.max(this.#deliveries.length, this.#events.length);
    if (most < HIGH / 2) this.#room?.();
  }

  #hasRoom(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = () => {
        this.#room = null;
        resolve();
      };
    });
  }

  #take(event: NodeEvent): void {
    switch (event.kind) {
      case 'envelope': {
        const done = (sender: string | null = null) => {
          if (sender !== null) event.opened(sender);
        };
        return this.#deliveries.push({ envelope: event.envelope, done });
      }
      case 'peer': {
        const { key, spr } = event;
        const name = this.#options.book.book.withKey(key)?.name ?? '';
        return this.#events.push({ kind: 'arrived', key, name, spr });
      }
      case 'peer-gone':
        return this.#events.push({ kind: 'left', key: event.key });
      case 'first-key':
        for (const resolve of this.#waiting.get(event.name) ?? []) resolve();
        this.#waiting.delete(event.name);
        return;
      case 'friend': {
        const { key, status } = event.friend;
        const isHere = status !== STATUS.offline && status !== STATUS.away;
        if (key === null || (this.#present.get(key) ?? false) === isHere) return;
        this.#present.set(key, isHere);
        return this.#events.push({ kind: 'presence', key, isHere });
      }
      case 'message': {
        const { name, text, at } = event;
        return this.#events.push({ kind: 'plain', name, text, at: at ?? systemClock.wall() });
      }
      case 'trouble': {
        const { error, name } = event;
        const key = name === null ? null : (this.#options.book.book.named(name)?.key ?? null);
        return this.#events.push({ kind: 'trouble', error, key });
      }
    }
  }
}

function keyless(name: string): FleximError {
  return new FleximError(
    'not-encrypted',
    `${name} is in the address book without a key, and has shown none: nothing can be encrypted for ` +
      'him. Either he is not there, or his node does not encrypt',
  );
}

function raise(error: Error): never {
  throw error;
}
