// One run of the model: clients, a relay and a clock that move as a seed says, with crashes at every
// persistence point; then a quiet phase without faults; then the checks.

import { type Identity, identityFromSeed } from '../../src/crypto/identity.ts';
import { RELAY_TTL } from '../../src/fe1/constants.ts';
import type { Session } from '../../src/fe1/ratchet.ts';
import { sameBytes, toHex } from '../../src/lib/bytes.ts';
import { Chance } from './chance.ts';
import { Client, type Host, ID_MEMORY, type Link, type Mutant, type Point } from './client.ts';
import { type Down, Relay } from './relay.ts';
import { type Row, Store } from './store.ts';

export const CHECKS = [
  'message key used twice',
  'header number used twice',
  'delivered twice',
  'INIT opened twice',
  'forged',
  'lost',
  'not settled',
  'not converged',
] as const;
export type Check = (typeof CHECKS)[number];

/** A check that did not hold. */
export class Violation extends Error {
  readonly check: Check;

  constructor(check: Check, what: string) {
    super(`${check}: ${what}`);
    this.check = check;
  }
}

class Crash extends Error {}

/** What is left of a client when its process dies, as far as the checks look at it. */
interface AnyStore {
  readonly state: {
    readonly rows: ReadonlyMap<number, Row>;
    readonly openings: ReadonlyMap<number, string>;
    readonly waiting: ReadonlyMap<unknown, { readonly id: string; readonly text: string }>;
    readonly sent: ReadonlyMap<string, { readonly text: string }>;
  };
}

/** A client that the scheduler can drive. */
interface AnyClient {
  readonly store: AnyStore;
  readonly unsettled: number;
  say(to: string, text: string): string;
  sign(to: string): void;
  active(X: string): Session | null;
  isDue(X: string): boolean;
  login(link: Link): void;
  logout(): void;
  take(frame: Down): void;
  tick(): void;
}

/** How clients and their stores are made. */
export interface Kind {
  store(install: Uint8Array): AnyStore;
  start(identity: Identity, store: AnyStore, host: Host): AnyClient;
}

const PROTOTYPE: Kind = {
  store: (install) => new Store(install),
  start: (identity, store, host) => new Client(identity, store as Store, host),
};

const START = 1_800_000_000;
const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;
const QUIET_DAYS = 45;
const ROUNDS = 4;

// The same few people in every run: making them costs more than a run's handshakes.
const PEOPLE: readonly Identity[] = ['a', 'b', 'c', 'd'].map((name) =>
  identityFromSeed(new Uint8Array(32).fill(name.charCodeAt(0))),
);

interface Said {
  readonly from: Person;
  readonly life: number; // of the sender
  readonly to: Person;
  readonly id: string;
  readonly text: string;
}

interface Person {
  readonly name: string;
  readonly X: string;
  readonly identity: Identity;
  readonly rows: Row[][]; // by life; the last is the store's
  readonly openings: string[][];
  client: AnyClient;
  life: number;
  fuse: number; // persistence points until it dies; -1 for none
}

export interface RunOptions {
  readonly seed: number;
  readonly mutant?: Mutant | null;
  readonly clients?: Kind;
  readonly trace?: (line: string) => void;
  readonly count?: (what: string) => void;
}

/** Runs one seed. Throws a Violation, or whatever went wrong inside. */
export function runModel(options: RunOptions): void {
  new World(options).run();
}

