// The messenger's own rules in the place of the model's client: sealed records in a store of bytes, read
// back by a new process after each crash. Commits are made at once, so that the scheduler stays the one
// who says when a process dies.

import { begin, type Core, down, type Effect, newCore } from '../../src/client/core.ts';
import { messageOf } from '../../src/client/lines.ts';
import { bundle, peeked } from '../../src/client/opening.ts';
import { counted, peekedSelf, published } from '../../src/client/own.ts';
import { activeOf, peerOf } from '../../src/client/peers.ts';
import { deliver } from '../../src/client/receiving.ts';
import type { InitRow, Line } from '../../src/client/records.ts';
import { login, settle, tick } from '../../src/client/rounds.ts';
import { live, notTaken, pump, queued, say } from '../../src/client/sending.ts';
import { type Opened, openState, pair } from '../../src/client/state.ts';
import { Vault } from '../../src/client/vault.ts';
import type { Identity } from '../../src/crypto/identity.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { encodeContent } from '../../src/fe1/content.ts';
import type { Session } from '../../src/fe1/ratchet.ts';
import { isDue } from '../../src/fe1/sessions.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { MemoryStore } from '../client/memory.ts';
import type { Host, Link } from './client.ts';
import type { Down, Up } from './relay.ts';
import type { Row } from './store.ts';

const BLOCK = 2; // lines, so that even short histories have some
const STORE_KEY = new Uint8Array(32).fill(0x5e);

/** What is left of a process, and what the checks want to see of it. */
export class RealStore {
  readonly disk = new MemoryStore();
  readonly openings = new Map<number, string>();
  #vault = new Vault(this.disk, STORE_KEY, randomBytes);
  opened: Opened = this.open();

  open(): Opened {
    this.#vault = new Vault(this.disk, STORE_KEY, randomBytes);
    this.opened = openState(this.#vault, 'model', BLOCK);
    return this.opened;
  }

  /** At once. */
  commit(): void {
    const { writes, kept } = this.opened.plan();
    void this.#vault.write(writes);
    kept();
    this.opened.journal.clear();
  }

  get state() {
    const { state } = this.opened;
    const textOf = (X: string, order: number) => this.#text(X, order);
    const view = (row: { to: string; id: string; order: number }) =>
      [row.id, { ...row, text: textOf(row.to, row.order) }] as const;
    return {
      waiting: new Map(state.waiting.values().map(view)),
      sent: new Map(state.sent.values().map(view)),
      rows: this.#rows(),
      openings: this.openings,
    };
  }

  #text(X: string, order: number): string {
    return String(messageOf(this.opened.state.lines.get(pair(X, String(order))) as Line).body);
  }

  #rows(): Map<number, Row> {
    const rows = new Map<number, Row>();
    for (const X of this.opened.state.contacts.values().map(({ key }) => key))
      for (const line of this.opened.linesOf(X)) {
        if (line.out) continue;
        const { id, at, order, body } = messageOf(line);
        rows.set(order, { at, from: X, id, text: String(body) });
      }
    return new Map([...rows].sort(([a], [b]) => a - b));
  }
}

export class RealClient {
  readonly identity: Identity;
  readonly store: RealStore;
  readonly #host: Host;
  readonly #core: Core;
  readonly #opened: Opened;
  #link: Link | null = null;
  #numbers: (number | null)[] = [];
  #taken = 0;

