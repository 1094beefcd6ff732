// Messages that nobody fetched for too long go, a few at a time, so that traffic does not wait. The wall
// clock says how old they are, and it may be wrong: when it jumped, nothing goes for a day.
// docs/protocols/flexim.md §7.5.

import { toHex } from '../lib/bytes.ts';
import type { Log } from '../lib/log.ts';
import { type Clock, DAY_S } from '../lib/time.ts';
import { decodeAccount } from './account.ts';
import type { Drops } from './drops.ts';
import type { Limits } from './limits.ts';
import type { ByteRows } from './mailbox.ts';
import type { Queue, QueueStore } from './queue.ts';
import { KEY_BYTES } from './segment.ts';

export interface ExpiryOptions {
  readonly queue: Queue;
  readonly store: QueueStore;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly drops: Drops;
  readonly log: Log;
}

const SWEEP_MS = 3_600_000;
const DAY_MS = DAY_S * 1_000;
const JUMP_S = 3_600; // a clock that is off by more, between two looks, has jumped
const AWAY_S = DAY_S; // a relay that was off for longer cannot tell that from a jump
const MAILBOXES = 500; // in one slice
const END = Buffer.alloc(KEY_BYTES + 1, 0xff);
const CLOCK = Buffer.from('wall');

export class Expiry {
  readonly #options: ExpiryOptions;
  readonly #clocks: ByteRows;
  #timer: NodeJS.Timeout | null = null;
  #wall: number | null = null; // at the last look
  #now = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(options: ExpiryOptions) {
    this.#options = options;
    this.#clocks = options.store.bytes('clock');
  }

  /** Sweeps from time to time, until `stop`. */
  start(): void {
    this.#look();
    this.#timer = setInterval(() => {
      this.sweep().catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'old Messages could not be removed'),
      );
    }, SWEEP_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Removes what is too old, and gives the number of Messages. */
  async sweep(): Promise<number> {
    this.#look();
    const { queue, store, clock, drops, log } = this.#options;
    const days = this.#options.limits.queueDays;
    const wall = clock.wall();
    const row = Buffer.alloc(6);
    row.writeUIntBE(wall, 0, 6);
    await store.batch(() => this.#clocks.put(CLOCK, row));
    if (clock.now() < this.#pausedUntil || !Number.isFinite(days)) return 0;
    let removed = 0;
    let from: Buffer | null = Buffer.alloc(0);
    while (from) {
      const slice = this.#slice(from, wall - days * DAY_S);
      removed += slice.removed;
      from = slice.next;
      await queue.settled();
      await new Promise(setImmediate);
    }
    drops.count('expired', removed);
    if (removed > 0) log.info({ removed, days }, 'Messages that nobody fetched were removed');
    return removed;
  }

  /** Looks at some mailboxes from a key on; `next` is where to go on. */
  #slice(from: Buffer, before: number): { removed: number; next: Buffer | null } {
    const { queue } = this.#options;
    let removed = 0;
    let looked = 0;
    for (const [id, row] of queue.tables.accounts.entries({ from, to: END })) {
      if (looked++ === MAILBOXES) return { removed, next: id };
      if (decodeAccount(row).oldest >= before) continue;
      const mailbox = queue.of(toHex(id));
      const old = mailbox.olderThan(before);
      removed += old.count;
      queue.removeTo(mailbox, old.last);
      if (old.isMore) return { removed, next: id };
    }
    return { removed, next: null };
  }

  /** Holds the two clocks against each other. */
  #look(): void {
    const { clock, log } = this.#options;
    const wall = clock.wall();
    const now = clock.now();
    const before = this.#wall ?? this.#lastWall();
    const isStart = this.#wall === null;
    const passed = isStart ? 0 : (now - this.#now) / 1_000;
    const jump = before === null ? 0 : wall - before - passed;
    this.#wall = wall;
    this.#now = now;
    if (jump >= -JUMP_S && jump <= (isStart ? AWAY_S : JUMP_S)) return;
    this.#pausedUntil = now + DAY_MS;
    log.warn(
      { seconds: Math.round(jump) },
      isStart
        ? 'the clock jumped, or the relay was away for long: no Message expires for a day'
        : 'the clock jumped: no Message expires for a day',
    );
  }

  #lastWall(): number | null {
    const row = this.#clocks.get(CLOCK);
    return row ? row.readUIntBE(0, 6) : null;
  }
}
