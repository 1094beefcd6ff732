// Two ways in one link: a relay, and connections from person to person beside it. What is for somebody who is
// connected, and has proven his key since, goes straight to him; all else by the relay. An envelope that comes
// twice opens once, and whatever has no receipt when the straight way ends goes by the relay, verbatim: nothing
// is lost, and nothing comes twice. Order is kept on a way, not when it changes.
// docs/protocols/enclave.md §11.

import { FleximError, isFleximError } from '../lib/errors.ts';
import { AsyncQueue, leavable, withResolvers } from '../lib/queue.ts';
import { systemClock } from '../lib/time.ts';
import type {
  Delivery,
  Directory,
  Link,
  LinkEvent,
  Names,
  Person,
  Place,
  PrekeyDirectory,
  RelayInfo,
  SendOptions,
} from '../protocols/protocol.ts';
import { type Meeting, Met } from './met.ts';
import { type Pauses, Way } from './way.ts';

const AGAIN: Pauses = { minMs: 500, maxMs: 60_000 };
const PATIENCE_MS = 2_000; // at the start, for the relay, before only the direct way is used
const SILENCE_MS = 15_000;
const LOOKS = 15; // in that time
const HIGH = 256; // deliveries not yet taken, beyond which no way is read

export interface WaysOptions {
  readonly relay: (signal: AbortSignal) => Promise<Link>;
  readonly direct: (signal: AbortSignal) => Promise<Link>;
  /** Nothing that time could change; ends both ways. */
  readonly isFinal: (error: FleximError) => boolean;
  readonly again?: Pauses;
  readonly patienceMs?: number;
  /** How long somebody may say nothing to what he should answer, before the relay is asked, too. */
  readonly silenceMs?: number;
  readonly clock?: { now(): number };
}

export class Ways implements Link {
  readonly closed: Promise<FleximError | null>;
  readonly #relay: Way;
  readonly #direct: Way;
  readonly #met: Met;
  readonly #events = new AsyncQueue<LinkEvent>();
  readonly #deliveries = new AsyncQueue<Delivery>((left) => this.#taken(left));
  readonly #undone = new Set<Delivery>(); // of the direct way: nobody keeps them but their senders
  readonly #settle: (error: FleximError | null) => void;
  readonly #timer: NodeJS.Timeout;
  #room: (() => void)[] = [];
  #count = 0; // deliveries so far, and of them those of this link of the relay
  #byRelay = 0;
  #kept: number | null = null; // so many of these were queued there
  #base = 0; // numbers of this link of the relay begin behind it
  #last = 0;
  #spr: Uint8Array | null = null; // shown to those who are met
  readonly #places = new Map<string, Place>();
  #shown: Pick<Link, 'relay' | 'self'> | null = null; // as it was told last
  #isUp = false; // the relay
  #isSettled = false; // the relay had its time to be there first
  #isClosed = false;

