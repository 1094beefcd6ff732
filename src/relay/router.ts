// Who is connected, and where a Message goes: docs/protocols/flexim.md §6. Bytes in, the same bytes
// out; nothing here knows what they mean.

import { parseKey } from '../lib/address.ts';
import type { Drops } from './drops.ts';
import type { Limits } from './limits.ts';

/** What the router needs of a connected user. */
export interface Member {
  readonly key: string;
  /** Bytes that wait to be written to him. */
  readonly waiting: number;
  deliver(bytes: Buffer, start: number, end: number): void;
  /** A newer login of his key took his place. */
  replaced(): void;
}

/** What the router needs of the directory. */
interface Names {
  isKnown(key: string): boolean;
  keyOf(alias: string): string | null;
}

/** 'dropped' is for /live alone; 'away', 'slow' and 'memory' say why nothing was delivered. */
export type Outcome = 'delivered' | 'dropped' | 'unknown' | 'away' | 'slow' | 'memory';

const LIVE = '/live';
const MAX_TO = 256; // longer names nobody

export interface RouterOptions {
  readonly names: Names;
  readonly limits: Limits;
  readonly drops: Drops;
}

export class Router {
  readonly #members = new Map<string, Member>();
  readonly #names: Names;
  readonly #limits: Limits;
  readonly #drops: Drops;
  #waiting = 0;

  constructor({ names, limits, drops }: RouterOptions) {
    this.#names = names;
    this.#limits = limits;
    this.#drops = drops;
  }

  get online(): number {
    return this.#members.size;
  }

  /** Bytes that wait in all connections. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Connections report here every change of what waits in them. */
  readonly account = (change: number): void => {
    this.#waiting += change;
  };

  /** Makes the member the one live connection of his key. */
  join(member: Member): void {
    const older = this.#members.get(member.key);
    this.#members.set(member.key, member);
    if (!older) return;
    this.#drops.count('replaced');
    older.replaced();
  }

  leave(member: Member): void {
    if (this.#members.get(member.key) === member) this.#members.delete(member.key);
  }

  members(): IterableIterator<Member> {
    return this.#members.values();
  }

  /** Delivers the frame bytes[start..end) to `to`, or says why not. */
  route(to: string, bytes: Buffer, start: number, end: number): Outcome {
    const direct = this.#members.get(to); // the common case: a canonical key, connected
    if (direct) return this.#deliver(direct, false, bytes, start, end);
    const live = to.endsWith(LIVE);
    if (to.length > MAX_TO) return this.#unknown(live);
    const name = live ? to.slice(0, -LIVE.length) : to;
    const key = parseKey(name) ?? this.#names.keyOf(name);
    if (key === null) return this.#unknown(live);
    const member = this.#members.get(key);
    if (member) return this.#deliver(member, live, bytes, start, end);
    if (live) {
      this.#drops.count('live-away');
      return 'dropped';
    }
    if (!this.#names.isKnown(key)) return this.#unknown(false);
    this.#drops.count('recipient-away');
    return 'away';
  }

  #deliver(member: Member, live: boolean, bytes: Buffer, start: number, end: number): Outcome {
    const length = end - start;
    const waiting = member.waiting + length;
    const { waitingBytes, memoryBytes, fairBytes } = this.#limits;
    const slow = waiting > waitingBytes;
    // When memory is short, only who holds much of it is refused more.
    if (slow || (this.#waiting + length > memoryBytes && waiting > fairBytes)) {
      this.#drops.count(slow ? 'recipient-slow' : 'memory-full');
      if (live) return 'dropped';
      return slow ? 'slow' : 'memory';
    }
    member.deliver(bytes, start, end);
    return 'delivered';
  }

  #unknown(live: boolean): Outcome {
    this.#drops.count('recipient-unknown');
    return live ? 'dropped' : 'unknown';
  }
}
