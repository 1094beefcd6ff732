// The messenger's end of a link: dials, dials again, and makes steps of what comes. Nothing is taken from
// the relay before it is known that no other store uses this identity (docs/protocols/fe1.md §10.7).

import { type ErrorCode, FleximError, isFleximError } from '../lib/errors.ts';
import type { Delivery, Link, LinkEvent } from '../protocols/protocol.ts';
import { type Core, down, type Effect } from './core.ts';
import { arrived, begin, left, way } from './direct.ts';
import type { MessengerEvent } from './events.ts';
import { bundle, notFetched, notPeeked, peeked } from './opening.ts';
import { counted, peekedSelf, published, showToo } from './own.ts';
import { places } from './people.ts';
import { deliver } from './receiving.ts';
import { login } from './rounds.ts';
import type { Runner } from './runner.ts';
import { notTaken, queued } from './sending.ts';

const AGAIN = { minMs: 500, maxMs: 60_000 };
/** Trying again would change nothing, or do harm. */
export const FINAL: readonly string[] = [
  ...['relay-auth-mismatch', 'relay-key-changed', 'replaced', 'identity-elsewhere'],
  ...['other-relay', 'crypto-unavailable', 'bad-address', 'config-invalid'],
  ...['store-damaged', 'store-failed'],
];
/** Of a session that ended: the link goes on by itself, or says that it does not. */
const TRANSPORT = [
  ...['connection-lost', 'relay-stopping', 'not-connected', 'closed', 'replaced'],
  ...['login-refused', 'protocol-violation'],
];
const IN_FLIGHT = 256; // deliveries in steps, so that one batch may hold many
const HELD_MOST = 64 * 2 ** 20; // bytes of deliveries that may wait for the answer about ourselves

/** What goes out on the link. */
export type LinkEffect = Exclude<Effect, { kind: 'event' | 'again' }>;

/** Why there is no connection, as plain values. */
export interface Trouble {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryMs: number | null;
}

export interface ConnectionOptions {
  readonly runner: Runner;
  readonly dial: (signal: AbortSignal) => Promise<Link>;
  readonly own: string;
  takeOver: boolean;
  readonly tell: (event: MessengerEvent) => void;
  /** The link is up and its user known. */
  readonly up: (link: Link) => void;
  readonly again?: { readonly minMs: number; readonly maxMs: number } | undefined;
}