  constructor(identity: Identity, store: RealStore, host: Host) {
    this.identity = identity;
    this.store = store;
    this.#host = host;
    this.#opened = store.open();
    this.#core = newCore(identity, this.#opened.state, {
      ...{ random: host.random, now: () => host.now(), count: (what) => host.count(what) },
      sizes: { room: host.room, liveRoom: 5, otkBatch: 2, otkLow: 2, block: BLOCK },
      sealed: (session, envelope) => host.sealed(session, envelope),
    });
    begin(this.#core);
    store.commit();
    const { state } = this.#core;
    if (host.mutant === 'no id memory') {
      const { get } = state.places;
      state.places.get = (id) => (id.startsWith('in:') ? undefined : get.call(state.places, id));
    }
    if (host.mutant === 'no INIT memory') state.inits.get = () => undefined;
  }

  say(to: string, text: string): string {
    const id = this.#host.random(16);
    const message = { id, date: 0, flags: [], msg: text };
    const { content } = encodeContent({ kind: 'message', message });
    this.#step((core) => void say(core, to, toHex(id), content));
    return toHex(id);
  }

  sign(to: string): void {
    this.#step((core) => void live(core, to, { kind: 'sign', sign: 'typing' }));
  }

  active(X: string): Session | null {
    return activeOf(this.#core, X);
  }

  isDue(X: string): boolean {
    return isDue(peerOf(this.#core, X));
  }

  get unsettled(): number {
    return this.#core.state.waiting.size + this.#core.state.sent.size;
  }

  login(link: Link): void {
    this.logout();
    this.#link = link;
    this.#send({ kind: 'peek', of: this.identity.hex });
  }

  logout(): void {
    this.#link = null;
    this.#numbers = [];
    this.#taken = 0;
    down(this.#core);
  }

  take(frame: Down): void {
    switch (frame.kind) {
      case 'deliver':
        this.#step((core) => deliver(core, frame.item.bytes), true);
        return;
      case 'queued':
      case 'full': {
        const key = this.#numbers[frame.number - 1] ?? null;
        if (key !== null)
          this.#step((core) => (frame.kind === 'full' ? notTaken(core, key) : queued(core, key)));
        return;
      }
      case 'bundle': {
        const { of, spr, otk } = frame;
        return this.#step((core) => bundle(core, of, spr && { spr, otk }));
      }
      case 'peeked':
        if (frame.of !== this.identity.hex)
          return this.#step((core) => peeked(core, frame.of, frame.spr));
        return this.#step((core) => {
          const takeOver = core.state.own.get('own')?.published === false;
          if (core.isUp) peekedSelf(core, frame.spr, takeOver);
          else login(core, { self: frame.spr, takeOver });
        });
      case 'put':
        return this.#step(published);
      case 'count':
        return this.#step((core) => counted(core, frame.held));
      case 'refused':
        this.#send({ kind: 'peek', of: this.identity.hex });
    }
  }

  tick(): void {
    this.#step(tick);
  }

  pump(X: string): void {
    this.#step((core) => pump(core, X));
  }

  // ---- one step: the runner's order, with the places where a process dies ----

  #step(work: (core: Core) => void, received = false): void {
    const core = this.#core;
    const { journal } = this.#opened;
    core.effects = [];
    work(core);
    settle(core);
    const effects = core.effects;
    const early = this.#host.mutant === 'transmit before commit';
    if (early) for (const effect of effects) this.#carryOut(effect);
    try {
      this.#host.point('before commit');
    } catch (error) {
      journal.undoTo(0); // what the store does not hold dies with the process
      throw error;
    }
    const openings = journal.changes().filter(({ table }) => table === 'inits');
    for (const { id, value } of openings)
      if ((value as InitRow | undefined)?.sid) this.#noteOpening(id);
    this.store.commit();
    this.#host.point('after commit');
    if (received) {
      this.#taken++;
      this.#send({ kind: 'ack', count: this.#taken });
      this.#host.point('after ack');
    }
    if (!early) for (const effect of effects) this.#carryOut(effect);
  }

  #noteOpening(iid: string): void {
    this.store.openings.set(this.store.openings.size, iid);
  }

  #carryOut(effect: Effect): void {
    if (!this.#link) return;
    switch (effect.kind) {
      case 'transmit': {
        const { key, to, bytes } = effect;
        this.#numbers.push(key);
        this.#host.transmitted(bytes);
        this.#send({ kind: 'send', to, bytes, live: key === null });
        this.#host.point('after transmit');
        return;
      }
      case 'fetch':
        return this.#send({ kind: 'get', of: effect.of });
      case 'peek':
        return this.#send({ kind: 'peek', of: effect.of });
      case 'publish':
        return this.#send({ kind: 'put', spr: effect.spr, otks: effect.otks });
      case 'count':
        return this.#send({ kind: 'count' });
    }
  }

  #send(frame: Up): void {
    this.#link?.send(frame);
  }
}

export const REAL = {
  store: () => new RealStore(),
  start: (identity: Identity, store: unknown, host: Host) =>
    new RealClient(identity, store as RealStore, host),
};
