// The model's relay: queues that survive its restart, connections that do not, bundles. What it may
// lose: what it was sent and had not handled, and what it passed on to a live connection and had no
// acknowledgement for when it died. What it may never lose: what it called queued.

import { RELAY_TTL, TYPE_INIT } from '../../src/fe1/constants.ts';
import { parseOneTimePrekey, parseSignedPrekey } from '../../src/fe1/prekeys.ts';
import { sameBytes, toHex } from '../../src/lib/bytes.ts';
import type { Chance } from './chance.ts';

/** A message on its way to a client. */
export interface Item {
  readonly bytes: Uint8Array;
  readonly at: number;
  durable: boolean;
  shown: boolean; // handed to the connection that is
}

export type Up =
  | {
      readonly kind: 'send';
      readonly to: string;
      readonly bytes: Uint8Array;
      readonly live: boolean;
    }
  | { readonly kind: 'ack'; readonly count: number }
  | { readonly kind: 'put'; readonly spr: Uint8Array; readonly otks: readonly Uint8Array[] }
  | { readonly kind: 'get' | 'peek'; readonly of: string }
  | { readonly kind: 'count' };

export type Down =
  | { readonly kind: 'deliver'; readonly item: Item }
  | { readonly kind: 'queued' | 'full'; readonly number: number }
  | {
      readonly kind: 'bundle' | 'peeked';
      readonly of: string;
      readonly spr: Uint8Array | null;
      readonly otk: Uint8Array | null;
    }
  | { readonly kind: 'put' | 'count'; readonly held: number }
  | { readonly kind: 'refused' };

/** Both directions of one connection; frames in them are in transit and die with it. */
export interface Wire {
  readonly up: Up[];
  readonly down: Down[];
}

interface Connection extends Wire {
  sent: number; // Messages from the client
  readonly given: Item[]; // Messages that the client took off the wire
}

interface Bundle {
  spr: Uint8Array;
  readonly otks: Map<number, Uint8Array>;
  readonly older: Uint8Array[];
  readonly given: Uint8Array[]; // OTKs handed out
}

export class Relay {
  readonly #chance: Chance;
  readonly #now: () => number;
  readonly #connections = new Map<string, Connection>();
  readonly #queues = new Map<string, Item[]>();
  readonly #bundles = new Map<string, Bundle>();
  readonly #history = new Map<string, Uint8Array[]>();
  readonly #count: (what: string) => void;
  hostile = false;
  refusing = false; // says "queue full" now and then

  constructor(chance: Chance, now: () => number, count: (what: string) => void) {
    this.#chance = chance;
    this.#now = now;
    this.#count = count;
  }