export class ClientConnection {
  readonly #options: ConnectionOptions;
  #link: Link | null = null;
  #keys = new Map<number, number>(); // outbox keys, by the number of the Message on the link
  // 'checking': it is not known yet that no other store uses this identity; nothing is taken.
  #stage: 'down' | 'checking' | 'up' = 'down';
  #round = 0; // of `up` and `down`
  #held: Delivery[] = [];
  #heldBytes = 0;
  #attempt = 0;
  #retry: NodeJS.Timeout | null = null;
  #isOver = false;
  #dialling: Promise<void> | null = null;
  #giveUp = new AbortController(); // of a dial under way
  #trouble: Trouble | null = null;
  #taken = 0; // deliveries of this link
  #queue: number | null = null; // how many of them are what was queued; null: not told yet
  #isCaughtUp = false;
  #clockAhead: number | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get link(): Link | null {
    return this.#stage === 'up' ? this.#link : null;
  }

  get trouble(): Trouble | null {
    return this.#trouble;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  get clockAhead(): number | null {
    return this.#clockAhead;
  }

  /** Dials unless there is a link; fails only into events. */
  start(): void {
    if (this.#isOver || this.#link || this.#dialling) return;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    this.#dialling = this.#dial().finally(() => {
      this.#dialling = null;
    });
  }

  async #dial(): Promise<void> {
    try {
      const link = await this.#options.dial(this.#giveUp.signal);
      if (this.#isOver) return void (await link.close());
      this.#link = link;
      this.#taken = 0;
      void this.#events(link);
      void this.#deliveries(link);
      link.closed.then((error) => this.#closed(link, error));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Ends the link, and for a failure that may pass dials again later. */
  drop(error: unknown): void {
    const link = this.#link;
    if (!link || this.#isOver) return;
    this.#lose();
    link.close().catch(() => {});
    this.#failed(error);
  }

  /** Ends the link, or the dial under way, and dials anew: it may go another way now. */
  async redial(): Promise<void> {
    this.#giveUp.abort();
    await this.#dialling;
    const link = this.#link;
    this.#lose();
    this.#down(new FleximError('closed', 'another way was chosen'), 0);
    await link?.close();
    this.#giveUp = new AbortController();
    this.#attempt = 0;
    this.start();
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#giveUp.abort();
    if (this.#retry) clearTimeout(this.#retry);
    await this.#dialling;
    const link = this.#link;
    this.#lose();
    await link?.close();
  }

  #closed(link: Link, error: FleximError | null): void {
    if (this.#link !== link) return;
    this.#lose();
    this.#failed(error ?? new FleximError('closed', 'the link was closed'));
  }

  #lose(): void {
    this.#link = null;
    this.#reset();
  }

  #reset(): void {
    this.#stage = 'down';
    this.#round++;
    this.#held = [];
    this.#heldBytes = 0;
    this.#keys.clear();
    this.#queue = null;
    this.#isCaughtUp = false;
    void this.#step(down);
  }

  #failed(reason: unknown): void {
    if (this.#isOver) return;
    const error = isFleximError(reason)
      ? reason
      : new FleximError('connection-lost', `the connection failed: ${reason}`, reason);
    const { minMs, maxMs } = this.#options.again ?? AGAIN;
    const isFinal = FINAL.includes(error.code);
    const most = Math.min(maxMs, minMs * 2 ** Math.min(this.#attempt++, 20));
    const retryMs = isFinal ? null : Math.round(most * (0.5 + Math.random() / 2));
    this.#down(error, retryMs);
    if (retryMs === null || this.#retry) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.start();
    }, retryMs);
  }

  #down(error: FleximError, retryMs: number | null): void {
    this.#trouble = { code: error.code, message: error.message, retryMs };
    this.#options.tell({ kind: 'down', error, retryMs });
  }

  // ---- what comes ----

  async #events(link: Link): Promise<void> {
    for await (const event of link.events()) if (this.#link === link) this.#event(link, event);
  }

  #event(link: Link, event: LinkEvent): void {
    switch (event.kind) {
      case 'up':
        this.#reset();
        void this.#ready(link);
        return;
      case 'down':
        this.#reset();
        return this.#down(event.error, event.retryMs);
      case 'caught-up':
        this.#queue = event.deliveries;
        return this.#lookAtQueue(link);
      case 'queued':
      case 'full':
      case 'unknown': {
        const key = this.#keys.get(event.n);
        this.#keys.delete(event.n);
        if (key === undefined) return;
        void this.#step((core) =>
          event.kind === 'queued' ? queued(core, key) : notTaken(core, key),
        );
        return;
      }
      default:
        this.#direct(event);
    }
  }

  #direct(event: LinkEvent): void {
    const { tell } = this.#options;
    switch (event.kind) {
      case 'arrived':
        return void this.#step((core) => arrived(core, event));
      case 'left':
        return void this.#step((core) => left(core, event.key));
      case 'way':
        return void this.#step((core) => way(core, event));
      case 'presence':
        return tell({ kind: 'sign', peer: event.key, sign: event.isHere ? 'here' : 'away' });
      case 'plain':
        return tell(event);
      case 'trouble':
        return tell({ kind: 'warning', error: event.error, peer: event.key });
    }
  }

  /** Asks whether this identity is used elsewhere; only then the messenger is up. */
  async #ready(link: Link): Promise<void> {
    const { prekeys } = link;
    const { own, takeOver, tell } = this.#options;
    const { isDirect } = link; // now: of two ways in one it changes, and then there is another `up`
    const round = this.#round;
    try {
      if (!prekeys) throw new FleximError('command-refused', 'this relay keeps no prekeys');
      const self = isDirect ? null : await prekeys.peek(own);
      if (this.#link !== link || this.#round !== round) return;
      this.#stage = 'checking';
      await this.#options.runner.step((core) => {
        places(core);
        if (isDirect) return begin(core); // nobody there could know of another store
        this.#clockAhead = core.host.now() - link.self.lastSeen;
        login(core, { self, takeOver });
        if (link.show) showToo(core);
      });
      if (this.#link !== link || this.#round !== round) return;
      this.#stage = 'up';
      this.#options.takeOver = false; // once: the other one may come back
      this.#attempt = 0;
      this.#trouble = null;
      tell({ kind: 'up', relay: link.relay });
      this.#options.up(link);
      for (const delivery of this.#held.splice(0)) void this.#take(delivery);
      this.#lookAtQueue(link);
    } catch (error) {
      const isTransport = isFleximError(error) && TRANSPORT.includes(error.code);
      if (this.#link === link && this.#round === round && !isTransport) this.drop(error);
    }
  }

  async #deliveries(link: Link): Promise<void> {
    for await (const delivery of link.deliveries()) {
      if (this.#link !== link) return;
      this.#taken++;
      if (this.#stage === 'up') {
        const kept = this.#take(delivery);
        this.#lookAtQueue(link);
        if (this.#taken % IN_FLIGHT === 0) await kept;
      } else if (this.#hold(delivery) > HELD_MOST)
        this.drop(new FleximError('protocol-violation', 'the relay sends and does not answer'));
    }
  }

  #hold(delivery: Delivery): number {
    this.#held.push(delivery);
    this.#heldBytes += delivery.envelope.length;
    return this.#heldBytes;
  }

  /** Says it when the last of what was queued is on the disk. */
  #lookAtQueue(link: Link): void {
    if (this.#stage !== 'up' || this.#queue === null || this.#taken < this.#queue) return;
    this.#queue = null;
    void this.#step(() => {}).then(() => {
      if (this.#link !== link || this.#stage !== 'up') return;
      this.#isCaughtUp = true;
      this.#options.tell({ kind: 'caught-up' });
    });
  }

  /** Acknowledged when everything that follows from it is on the disk. */
  #take({ envelope, done }: Delivery): Promise<unknown> {
    let sender: string | null = null;
    return this.#step(
      (core) => {
        sender = deliver(core, envelope);
      },
      () => done(sender),
    );
  }

  /** A step that nobody waits for. What fails in it ends the link: what was not done comes again. */
  #step(work: (core: Core) => void, done?: () => void): Promise<void> {
    return this.#options.runner.step(work, done).catch((error) => this.drop(error));
  }

  // ---- what goes ----

  carryOut(effect: LinkEffect): void {
    const link = this.#stage === 'down' ? null : this.#link;
    if (!link?.prekeys) return;
    const { prekeys } = link;
    switch (effect.kind) {
      case 'transmit':
        return this.#transmit(link, effect);
      case 'show':
        return link.show?.(effect.spr);
      case 'know':
        return link.know?.(effect.place);
      case 'answered':
        return link.answered?.(effect.to, effect.id);
      case 'fetch': {
        const { of } = effect;
        this.#ask(
          link,
          prekeys.fetch(of),
          (core, got) => bundle(core, of, got),
          (core, pause) => notFetched(core, of, pause),
        );
        return;
      }
      case 'peek': {
        const { of } = effect;
        this.#ask(
          link,
          prekeys.peek(of),
          (core, got) => peeked(core, of, got),
          (core, pause) => notPeeked(core, of, pause),
        );
        return;
      }
      case 'peek-self':
        return this.#ask(link, prekeys.peek(this.#options.own), (core, got) =>
          peekedSelf(core, got, false),
        );
      case 'publish':
        return this.#ask(
          link,
          prekeys.publish(effect.spr, effect.otks),
          link.isDirect ? () => {} : published,
          (core) => core.effects.push({ kind: 'peek-self' }),
        );
      case 'count':
        return this.#ask(link, prekeys.count(), counted);
    }
  }

  #transmit(link: Link, effect: Extract<Effect, { kind: 'transmit' }>): void {
    const { key, to, bytes, awaits } = effect;
    try {
      const n = link.send(to, bytes, { live: key === null, awaits });
      if (key !== null) this.#keys.set(n, key);
    } catch (error) {
      if (!isFleximError(error)) throw error; // it is in the outbox, and goes at the next login
    }
  }

  #ask<T>(
    link: Link,
    answer: Promise<T>,
    take: (core: Core, answer: T) => void,
    refused: (core: Core, pause: number) => void = () => {}, // in seconds, as the relay wants it
  ): void {
    answer
      .then(
        (got) => (this.#link === link ? this.#step((core) => take(core, got)) : undefined),
        (error: unknown) => {
          if (!isFleximError(error)) throw error;
          const isRefusal = error.code === 'command-refused' || error.code === 'slow-down';
          if (this.#link === link && isRefusal)
            return this.#step((core) => refused(core, pauseOf(error)));
        },
      )
      .catch((error: unknown) => {
        if (this.#link === link) this.drop(error);
      });
  }
}

function pauseOf({ code, cause }: FleximError): number {
  return code === 'slow-down' ? (cause as { readonly seconds: number }).seconds : 0;
}