class World {
  readonly #chance: Chance;
  readonly #mutant: Mutant | null;
  readonly #kind: Kind;
  readonly #trace: (line: string) => void;
  readonly #count: (what: string) => void;
  readonly #people: Person[];
  readonly #relay: Relay;
  readonly #said: Said[] = [];
  readonly #sealed = new Map<string, { readonly key: string; readonly header: string }>();
  readonly #onWire = {
    keys: new Map<string, Uint8Array>(),
    headers: new Map<string, Uint8Array>(),
  };
  readonly #hostile: boolean;
  readonly #room: number;
  readonly #slow: boolean; // days pass, not minutes
  readonly #steps: number;
  readonly #losses: ReadonlySet<number>; // at which steps somebody loses its state
  #now = START;

  constructor({ seed, mutant, trace, count, clients }: RunOptions) {
    this.#kind = clients ?? PROTOTYPE;
    this.#chance = new Chance(seed);
    this.#mutant = mutant ?? null;
    this.#trace = trace ?? (() => {});
    this.#count = count ?? (() => {});
    this.#hostile = !this.#chance.oneIn(3);
    this.#steps = 80 + this.#chance.below(80);
    const losses = this.#chance.pick([0, 0, 1, 2]) ?? 0;
    this.#losses = new Set(Array.from({ length: losses }, () => this.#chance.below(this.#steps)));
    this.#relay = new Relay(
      this.#chance,
      () => this.#now,
      (what) => this.#count(what),
    );
    this.#relay.hostile = this.#hostile;
    this.#slow = this.#chance.oneIn(5);
    this.#room = this.#chance.oneIn(3) ? 8 : 100;
    this.#relay.refusing = this.#chance.oneIn(3);
    const size = this.#chance.oneIn(4) ? 4 : 3;
    this.#people = PEOPLE.slice(0, size).map((identity, i) =>
      this.#person('abcd'[i] ?? '', identity),
    );
  }

  run(): void {
    for (const person of this.#people) this.#login(person);
    for (let i = 0; i < 8; i++) this.#exchange();
    for (let step = 0; step < this.#steps; step++) {
      if (this.#losses.has(step)) this.#loseState();
      this.#step();
    }
    this.#calm();
  }

  // ---- people and their processes ----

  #person(name: string, identity: Identity): Person {
    const person: Person = {
      ...{ name, identity, X: identity.hex, rows: [], openings: [], life: 0, fuse: -1 },
      client: null as unknown as AnyClient,
    };
    person.client = this.#start(person, this.#kind.store(this.#chance.bytes(16)));
    return person;
  }

  #start(person: Person, store: AnyStore): AnyClient {
    const host: Host = {
      random: this.#chance.bytes,
      mutant: this.#mutant,
      room: this.#room,
      now: () => this.#now,
      point: (point) => this.#point(person, point),
      sealed: (session, envelope) => this.#seal(session, envelope),
      transmitted: (envelope) => this.#transmitted(person, envelope),
      count: (what) => {
        this.#count(what);
        this.#trace(`    ${person.name}: ${what}`);
      },
    };
    return this.#kind.start(person.identity, store, host);
  }

  #point(person: Person, point: Point): void {
    if (person.fuse < 0 || person.fuse-- > 0) return;
    this.#count(`crash ${point}`);
    this.#trace(`    ${person.name} DIES ${point}`);
    throw new Crash();
  }

  /** Lets a client act; when it dies on the way, what is left of it is its store. */
  #act(person: Person, what: string, act: (client: AnyClient) => void): void {
    this.#trace(`${this.#clock()} ${person.name}: ${what}`);
    try {
      act(person.client);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#relay.drop(person.X);
      person.client = this.#start(person, person.client.store);
    }
  }

  #clock(): string {
    const t = this.#now - START;
    const hours = String(Math.floor((t % DAY) / HOUR)).padStart(2, '0');
    const minutes = String(Math.floor((t % HOUR) / MINUTE)).padStart(2, '0');
    return `${Math.floor(t / DAY)}d ${hours}:${minutes}:${String(t % MINUTE).padStart(2, '0')}`;
  }

  #login(person: Person): void {
    this.#act(person, 'login', (client) => {
      this.#relay.drop(person.X);
      const wire = this.#relay.login(person.X);
      client.login({ send: (frame) => void wire.up.push(frame) });
    });
  }

  #logout(person: Person): void {
    this.#trace(`${this.#clock()} ${person.name}: connection lost`);
    this.#relay.drop(person.X);
    person.client.logout();
  }

  #say(from: Person, to: Person): void {
    const text = `${from.name}${to.name}${this.#said.length}`;
    const { life } = from;
    this.#act(from, `says ${text}`, (client) => {
      // Accepted is what is in the store, also when the process dies before it can say so.
      const known = new Set(this.#accepted(client));
      try {
        client.say(to.X, text);
      } finally {
        const id = this.#accepted(client).find((each) => !known.has(each));
        if (id) this.#said.push({ from, life, to, id, text });
      }
    });
  }

  #accepted({ store }: AnyClient): string[] {
    return [...[...store.state.waiting.values()].map(({ id }) => id), ...store.state.sent.keys()];
  }

  /** The disk is gone: a new store, from the identity alone. */
  #loseState(): void {
    const person = this.#chance.pick(this.#people) as Person;
    this.#count('state lost');
    this.#trace(`${this.#clock()} ${person.name} LOSES ITS STATE`);
    this.#relay.drop(person.X);
    this.#archive(person);
    person.life++;
    person.client = this.#start(person, this.#kind.store(this.#chance.bytes(16)));
    this.#now += 5 * MINUTE;
  }

  #archive(person: Person): void {
    const { rows, openings } = person.client.store.state;
    person.rows[person.life] = [...rows.values()];
    person.openings[person.life] = [...openings.values()];
  }

  // ---- a step ----

  #step(): void {
    const person = this.#chance.pick(this.#people) as Person;
    const dice = this.#chance.below(100);
    const isOnline = this.#relay.isConnected(person.X);
    if (dice < 38) return this.#exchange();
    if (dice < 56) return this.#say(person, this.#other(person));
    if (dice < 60) {
      const to = this.#other(person);
      return this.#act(person, `types to ${to.name}`, (client) => client.sign(to.X));
    }
    if (dice < 67) return isOnline && !this.#chance.oneIn(3) ? undefined : this.#toggle(person);
    if (dice < 74) {
      person.fuse = this.#chance.below(8);
      return;
    }
    if (dice < 76) return this.#restartRelay();
    if (dice < 81) return this.#act(person, 'tick', (client) => client.tick());
    if (dice < 88) return this.#advance(person);
    if (this.#hostile) this.#meddle(person);
  }

  #other(person: Person): Person {
    return this.#chance.pick(this.#people.filter((each) => each !== person)) as Person;
  }

  #toggle(person: Person): void {
    if (this.#relay.isConnected(person.X)) this.#logout(person);
    else this.#login(person);
  }

  #restartRelay(): void {
    this.#count('relay restarted');
    this.#trace(`${this.#clock()} THE RELAY DIES`);
    this.#relay.crash();
    for (const { client } of this.#people) client.logout();
    for (const person of this.#people) if (!this.#chance.oneIn(4)) this.#login(person);
  }

  #advance(person: Person): void {
    const units = this.#slow ? [HOUR, DAY, 8 * DAY] : [MINUTE, MINUTE, HOUR, HOUR, 12 * HOUR];
    const unit = this.#chance.pick(units) ?? MINUTE;
    this.#now += 1 + this.#chance.below(2 * unit);
    this.#act(person, 'tick', (client) => client.tick());
  }

  #meddle(person: Person): void {
    const what = this.#chance.oneIn(2) ? 'reorder' : 'replay';
    let done = 0;
    for (let n = 1 + this.#chance.below(3); n > 0; n--) if (this.#relay[what](person.X)) done++;
    if (done === 0) return;
    this.#count(what);
    this.#trace(`${this.#clock()} hostile: ${what} ${done}, to ${person.name}`);
  }

  /** Some frames move, on some wire. */
  #exchange(): void {
    const busy = this.#people.filter(({ X }) => {
      const { up, down } = this.#relay.transit(X);
      return up + down > 0;
    });
    const person = this.#chance.pick(busy);
    if (!person) return;
    for (let n = 1 + this.#chance.below(6); n > 0; n--)
      if (this.#chance.oneIn(2)) this.#relay.handle(person.X);
      else this.#take(person);
  }

  #take(person: Person): boolean {
    const frame = this.#relay.take(person.X);
    if (!frame) return false;
    this.#act(person, `takes ${describe(frame)}`, (client) => client.take(frame));
    return true;
  }

  // ---- the quiet phase ----

  #calm(): void {
    this.#trace(`${this.#clock()} QUIET`);
    this.#relay.hostile = false;
    this.#relay.refusing = false;
    for (const person of this.#people) {
      person.fuse = -1;
      if (!this.#relay.isConnected(person.X)) this.#login(person);
      if (this.#hostile && this.#chance.oneIn(4)) this.#relay.replayAll(person.X);
    }
    let apart: string | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      // At first perhaps nobody speaks, or only one of two: who is silent must be reached all the same.
      for (const from of this.#people)
        for (const to of this.#people)
          if (from !== to && (round > 0 || this.#chance.oneIn(2))) this.#say(from, to);
      this.#settle((round === 0 && !this.#mutant ? QUIET_DAYS : 5) * DAY);
      this.#checkRows();
      apart = this.#apart();
      if (round > 0 && !apart) break;
    }
    if (apart) throw new Violation('not converged', apart);
    if (this.#chance.oneIn(5)) this.#muchLater();
  }

  /** Old sessions are gone, and the relay brings everything that ever was once more. */
  #muchLater(): void {
    this.#trace(`${this.#clock()} MUCH LATER`);
    this.#now += RELAY_TTL + HOUR;
    for (const person of this.#people) this.#act(person, 'tick', (client) => client.tick());
    for (const { X } of this.#people) this.#relay.replayAll(X);
    this.#drain();
    for (const from of this.#people)
      for (const to of this.#people) if (from !== to) this.#say(from, to);
    this.#settle(5 * DAY);
    this.#checkRows();
    const apart = this.#apart();
    if (apart) throw new Violation('not converged', apart);
  }

  /** Everything that moves moves, until nobody waits for anything. */
  #settle(most: number): void {
    const end = this.#now + most;
    let step = HOUR / 2;
    for (;;) {
      this.#drain();
      for (const person of this.#people) this.#act(person, 'tick', (client) => client.tick());
      this.#drain();
      if (this.#people.every(({ client }) => client.unsettled === 0)) return;
      if (this.#now >= end) {
        this.#checkRows();
        throw new Violation('not settled', this.#unsettled());
      }
      this.#now += step;
      step = Math.min(step * 1.25, 12 * HOUR);
      this.#now = Math.floor(this.#now);
    }
  }

  #drain(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const person of this.#people) {
        while (this.#relay.handle(person.X)) moved = true;
        while (this.#take(person)) moved = true;
      }
    }
  }

  #unsettled(): string {
    const each = this.#people.flatMap(({ name, client }) => {
      const { sent, waiting } = client.store.state;
      return [...sent.values(), ...waiting.values()].map(({ text }) => `${name}: ${text}`);
    });
    return each.join(', ');
  }

  // ---- the checks ----

  /** Notes which key an envelope is under: a chain key after a message names that message's key. */
  #seal({ CKs, HKs, Ns }: Session, envelope: Uint8Array): void {
    const key = toHex(CKs as Uint8Array);
    const header = `${toHex(HKs as Uint8Array)}:${Ns - 1}`;
    this.#sealed.set(nameOf(envelope), { key, header });
  }

  #transmitted(person: Person, envelope: Uint8Array): void {
    const names = this.#sealed.get(nameOf(envelope));
    if (!names) throw new Violation('forged', `${person.name} sent what it had not sealed`);
    const once = (check: Check, seen: Map<string, Uint8Array>, name: string) => {
      const before = seen.get(name);
      if (before && !sameBytes(before, envelope)) throw new Violation(check, person.name);
      seen.set(name, envelope);
    };
    once('message key used twice', this.#onWire.keys, names.key);
    once('header number used twice', this.#onWire.headers, names.header);
  }

  #checkRows(): void {
    for (const person of this.#people) {
      this.#archive(person);
      for (const rows of person.rows) this.#checkLife(person, rows);
      for (const iids of person.openings)
        if (new Set(iids).size < iids.length) throw new Violation('INIT opened twice', person.name);
    }
    for (const { from, life, to, id, text } of this.#said) {
      if (life !== from.life) continue; // the sender lost its state, and this with it
      if (!to.rows.some((rows) => rows.some((row) => row.id === id)))
        throw new Violation('lost', text);
    }
  }

  #checkLife(person: Person, rows: readonly Row[]): void {
    const last = new Map<string, number>();
    for (const { at, from, id, text } of rows) {
      const before = last.get(`${from}:${id}`);
      // One that comes again after that long is known to be shown again (fe1.md §3.6).
      if (before !== undefined && at < before + ID_MEMORY)
        throw new Violation('delivered twice', text);
      last.set(`${from}:${id}`, at);
      const said = this.#said.find((each) => each.id === id && each.to === person);
      if (said?.from.X !== from || said.text !== text) throw new Violation('forged', text);
    }
  }

  /** A pair that does not send on one and the same session, or null. */
  #apart(): string | null {
    for (const one of this.#people)
      for (const other of this.#people) {
        const [mine, his] = [one.client.active(other.X), other.client.active(one.X)];
        const isOne = mine && his && sameBytes(mine.sid, his.sid);
        if (one !== other && (!isOne || one.client.isDue(other.X))) return one.name + other.name;
      }
    return null;
  }
}

function nameOf(envelope: Uint8Array): string {
  return toHex(envelope.subarray(-32)); // the end of what is sealed under the message's own key
}

function describe(frame: Down): string {
  if (frame.kind === 'deliver') {
    const { bytes } = frame.item;
    return `${bytes[3] === 1 ? 'INIT' : 'MSG'} ${toHex(bytes.subarray(-4))}`;
  }
  if (frame.kind === 'bundle' || frame.kind === 'peeked')
    return `${frame.kind}${frame.spr ? ', SPR' : ''}${frame.otk ? ', OTK' : ''}`;
  return frame.kind;
}