  login(who: string): Wire {
    const wire: Connection = { up: [], down: [], sent: 0, given: [] };
    this.#connections.set(who, wire);
    this.#expire(who);
    for (const item of this.#queue(who)) this.#show(wire, item);
    return wire;
  }

  /** Part of what was in transit to the relay still arrives; what is unacknowledged will come again. */
  drop(who: string): void {
    const wire = this.#connections.get(who);
    if (!wire) return;
    for (let n = this.#chance.below(wire.up.length + 1); n > 0; n--) this.handle(who);
    this.#connections.delete(who);
    for (const item of this.#queue(who)) Object.assign(item, { durable: true, shown: false });
  }

  /** Killed: every connection ends, and what was not durable is gone. */
  crash(): void {
    this.#connections.clear();
    for (const [who, items] of this.#queues) {
      const kept = items.filter(({ durable }) => durable);
      for (const item of kept) item.shown = false;
      this.#queues.set(who, kept);
    }
  }

  /** Handles the next frame of a connection; false when there is none. */
  handle(who: string): boolean {
    const wire = this.#connections.get(who);
    const frame = wire?.up.shift();
    if (!wire || !frame) return false;
    switch (frame.kind) {
      case 'send':
        wire.sent++;
        this.#route(wire, frame);
        break;
      case 'ack':
        for (const item of wire.given.slice(0, frame.count)) this.#forget(who, item);
        break;
      case 'put':
        wire.down.push(this.#put(who, frame.spr, frame.otks));
        break;
      case 'get':
      case 'peek':
        wire.down.push(this.#bundle(frame.kind, frame.of));
        break;
      case 'count':
        wire.down.push({ kind: 'count', held: this.#bundles.get(who)?.otks.size ?? 0 });
    }
    return true;
  }

  /** The client takes a frame off the wire. */
  take(who: string): Down | null {
    const wire = this.#connections.get(who);
    const frame = wire?.down.shift();
    if (frame?.kind === 'deliver') wire?.given.push(frame.item);
    return frame ?? null;
  }

  isConnected(who: string): boolean {
    return this.#connections.has(who);
  }

  /** Frames in transit, in both directions. */
  transit(who: string): { up: number; down: number } {
    const wire = this.#connections.get(who);
    return { up: wire?.up.length ?? 0, down: wire?.down.length ?? 0 };
  }

  // ---- hostility ----

  /** An envelope that was here before, for this client or, rarely, for another one, comes again. */
  replay(who: string): boolean {
    const whose = this.#chance.oneIn(6) ? this.#chance.pick([...this.#history.keys()]) : who;
    const all = this.#history.get(whose ?? who) ?? [];
    const inits = all.filter((bytes) => bytes[3] === TYPE_INIT);
    const bytes = this.#chance.pick(this.#chance.oneIn(2) ? inits : all);
    return bytes !== undefined && this.#again(who, bytes);
  }

  /** Every envelope that ever was for this client comes again. */
  replayAll(who: string): void {
    for (const bytes of this.#history.get(who) ?? []) this.#again(who, bytes);
  }

  #again(who: string, bytes: Uint8Array): boolean {
    const item = { bytes, at: this.#now(), durable: false, shown: true };
    this.#connections.get(who)?.down.push({ kind: 'deliver', item });
    return this.isConnected(who);
  }

  /** Two messages in transit change places. */
  reorder(who: string): boolean {
    const down = this.#connections.get(who)?.down ?? [];
    const places = down.flatMap(({ kind }, i) => (kind === 'deliver' ? [i] : []));
    const [i, j] = [this.#chance.pick(places), this.#chance.pick(places)];
    if (i === undefined || j === undefined || i === j) return false;
    [down[i], down[j]] = [down[j] as Down, down[i] as Down];
    return true;
  }

  // ---- messages ----

  #route(from: Connection, { to, bytes, live }: Extract<Up, { kind: 'send' }>): void {
    const history = this.#history.get(to) ?? [];
    history.push(bytes);
    this.#history.set(to, history);
    const wire = this.#connections.get(to);
    const item = { bytes, at: this.#now(), durable: false, shown: false };
    if (wire) {
      if (!live) this.#queue(to).push(item);
      return this.#show(wire, item);
    }
    if (live) return;
    const number = from.sent;
    if (this.refusing && this.#chance.oneIn(4)) {
      this.#count('queue full');
      from.down.push({ kind: 'full', number });
      return;
    }
    item.durable = true;
    this.#queue(to).push(item);
    from.down.push({ kind: 'queued', number });
  }

  #show(wire: Connection, item: Item): void {
    item.shown = true;
    wire.down.push({ kind: 'deliver', item });
  }

  #queue(who: string): Item[] {
    const queue = this.#queues.get(who) ?? [];
    this.#queues.set(who, queue);
    return queue;
  }

  #forget(who: string, item: Item): void {
    const queue = this.#queue(who);
    const at = queue.indexOf(item);
    if (at >= 0) queue.splice(at, 1);
  }

  #expire(who: string): void {
    const queue = this.#queue(who);
    const kept = queue.filter(({ at }) => at > this.#now() - RELAY_TTL);
    if (kept.length < queue.length) this.#count('expired in the queue');
    this.#queues.set(who, kept);
  }

  // ---- bundles ----

  #put(who: string, bytes: Uint8Array, otks: readonly Uint8Array[]): Down {
    const spr = parseSignedPrekey(bytes);
    const stored = this.#bundles.get(who);
    const before = stored && parseSignedPrekey(stored.spr);
    if (!spr || toHex(spr.X) !== who) return { kind: 'refused' };
    if (before && spr.seq <= before.seq && !sameBytes(before.bytes, spr.bytes))
      return { kind: 'refused' };
    const bundle: Bundle = stored ?? { spr: bytes, otks: new Map(), older: [], given: [] };
    if (before && !sameBytes(before.bytes, spr.bytes)) bundle.older.push(before.bytes);
    if (before && !sameBytes(before.install, spr.install)) bundle.otks.clear();
    bundle.spr = bytes;
    for (const each of otks) {
      const record = parseOneTimePrekey(each);
      if (record && !bundle.otks.has(record.otkId)) bundle.otks.set(record.otkId, each);
    }
    this.#bundles.set(who, bundle);
    return { kind: 'put', held: bundle.otks.size };
  }

  #bundle(kind: 'get' | 'peek', of: string): Down {
    const name = kind === 'get' ? 'bundle' : 'peeked';
    const bundle = this.#bundles.get(of);
    if (!bundle) return { kind: name, of, spr: null, otk: null };
    const lies = this.hostile && this.#chance.oneIn(4);
    const old = this.#chance.pick(bundle.older);
    if (lies && this.#chance.oneIn(3)) {
      this.#count('bundle withheld');
      return { kind: name, of, spr: null, otk: null };
    }
    if (lies && old) this.#count('old bundle given');
    const spr = lies && old ? old : bundle.spr;
    return { kind: name, of, spr, otk: kind === 'get' ? this.#oneTime(bundle) : null };
  }

  #oneTime(bundle: Bundle): Uint8Array | null {
    const again = this.#chance.pick(bundle.given);
    if (this.hostile && again && this.#chance.oneIn(3)) {
      this.#count('one-time key given twice');
      return again;
    }
    if (this.hostile && this.#chance.oneIn(3)) return null;
    const [first] = bundle.otks;
    if (!first) return null;
    bundle.otks.delete(first[0]);
    bundle.given.push(first[1]);
    return first[1];
  }
}
