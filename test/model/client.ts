// The model's client: FE1 as docs/protocols/fe1.md §8 to §11 wants it, on the pure functions
// of src/fe1 and a store in memory. Everything that the store does not hold dies with the object.
//
//   sending    compute, ONE commit {session, outbox, plaintext}, transmit, transport ack, delete
//   receiving  compute, ONE commit {session, row, ids, iid, OTK gone, receipt owed}, ack to the relay

import type { Identity } from '../../src/crypto/identity.ts';
import { RELAY_TTL, SPR_LIFE, SPR_ROTATION } from '../../src/fe1/constants.ts';
import {
  type Content,
  encodeContent,
  type MessageContent,
  parseContent,
} from '../../src/fe1/content.ts';
import type { Plaintext } from '../../src/fe1/envelope.ts';
import { initiate } from '../../src/fe1/handshake.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  makeOneTimePrekey,
  makeSignedPrekey,
  parseSignedPrekey,
  type SignedPrekey,
  seenBundle,
} from '../../src/fe1/prekeys.ts';
import type { Random } from '../../src/fe1/random.ts';
import { encrypt, expire, type Session } from '../../src/fe1/ratchet.ts';
import {
  activeSession,
  admit,
  hasRoom,
  heardGen,
  isDue,
  isStale,
  lostItsState,
  nextGen,
  type Peer,
  type Received,
  receiptSession,
  receive,
  used,
} from '../../src/fe1/sessions.ts';
import { decodeSession, encodeSession } from '../../src/fe1/state.ts';
import { sameBytes, toHex } from '../../src/lib/bytes.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import type { Down, Up } from './relay.ts';
import type { OutRow, SentRow, SessionRow, SprRow, State, Store, WaitRow } from './store.ts';

/** Mistakes to plant. `no resend` alone is no more than the measure for the one that needs it. */
export type Mutant =
  | 'transmit before commit'
  | 'acknowledge before commit, no resend'
  | 'no resend'
  | 'no id memory'
  | 'no INIT memory'
  | 'insertion order';

export type Point = 'before commit' | 'after commit' | 'after transmit' | 'after ack';

/** What the world gives to a client, and what it watches. */
export interface Host {
  readonly random: Random;
  readonly mutant: Mutant | null;
  /** Envelopes that a session takes without an answer: really 500. */
  readonly room: number;
  now(): number;
  /** A persistence point; throws when the process is to die here. */
  point(point: Point): void;
  sealed(session: Session, envelope: Uint8Array): void;
  transmitted(envelope: Uint8Array): void;
  count(what: string): void;
}

export interface Link {
  send(frame: Up): void;
}

interface Outgoing {
  readonly key: number | null; // in the outbox; null for /live
  readonly to: string;
  readonly bytes: Uint8Array;
}

interface Backoff {
  readonly at: number;
  readonly wait: number;
}

const HOUR = 3_600;
const DAY = 86_400;
export const ID_MEMORY = 60 * DAY;
const UNANSWERED_INIT = 48 * HOUR;
const SILENCE = 7 * DAY;
const LIVE_FRESH = 300;
// Small ones, so that short runs meet them; the real ones are 100, 32 and 16.
const LIVE_ROOM = 5;
const OTK_BATCH = 2;
const OTK_LOW = 1;

export class Client {
  readonly identity: Identity;
  readonly store: Store;
  readonly #host: Host;
  #decoded = new WeakMap<Uint8Array, Session>();
  #link: Link | null = null;
  #numbers: (number | null)[] = []; // outbox keys, by the Message's number on this connection
  #taken = 0;
  #asked = new Set<string>();
  #peeks = new Map<string, Backoff>();
  #refused = new Map<number, Backoff>();

  constructor(identity: Identity, store: Store, host: Host) {
    this.identity = identity;
    this.store = store;
    this.#host = host;
  }

