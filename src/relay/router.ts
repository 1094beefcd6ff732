// Who is connected, and where a Message goes: docs/protocols/flexim.md §6. Bytes in, the same bytes
// out; nothing here knows what they mean.

import { parseKey } from '../lib/address.ts';
import type { Clock } from '../lib/time.ts';
import type { Drops } from './drops.ts';
import { KeyMap } from './keys.ts';
import type { Limits } from './limits.ts';
import { Memory } from './memory.ts';
import { type Incoming, type Member, type Outcome, Outlet, post } from './outlet.ts';
import type { Queue } from './queue.ts';

/** What the router needs of the directory. */
interface Names {
  isKnown(key: string): boolean;
  keyOf(alias: string): string | null;
}

const LIVE = '/live';
const MAX_KNOWN = 10_000;
const MAX_TO = 256; // longer names nobody

export interface RouterOptions {
  readonly names: Names;
  readonly queue: Queue;
  readonly limits: Limits;
  readonly drops: Drops;
  readonly clock: Clock;
  readonly durable: boolean;
}

export class Router {
  readonly memory: Memory;
  readonly #outlets = new Map<string, Outlet>();
  readonly #byKey = new KeyMap<Outlet>(); // the same
  readonly #known = new Set<string>();
  readonly #options: RouterOptions;
  readonly #members = () => this.#outlets.size; // one for all outlets: idle ones cost memory

  constructor(options: RouterOptions) {
    this.#options = options;
    this.memory = new Memory({ limits: options.limits, relieve: () => this.#relieve() });
  }

  get online(): number {
    return this.#outlets.size;
  }

  /** Makes the member the one live connection of his key; `pump` what is queued after it. */
  join(member: Member, acks: boolean): Outlet {
    const { queue, limits, drops, clock, durable } = this.#options;
    const older = this.#outlets.get(member.key);
    const mailbox = queue.of(member.key);
    if (older) {
      drops.count('replaced');
      older.member.replaced();
    }
    // The older one, or one that was still ending, gives back what it had not delivered.
    mailbox.reader?.close();
    const { memory } = this;
    const outlet = new Outlet({
      member,
      mailbox,
      queue,
      limits,
      memory,
      drops,
      clock,
      members: this.#members,
      durable,
      acks,
    });
    this.#outlets.set(member.key, outlet);
    this.#byKey.set(member.key, outlet);
    return outlet;
  }

  /** Nothing new goes to this connection; what it was sent may still arrive, until `close`. */
  leave(outlet: Outlet): void {
    if (this.#outlets.get(outlet.key) === outlet) {
      this.#outlets.delete(outlet.key);
      this.#byKey.delete(outlet.key);
    }
    outlet.leave();
  }

  /** Who is connected with the key whose 64 digits lie at this place; null when nobody is. */
  at(view: DataView, place: number): Outlet | null {
    return this.#byKey.at(view, place);
  }

  /** Delivers or queues a Message, or says why not. */
  route(message: Incoming): Outcome {
    const { to } = message;
    const direct = this.#outlets.get(to); // the common case: a canonical key, connected
    if (direct) return direct.deliver(message);
    const live = to.endsWith(LIVE);
    if (to.length > MAX_TO) return this.#unknown(live);
    const name = live ? to.slice(0, -LIVE.length) : to;
    const { names, queue, drops } = this.#options;
    const key = this.#known.has(name) ? name : (parseKey(name) ?? names.keyOf(name));
    if (key === null) return this.#unknown(live);
    const outlet = this.#outlets.get(key);
    if (outlet) return live ? outlet.deliverLive(message) : outlet.deliver(message);
    if (live) {
      drops.count('live-away');
      return 'dropped';
    }
    if (!this.#isKnown(key)) return this.#unknown(false);
    return post(queue, queue.of(key), message, { must: false, told: true });
  }

  /** Who is known stays known: the directory is asked once, as far as memory goes. */
  #isKnown(key: string): boolean {
    if (this.#known.has(key)) return true;
    if (!this.#options.names.isKnown(key)) return false;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.add(key);
    return true;
  }

  #unknown(live: boolean): Outcome {
    this.#options.drops.count('recipient-unknown');
    return live ? 'dropped' : 'unknown';
  }

  /** Past three quarters of the memory: the largest holders are put on the disk, the stuck are cut. */
  #relieve(): void {
    const now = this.#options.clock.now();
    const { stallMs } = this.#options.limits;
    const largest = [...this.#outlets.values()].sort((a, b) => sizeOf(b) - sizeOf(a));
    let excess = this.memory.excess;
    for (const outlet of largest) {
      if (excess <= 0) return;
      const before = this.memory.used;
      if (outlet.idle(now) > stallMs) outlet.member.stalled();
      else outlet.spill();
      excess -= before - this.memory.used;
    }
  }
}

function sizeOf(outlet: Outlet): number {
  return outlet.held + outlet.member.waiting;
}