  constructor(options: WaysOptions) {
    const { isFinal, again = AGAIN, patienceMs = PATIENCE_MS, clock = systemClock } = options;
    const { silenceMs = SILENCE_MS } = options;
    const { promise, resolve } = withResolvers<FleximError | null>();
    this.closed = promise;
    this.#settle = resolve;
    this.#met = new Met({
      ...{ silenceMs, lookMs: silenceMs / LOOKS, now: clock.now },
      prove: (key, meeting) => this.#arrived(key, meeting),
      turned: (key, isDirect) => this.#events.push({ kind: 'way', key, isDirect }),
    });
    const failed = (error: FleximError) => void this.#end(error);
    this.#relay = new Way({
      ...{ dial: options.relay, again, isFinal, failed },
      begun: () => this.#relayBegun(),
      event: (event) => this.#fromRelay(event),
      delivery: (delivery) => this.#relayDelivered(delivery),
      lost: (error, retryMs) => this.#relayLost(error, retryMs),
    });
    this.#direct = new Way({
      ...{ dial: options.direct, again, isFinal: () => false, failed },
      begun: (link) => this.#directBegun(link),
      event: (event) => this.#fromDirect(event),
      delivery: (delivery) => this.#directDelivered(delivery),
      lost: (error) => this.#directLost(error),
    });
    this.#timer = setInterval(() => this.#look(), silenceMs / LOOKS);
    this.#direct.start();
    this.#relay.start();
    const patience = setTimeout(() => this.#settled(), patienceMs);
    void Promise.all([this.#relay.tried, this.#direct.tried]).then(() => {
      clearTimeout(patience);
      this.#settled();
    });
  }

  // ---- as it is now ----

  /** There is no relay now: who is met directly is reached, and nobody else. */
  get isDirect(): boolean {
    return !this.#isUp;
  }

  get relay(): RelayInfo {
    return (this.#shown ?? this.#either).relay;
  }

  get self(): Person {
    return (this.#shown ?? this.#either).self;
  }

  get names(): Names | null {
    return this.#direct.link?.names ?? null;
  }

  get directory(): Directory | null {
    return this.#isUp ? (this.#relay.link?.directory ?? null) : null;
  }

  get #either(): Link {
    const link = (this.#isUp ? this.#relay.link : null) ?? this.#direct.link ?? this.#relay.link;
    if (link) return link;
    throw new FleximError('not-connected', 'there is neither a relay nor a way without one');
  }

  ping(): Promise<number> {
    return this.#either.ping();
  }

  events(): AsyncIterableIterator<LinkEvent> {
    return leavable(this.#events);
  }

  deliveries(): AsyncIterableIterator<Delivery> {
    return leavable(this.#deliveries);
  }

  // ---- what goes ----

  /** 0 for what went the direct way alone: there no event names a number. */
  send(to: string, envelope: Uint8Array, options: SendOptions = {}): number {
    if (this.#isClosed) throw new FleximError('closed', 'this link was closed');
    const meeting = this.#met.get(to);
    const isStraight = !this.#isUp || meeting?.isProven || options.live; // a proof is of this kind
    if (meeting && isStraight && this.#sendDirect(to, envelope, options)) return 0;
    const link = this.#isUp ? this.#relay.link : null;
    if (!link) throw new FleximError('not-connected', 'there is no relay, and he is not there');
    this.#last = this.#base + link.send(to, envelope, options);
    return this.#last;
  }

  /** Whether it is on its way to somebody who is there. */
  #sendDirect(to: string, envelope: Uint8Array, options: SendOptions): boolean {
    const link = this.#direct.link;
    if (!link) return false;
    try {
      link.send(to, envelope, options);
    } catch (error) {
      if (isFleximError(error)) return false; // too large for it, or it is being closed
      throw error;
    }
    this.#met.said(to, (this.#isUp && options.awaits) || null);
    return true;
  }

  readonly prekeys: PrekeyDirectory = {
    publish: async (spr, otks) => {
      this.show(spr);
      return this.#isUp ? this.#prekeys.publish(spr, otks) : 0;
    },
    fetch: async (key) =>
      (await this.#prekeys.fetch(key)) ?? this.#direct.link?.prekeys?.fetch(key) ?? null,
    peek: async (key) =>
      (await this.#prekeys.peek(key)) ?? this.#direct.link?.prekeys?.peek(key) ?? null,
    count: () => this.#prekeys.count(),
  };

  /** Of the relay, as long as there is one. */
  get #prekeys(): PrekeyDirectory {
    const { prekeys } = this.#either;
    if (prekeys) return prekeys;
    throw new FleximError('command-refused', 'this relay keeps no prekeys');
  }

  show(spr: Uint8Array): void {
    this.#spr = spr;
    void this.#direct.link?.prekeys?.publish(spr, []);
  }

  know(place: Place): void {
    this.#places.set(place.key, place);
    this.#direct.link?.know?.(place);
  }

  answered(to: string, awaited: string): void {
    this.#met.answered(to, awaited);
  }

  // ---- what comes by the relay ----

  #relayBegun(): void {
    this.#base = this.#last;
    this.#byRelay = 0;
    this.#kept = null;
  }

  #fromRelay(event: LinkEvent): void {
    switch (event.kind) {
      case 'up':
        this.#isUp = true;
        this.#isSettled = true;
        return this.#announce();
      case 'down':
        return this.#relayLost(event.error, event.retryMs);
      case 'caught-up':
        this.#kept = event.deliveries;
        return this.#caughtUp();
      case 'queued':
      case 'full':
      case 'unknown':
        return this.#events.push({ ...event, n: this.#base + event.n });
      default:
        this.#events.push(event);
    }
  }

  #relayLost(error: FleximError, retryMs: number): void {
    this.#isUp = false;
    this.#kept = null;
    this.#events.push({ kind: 'down', error, retryMs });
    if (this.#isSettled && this.#direct.link) this.#announce();
  }

  #relayDelivered(delivery: Delivery): Promise<void> | undefined {
    this.#byRelay++;
    const room = this.#deliver(delivery);
    this.#caughtUp();
    return room;
  }

  /** When all that was queued is among what this link has delivered. */
  #caughtUp(): void {
    if (this.#kept === null || this.#byRelay < this.#kept) return;
    this.#kept = null;
    this.#events.push({ kind: 'caught-up', deliveries: this.#count });
  }

  // ---- what comes directly ----

  #directBegun(link: Link): void {
    if (this.#spr) void link.prekeys?.publish(this.#spr, []);
    for (const place of this.#places.values()) link.know?.(place);
  }

  #fromDirect(event: LinkEvent): void {
    switch (event.kind) {
      case 'up':
        if (this.#isSettled && !this.#isUp) this.#announce();
        return;
      case 'arrived':
        this.#met.arrived(event.key, { ...event, since: this.#count });
        return this.#events.push(event);
      case 'left':
        this.#met.left(event.key);
        return this.#events.push(event);
      case 'presence':
      case 'plain':
      case 'trouble':
        this.#events.push(event);
    }
  }

  #directDelivered({ envelope, done }: Delivery): Promise<void> | undefined {
    const nth = this.#count;
    const delivery: Delivery = {
      envelope,
      done: (sender = null) => {
        this.#undone.delete(delivery);
        done(sender);
        if (sender !== null) this.#met.heard(sender, nth);
      },
    };
    this.#undone.add(delivery);
    return this.#deliver(delivery);
  }

  #directLost(error: FleximError): void {
    this.#events.push({ kind: 'trouble', error, key: null });
    for (const [key] of [...this.#met.entries()]) {
      this.#met.left(key);
      this.#events.push({ kind: 'left', key });
    }
  }

  // ---- both ----

  /** The relay had its time: until it is there the direct way is the only one. */
  #settled(): void {
    if (this.#isSettled || this.#isClosed) return;
    this.#isSettled = true;
    if (!this.#isUp && this.#direct.link) this.#announce();
  }

  /** Whoever listens begins anew, with a relay or without; and with all who are there. */
  #announce(): void {
    const { relay, self } = this.#either;
    this.#shown = { relay, self };
    this.#events.push({ kind: 'up', relay, self });
    for (const [key, { name, spr, isProven }] of this.#met.entries()) {
      this.#arrived(key, { name, spr });
      if (isProven) this.#events.push({ kind: 'way', key, isDirect: true });
    }
    // What was taken and not done may have been dropped, and nobody would bring it again.
    for (const delivery of this.#undone) void this.#deliver(delivery);
  }

  /** Whoever hears it shows him who we are. */
  #arrived(key: string, { name, spr }: Pick<Meeting, 'name' | 'spr'>): void {
    this.#events.push({ kind: 'arrived', key, name, spr });
  }

  #deliver(delivery: Delivery): Promise<void> | undefined {
    this.#count++;
    this.#deliveries.push(delivery);
    if (this.#deliveries.length < HIGH) return undefined;
    return new Promise((resolve) => this.#room.push(resolve));
  }

  #taken(left: number): void {
    if (left < HIGH / 2) for (const resolve of this.#room.splice(0)) resolve();
  }

  #look(): void {
    if (this.#isUp) this.#met.look();
  }

  async close(): Promise<void> {
    await this.#end(null);
  }

  async #end(error: FleximError | null): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      clearInterval(this.#timer);
      this.#taken(0);
      await Promise.all([this.#relay.close(), this.#direct.close()]);
      this.#events.end();
      this.#deliveries.end();
      this.#settle(error);
    }
    await this.closed;
  }
}