  get #now(): number {
    return this.#host.now();
  }

  // ---- what the application does ----

  say(to: string, text: string): string {
    const id = toHex(this.#host.random(16));
    this.#transact((draft) => {
      draft.waiting.set(this.#next(draft), { to, id, text });
      return this.#pump(draft, to);
    });
    this.#wake(to);
    return id;
  }

  /** "typing", only to one who was heard on this session just now, and never kept. */
  sign(to: string): void {
    const session = this.active(to);
    const row = session && this.store.state.sessions.get(toHex(session.sid));
    if (!this.#link || !row || isDue(this.#peer(this.store.state, to))) return;
    if (row.heardAt < this.#now - LIVE_FRESH || !hasRoom(session, LIVE_ROOM)) return;
    this.#host.count('live');
    this.#transact((draft) => {
      const plaintext = encodeContent({ kind: 'sign', sign: 'typing' });
      return [{ key: null, to, bytes: this.#encrypt(draft, session, plaintext) }];
    });
  }

  /** The session that the next message to this peer goes out on. */
  active(X: string): Session | null {
    return this.#active(this.store.state, X);
  }

  isDue(X: string): boolean {
    return isDue(this.#peer(this.store.state, X));
  }

  /** Messages that nobody has confirmed. */
  get unsettled(): number {
    const { waiting, sent } = this.store.state;
    return waiting.size + sent.size;
  }

  // ---- the connection ----

  login(link: Link): void {
    this.logout();
    this.#link = link;
    this.#send({ kind: 'peek', of: this.identity.hex });
    const draft = this.store.begin();
    // Nobody confirms what is passed on to a live connection, and nothing will receipt a receipt:
    // such envelopes are sent at two logins. When they are lost all the same, the peer asks again.
    for (const [key, row] of draft.outbox) {
      if (row.id === null && row.logins >= 2) draft.outbox.delete(key);
      else draft.outbox.set(key, { ...row, logins: row.logins + 1 });
    }
    this.#commit(draft);
    this.#transmit([...draft.outbox].map(([key, { to, bytes }]) => ({ key, to, bytes })));
  }

  logout(): void {
    this.#link = null;
    this.#numbers = [];
    this.#taken = 0;
    this.#asked.clear();
    this.#refused.clear();
  }

  /** A frame from the relay. */
  take(frame: Down): void {
    switch (frame.kind) {
      case 'deliver':
        return this.#deliver(frame.item.bytes);
      case 'queued':
        return this.#queued(this.#numbers[frame.number - 1] ?? null);
      case 'full': {
        const key = this.#numbers[frame.number - 1] ?? null;
        const wait = Math.min(2 * (this.#refused.get(key ?? 0)?.wait ?? 2.5), 300);
        if (key !== null) this.#refused.set(key, { at: this.#now + wait, wait });
        return;
      }
      case 'bundle':
        return this.#bundle(frame.of, frame.spr, frame.otk);
      case 'peeked':
        if (frame.of === this.identity.hex) return this.#peekedSelf(frame.spr);
        return this.#peeked(frame.of, frame.spr);
      case 'put':
        return this.#published();
      case 'count':
        if (frame.held <= OTK_LOW) this.#publish();
        return;
      case 'refused':
        this.#send({ kind: 'peek', of: this.identity.hex });
    }
  }

  /** What time brings. */
  tick(): void {
    this.#forgetOld();
    const { state } = this.store;
    const newest = this.#newestSpr();
    if (this.#link && newest && state.own.published && newest.madeAt <= this.#now - SPR_ROTATION) {
      this.#host.count('SPR rotated');
      this.#makeSpr(newest.own.record.seq + 1);
      this.#publish();
    }
    for (const [key, { at, wait }] of this.#refused)
      if (at <= this.#now) {
        this.#refused.set(key, { at: Number.POSITIVE_INFINITY, wait });
        const row = state.outbox.get(key);
        if (row) this.#transmit([{ key, to: row.to, bytes: row.bytes }]);
      }
    const people = new Set(state.peers.keys());
    for (const { to } of state.waiting.values()) people.add(to);
    for (const X of people) {
      this.#transact((draft) => this.#pump(draft, X));
      this.#resend(X);
      this.#wake(X);
      this.#peek(X);
    }
  }

  // ---- transactions ----

  /** Compute, commit, acknowledge what was received, transmit; with the points where a process dies. */
  #transact(work: (draft: State) => readonly Outgoing[], received = false): void {
    const { mutant } = this.#host;
    const draft = this.store.begin();
    const outgoing = work(draft);
    const early = mutant === 'transmit before commit';
    const hasty = received && mutant === 'acknowledge before commit, no resend';
    if (early) this.#transmit(outgoing);
    if (hasty) this.#acknowledge();
    this.#commit(draft);
    if (received && !hasty) this.#acknowledge();
    if (!early) this.#transmit(outgoing);
  }

  #commit(draft: State): void {
    this.#host.point('before commit');
    this.store.commit(draft);
    this.#host.point('after commit');
  }

  #acknowledge(): void {
    this.#taken++;
    this.#send({ kind: 'ack', count: this.#taken });
    this.#host.point('after ack');
  }

  #transmit(outgoing: readonly Outgoing[]): void {
    if (!this.#link) return;
    for (const { key, to, bytes } of outgoing) {
      this.#numbers.push(key);
      this.#host.transmitted(bytes);
      this.#send({ kind: 'send', to, bytes, live: key === null });
      this.#host.point('after transmit');
    }
  }

  #send(frame: Up): void {
    this.#link?.send(frame);
  }

  #next(draft: State): number {
    const { next } = draft.own;
    draft.own = { ...draft.own, next: next + 1 };
    return next;
  }

  // ---- sessions in the store ----

  #session({ bytes }: SessionRow): Session {
    const session = this.#decoded.get(bytes) ?? decodeSession(bytes);
    this.#decoded.set(bytes, session);
    return session;
  }

  /** Most recently used first. */
  #rows(state: State): SessionRow[] {
    return [...state.sessions.values()].sort((a, b) => b.usedAt - a.usedAt);
  }

  #peer(state: State, X: string): Peer {
    const rows = this.#rows(state).filter(({ peer }) => peer === X);
    const maxGen = state.peers.get(X)?.maxGen ?? 0;
    return { maxGen, sessions: rows.map((row) => this.#session(row)) };
  }

  #active(state: State, X: string): Session | null {
    if (this.#host.mutant !== 'insertion order')
      return activeSession(this.#peer(state, X).sessions);
    const rows = this.#rows(state).filter(({ peer }) => peer === X);
    const last = rows.sort((a, b) => b.born - a.born)[0];
    return last ? this.#session(last) : null;
  }

  /** Keeps a peer whose first session was just used. */
  #keep(draft: State, X: string, { maxGen, sessions }: Peer): void {
    const before = draft.peers.get(X) ?? { maxGen: 0, seen: null, heardAt: 0 };
    draft.peers.set(X, { ...before, maxGen });
    for (const [sid, { peer }] of draft.sessions)
      if (peer === X && !sessions.some((each) => toHex(each.sid) === sid)) this.#forget(draft, sid);
    const senior = activeSession(sessions);
    for (const session of sessions) {
      const sid = toHex(session.sid);
      const row = draft.sessions.get(sid);
      const isSame = row && this.#session(row) === session;
      const bytes = isSame ? row.bytes : encodeSession(session);
      this.#decoded.set(bytes, session);
      const supersededAt = session === senior ? null : (row?.supersededAt ?? this.#now);
      const usedAt = session === sessions[0] ? this.#next(draft) : (row?.usedAt ?? 0);
      const fresh = { peer: X, born: usedAt, openedAt: this.#now, heardAt: 0 };
      draft.sessions.set(sid, { ...(row ?? fresh), bytes, usedAt, supersededAt });
    }
  }

  #forget(draft: State, sid: string): void {
    draft.sessions.delete(sid);
    this.#host.count('session dropped');
    for (const [iid, row] of draft.inits)
      if (row.sid === sid) draft.inits.set(iid, { ...row, sid: null });
  }

  #encrypt(draft: State, session: Session, plaintext: Plaintext): Uint8Array {
    const X = toHex(session.peerX);
    const sealed = encrypt(session, plaintext, this.#host.random);
    this.#host.sealed(sealed.session, sealed.envelope);
    this.#keep(draft, X, used(this.#peer(draft, X), sealed.session));
    return sealed.envelope;
  }

  // ---- sending ----

  /** Encrypts on a session, by default the active one, into the outbox. */
  #post(draft: State, X: string, content: Exclude<Content, { kind: 'unknown' }>, on?: Session) {
    const session = on ?? (this.#active(draft, X) as Session);
    const bytes = this.#encrypt(draft, session, encodeContent(content));
    const key = this.#next(draft);
    const id = content.kind === 'message' ? toHex(content.message.id) : null;
    draft.outbox.set(key, { to: X, bytes, id, logins: this.#link ? 1 : 0 });
    return { key, to: X, bytes, session };
  }

  /** Receipts that are owed, then plaintext that waits, as far as the session has room. */
  #pump(draft: State, X: string): Outgoing[] {
    const out: Outgoing[] = [];
    if (isDue(this.#peer(draft, X))) return out; // a bundle is asked for first
    out.push(...this.#receipts(draft, X));
    const waiting = [...draft.waiting].filter(([, { to }]) => to === X).sort(([a], [b]) => a - b);
    for (const [order, row] of waiting) {
      if (!hasRoom(this.#active(draft, X) as Session, this.#host.room)) {
        this.#host.count('no room');
        break;
      }
      draft.waiting.delete(order);
      out.push(this.#message(draft, { ...row, order, tries: 0 }));
    }
    return out;
  }

  #receipts(draft: State, X: string): Outgoing[] {
    const owed = [...draft.owed].filter(([, { peer }]) => peer === X).slice(0, 64);
    const row = draft.sessions.get(owed.at(-1)?.[1].sid ?? '');
    const active = this.#active(draft, X) as Session;
    const { sessions } = this.#peer(draft, X);
    const session = row ? receiptSession(sessions, this.#session(row)) : active;
    if (owed.length === 0 || !hasRoom(session, this.#host.room)) return [];
    for (const [id] of owed) draft.owed.delete(id);
    const ids = owed.map(([id]) => fromHex(id));
    return [this.#post(draft, X, { kind: 'receipt', ids }, session)];
  }

  /** Encrypts a message for the first time or again: a new envelope with the same id. */
  #message(draft: State, row: WaitRow & Pick<SentRow, 'order' | 'tries'>): Outgoing {
    const { to, id, text, order, tries } = row;
    const message = { id: fromHex(id), date: 0, flags: [], msg: text };
    const { session, ...out } = this.#post(draft, to, { kind: 'message', message });
    draft.sent.set(id, {
      ...{ to, id, text, order, tries },
      sid: toHex(session.sid),
      install: session.peerInstall,
      at: this.#now,
      heard: null,
      queuedAt: null,
      out: out.key,
    });
    return out;
  }

  #queued(key: number | null): void {
    const row = key === null ? undefined : this.store.state.outbox.get(key);
    if (key === null || !row) return;
    this.#transact((draft) => {
      draft.outbox.delete(key);
      const sent = row.id === null ? undefined : draft.sent.get(row.id);
      if (sent?.out === key) draft.sent.set(sent.id, { ...sent, queuedAt: this.#now });
      return [];
    });
  }

  #sentTo(X: string): SentRow[] {
    const rows = [...this.store.state.sent.values()].filter(({ to }) => to === X);
    return rows.sort((a, b) => a.order - b.order);
  }

  /** What may be encrypted again: not what the relay has safely for a peer who was not there since. */
  #mayResend({ queuedAt, heard }: SentRow): boolean {
    return queuedAt === null || heard !== null || queuedAt <= this.#now - RELAY_TTL;
  }

  get #neverResends(): boolean {
    return this.#host.mutant?.endsWith('no resend') === true;
  }

  #resend(X: string): void {
    if (!this.#link || this.#neverResends) return;
    const isOverdue = ({ at, tries }: SentRow) =>
      this.#now - at >= Math.min(HOUR * 2 ** tries, DAY);
    const rows = this.#sentTo(X).filter((row) => isOverdue(row) && this.#mayResend(row));
    const active = this.active(X);
    if (rows.length === 0 || !active || this.isDue(X)) return;
    if (!hasRoom(active, this.#host.room)) return;
    this.#transact((draft) => {
      const out: Outgoing[] = [];
      for (const row of rows) {
        if (!hasRoom(this.#active(draft, X) as Session, this.#host.room)) break;
        this.#host.count('resent');
        out.push(this.#message(draft, { ...row, tries: row.tries + 1 }));
      }
      return out;
    });
  }

  // ---- receiving ----

  #deliver(envelope: Uint8Array): void {
    const { state } = this.store;
    const sessions = this.#rows(state).map((row) => this.#session(row));
    let received: Received;
    try {
      const spr = (id: number) => state.sprs.get(id)?.own ?? null;
      const otk = (id: number) => state.otks.get(id) ?? null;
      const byInit = (iid: string) => this.#byInit(state, iid, envelope, sessions);
      const receiver = { identity: this.identity, spr, otk, sessions, byInit };
      received = receive(envelope, receiver, this.#now);
    } catch (error) {
      if (!isFleximError(error)) throw error;
      this.#host.count(error.code);
      this.#acknowledge();
      return;
    }
    const X = toHex(received.session.peerX);
    const pin = state.peers.get(X)?.seen;
    if (pin && !sameBytes(pin.E, received.session.peerE)) throw new TypeError('nobody has -E here');
    this.#transact((draft) => this.#accept(draft, X, received), true);
    this.#transact((draft) => this.#pump(draft, X));
    this.#wake(X);
  }

  #byInit(state: State, iid: string, envelope: Uint8Array, sessions: readonly Session[]) {
    if (this.#host.mutant === 'no INIT memory') return this.#byTrial(envelope, sessions);
    const row = state.inits.get(iid);
    if (!row) return undefined;
    const session = row.sid === null ? undefined : state.sessions.get(row.sid);
    if (!session) this.#host.count('INIT of a dropped session');
    return session ? this.#session(session) : null;
  }

  /** What one might do instead of remembering: see whether a session opens the INIT's body. */
  #byTrial(envelope: Uint8Array, sessions: readonly Session[]): Session | undefined {
    const asMessage = new Uint8Array(envelope.length - 1248);
    asMessage.set(envelope.subarray(0, 3));
    asMessage[3] = 2;
    asMessage.set(envelope.subarray(1252), 4);
    return sessions.find((session) => {
      const one = {
        identity: this.identity,
        spr: () => null,
        otk: () => null,
        sessions: [session],
        byInit: () => undefined,
      };
      try {
        return receive(asMessage, one, this.#now).before !== null;
      } catch (error) {
        return isFleximError(error, 'envelope-duplicate');
      }
    });
  }

  #accept(draft: State, X: string, received: Received): Outgoing[] {
    const { session, plaintext, opened } = received;
    if (opened) {
      const sid = toHex(session.sid);
      draft.inits.set(opened.iid, { peer: X, sid, spkId: opened.spkId });
      draft.openings.set(this.#next(draft), opened.iid);
      draft.otks.delete(opened.otkId);
      this.#host.count(opened.otkId === 0 ? 'INIT without one-time key' : 'INIT');
    }
    const { peer, answerGen } = admit(this.#peer(draft, X), received);
    this.#keep(draft, X, peer);
    this.#heard(draft, X, session);
    const content = parseContent(plaintext);
    if (content.kind === 'message') this.#got(draft, session, content.message);
    if (content.kind === 'receipt') for (const id of content.ids) this.#receipted(draft, X, id);
    const raised = content.kind === 'gen' ? heardGen(this.#peer(draft, X), content.gen) : null;
    if (raised) this.#keep(draft, X, raised);
    if (raised) this.#host.count('GEN heeded');
    if (answerGen === null) return [];
    this.#host.count('GEN sent');
    return [this.#post(draft, X, { kind: 'gen', gen: answerGen }, session)];
  }

  #heard(draft: State, X: string, session: Session): void {
    const sid = toHex(session.sid);
    const row = draft.sessions.get(sid);
    if (row) draft.sessions.set(sid, { ...row, heardAt: this.#now });
    const peer = draft.peers.get(X);
    if (peer) draft.peers.set(X, { ...peer, heardAt: this.#now });
    for (const [id, sent] of draft.sent)
      if (sent.to === X && sent.heard === null) draft.sent.set(id, { ...sent, heard: this.#now });
  }

  #got(draft: State, session: Session, { id, msg }: MessageContent): void {
    const X = toHex(session.peerX);
    const sid = toHex(session.sid);
    const name = toHex(id);
    const key = `${X}:${name}`;
    draft.owed.set(name, { peer: X, sid });
    if (draft.seen.has(key) && this.#host.mutant !== 'no id memory') {
      this.#host.count('known id');
      return;
    }
    draft.seen.set(key, this.#now);
    draft.rows.set(this.#next(draft), { at: this.#now, from: X, id: name, text: String(msg) });
  }

  /** A receipt ends every copy: in the outbox, and what waits to be encrypted once more. */
  #receipted(draft: State, X: string, receipt: Uint8Array): void {
    const id = toHex(receipt);
    const isIt = (row: OutRow | WaitRow) => row.id === id && row.to === X;
    for (const [key, row] of draft.outbox) if (isIt(row)) draft.outbox.delete(key);
    for (const [key, row] of draft.waiting) if (isIt(row)) draft.waiting.delete(key);
    if (draft.sent.get(id)?.to === X) draft.sent.delete(id);
  }

  // ---- opening sessions ----

  /** Why a new session is wanted, or null; `install` is what a verified record says. */
  #reason(X: string, install: Uint8Array | null): string | null {
    const active = this.active(X);
    const rows = this.#sentTo(X).filter((row) => this.#mayResend(row));
    if (!active) return 'none yet';
    if (this.isDue(X)) return 'GEN';
    if (install && lostItsState(active, install)) return 'lost state';
    const openedAt = this.store.state.sessions.get(toHex(active.sid))?.openedAt ?? 0;
    if (active.init && openedAt <= this.#now - UNANSWERED_INIT && rows.length > 0)
      return 'INIT unanswered';
    const isDeaf = ({ tries, heard }: SentRow) =>
      tries > 0 && heard !== null && heard <= this.#now - HOUR;
    if (rows.some(isDeaf)) return 'resend did not help';
    const isBlocked = rows.length < this.#sentTo(X).length;
    if (!hasRoom(active, this.#host.room) && !isBlocked && this.#isStuck(X, active, rows))
      return 'full';
    return null;
  }

  /**
   * A full session whose chain does not turn, though nothing is known to be on its way: the peer may
   * have receipted everything on another session, and receipts themselves are never receipted.
   */
  #isStuck(X: string, { sid }: Session, rows: readonly SentRow[]): boolean {
    if (rows.length > 0) return rows.some(({ at }) => at <= this.#now - DAY);
    const { sessions, waiting, owed } = this.store.state;
    const row = sessions.get(toHex(sid));
    const isWaiting =
      [...waiting.values()].some(({ to }) => to === X) ||
      [...owed.values()].some(({ peer }) => peer === X);
    return isWaiting && Math.max(row?.openedAt ?? 0, row?.heardAt ?? 0) <= this.#now - HOUR;
  }

  /** Asks for a bundle when a new session is wanted. */
  #wake(X: string): void {
    if (!this.#link || this.#asked.has(X)) return;
    const { peers, waiting } = this.store.state;
    if (!peers.has(X) && ![...waiting.values()].some(({ to }) => to === X)) return;
    if (!this.#reason(X, null)) return;
    this.#asked.add(X);
    this.#send({ kind: 'get', of: X });
  }

  #check(X: string, bytes: Uint8Array | null): SignedPrekey | null {
    if (!bytes) return null;
    const seen = this.store.state.peers.get(X)?.seen ?? null;
    try {
      return checkSignedPrekey(bytes, { X: fromHex(X), now: this.#now, seen });
    } catch (error) {
      if (!isFleximError(error, 'bundle-rejected')) throw error;
      this.#host.count(error.code);
      return null;
    }
  }

  #bundle(X: string, sprBytes: Uint8Array | null, otkBytes: Uint8Array | null): void {
    this.#asked.delete(X);
    const spr = this.#check(X, sprBytes);
    if (!spr) return;
    const reason = this.#reason(X, spr.install);
    if (!reason) return this.#pin(X, spr);
    this.#host.count(`new session: ${reason}`);
    const otk = otkBytes && checkOneTimePrekey(otkBytes, spr);
    this.#transact((draft) => {
      const peer = this.#peer(draft, X);
      const { install } = draft.own;
      const options = { identity: this.identity, install, gen: nextGen(peer), spr, otk };
      const session = initiate(options, this.#host.random);
      this.#keep(draft, X, used(peer, session));
      const row = draft.peers.get(X);
      if (row) draft.peers.set(X, { ...row, seen: seenBundle(spr) });
      this.#waitAgain(draft, X, spr);
      const out = this.#pump(draft, X);
      return out.length > 0 ? out : [this.#post(draft, X, { kind: 'noop' })];
    });
  }

  /** What lacks its receipt goes on the new session, in its old order, but for what is still queued. */
  #waitAgain(draft: State, X: string, { install }: SignedPrekey): void {
    if (this.#neverResends) return;
    for (const row of this.#sentTo(X)) {
      const { to, id, text, order } = row;
      if (!this.#mayResend(row) && sameBytes(row.install, install)) continue;
      draft.sent.delete(id);
      draft.waiting.set(order, { to, id, text });
    }
  }

  #pin(X: string, spr: SignedPrekey): void {
    const row = this.store.state.peers.get(X);
    if (row?.seen?.seq === spr.seq) return;
    this.#transact((draft) => {
      const fresh = { maxGen: 0, heardAt: 0 };
      draft.peers.set(X, { ...(row ?? fresh), seen: seenBundle(spr) });
      return [];
    });
  }

  /** Looks whether a peer lost its state: when a receipt is late, or after long silence. */
  #peek(X: string): void {
    if (!this.#link || !this.active(X)) return;
    const late = this.#sentTo(X).some(({ at, tries }) => tries > 0 || at <= this.#now - HOUR);
    const heardAt = this.store.state.peers.get(X)?.heardAt ?? 0;
    const { at, wait } = this.#peeks.get(X) ?? { at: heardAt, wait: HOUR / 2 };
    if (!(late && at + wait <= this.#now) && Math.max(at, heardAt) > this.#now - SILENCE) return;
    this.#peeks.set(X, { at: this.#now, wait: Math.min(wait * 2, DAY) });
    this.#host.count('peek');
    this.#send({ kind: 'peek', of: X });
  }

  #peeked(X: string, bytes: Uint8Array | null): void {
    const spr = this.#check(X, bytes);
    if (!spr) return;
    this.#pin(X, spr);
    if (!this.#reason(X, spr.install) || this.#asked.has(X)) return;
    this.#asked.add(X);
    this.#send({ kind: 'get', of: X });
  }

  // ---- our own prekeys ----

  #newestSpr(): SprRow | null {
    return (
      [...this.store.state.sprs.values()].find(({ replacedAt }) => replacedAt === null) ?? null
    );
  }

  #peekedSelf(bytes: Uint8Array | null): void {
    const held = bytes && parseSignedPrekey(bytes);
    const { own } = this.store.state;
    const newest = this.#newestSpr();
    const seq = newest?.own.record.seq ?? 0;
    const isForeign = held !== null && !sameBytes(held.install, own.install);
    if (held && isForeign && own.published && held.seq >= seq) {
      this.#host.count('identity elsewhere');
      return;
    }
    if (held && !isForeign) this.#published();
    if (!newest || (held && isForeign && held.seq >= seq)) this.#makeSpr((held?.seq ?? 0) + 1);
    if (held && !isForeign && held.seq === seq) this.#send({ kind: 'count' });
    else this.#publish();
  }

  #published(): void {
    if (this.store.state.own.published) return;
    this.#transact((draft) => {
      draft.own = { ...draft.own, published: true };
      return [];
    });
  }

  /** A new SPR; the one before stays usable for as long as the relay may hold an INIT to it. */
  #makeSpr(atLeast: number): void {
    const { random } = this.#host;
    this.#transact((draft) => {
      const now = this.#now;
      const spkId = this.#next(draft);
      const seq = Math.max(atLeast, now);
      const options = { install: draft.own.install, seq, expires: now + SPR_LIFE, spkId };
      const own = makeSignedPrekey(this.identity, options, random);
      for (const [id, row] of draft.sprs)
        if (row.replacedAt === null) draft.sprs.set(id, { ...row, replacedAt: now });
      draft.sprs.set(spkId, { own, madeAt: now, replacedAt: null });
      return [];
    });
  }

  /** Puts the newest SPR with new one-time keys; those of an unanswered PUT are never put again. */
  #publish(): void {
    const newest = this.#newestSpr();
    if (!this.#link || !newest) return;
    const { install } = this.store.state.own;
    const made: Uint8Array[] = [];
    this.#transact((draft) => {
      for (let i = 0; i < OTK_BATCH; i++) {
        const options = { install, otkId: this.#next(draft) };
        const otk = makeOneTimePrekey(this.identity, options, this.#host.random);
        draft.otks.set(options.otkId, otk);
        made.push(otk.record.bytes);
      }
      return [];
    });
    this.#send({ kind: 'put', spr: newest.own.record.bytes, otks: made });
  }

  // ---- forgetting ----

  #forgetOld(): void {
    const { state } = this.store;
    const now = this.#now;
    const oldSprs = [...state.sprs].filter(
      ([, { replacedAt }]) => replacedAt !== null && replacedAt <= now - RELAY_TTL,
    );
    const stale = [...state.sessions].filter(
      ([, { supersededAt }]) => supersededAt !== null && isStale(supersededAt, now),
    );
    const oldIds = [...state.seen].filter(([, at]) => at <= now - ID_MEMORY);
    const loose = [...state.sessions].filter(
      ([, row]) => expire(this.#session(row), now) !== this.#session(row),
    );
    if (oldSprs.length + stale.length + oldIds.length + loose.length === 0) return;
    this.#transact((draft) => {
      for (const [sid, row] of loose) {
        const bytes = encodeSession(expire(this.#session(row), now));
        draft.sessions.set(sid, { ...row, bytes });
      }
      for (const [sid] of stale) this.#forget(draft, sid);
      for (const [key] of oldIds) draft.seen.delete(key);
      for (const [spkId] of oldSprs) {
        this.#host.count('SPR wiped');
        draft.sprs.delete(spkId);
        for (const [iid, row] of draft.inits) if (row.spkId === spkId) draft.inits.delete(iid);
      }
      return [];
    });
  }
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}
