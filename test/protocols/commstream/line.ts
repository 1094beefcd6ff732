// A line in memory with a stream at each end, and in between whoever the test puts there. Nothing moves
// but by `flow`, so every order is the test's own.

import { exchangePair, randomBytes } from '../../../src/crypto/sodium.ts';
import type { FleximError } from '../../../src/lib/errors.ts';
import type { Clock } from '../../../src/lib/time.ts';
import type { Channel, ChannelHandler } from '../../../src/net/channel.ts';
import { flushAll } from '../../../src/net/connection.ts';
import type { Agreement } from '../../../src/protocols/commstream/negotiation.ts';
import { acceptable, type Scheme } from '../../../src/protocols/commstream/schemes.ts';
import {
  type Role,
  Session,
  type SessionHandler,
} from '../../../src/protocols/commstream/session.ts';
import { MAX_RECORD } from '../../../src/protocols/commstream/wire.ts';

/** What arrives in place of what was sent; an end of the line is `null`. */
export type Between = (from: 'client' | 'server', bytes: Buffer) => readonly Uint8Array[];

class Plug implements Channel {
  readonly remote = '192.0.2.7';
  readonly binding = new Uint8Array(32);
  readonly serverKey = null;
  readonly out: { bytes: Buffer; written: () => void }[] = [];
  handler: ChannelHandler | null = null;
  isEnded = false;
  isReset = false;
  isPaused = false;
  isClosed = false;
  kept = 0;

  open(handler: ChannelHandler): void {
    this.handler = handler;
  }
  keep(): void {
    this.kept++;
  }
  write(bytes: Uint8Array, written: () => void): void {
    this.out.push({ bytes: Buffer.from(bytes), written });
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  end(): void {
    this.isEnded = true;
    this.isPaused = false;
  }
  reset(): void {
    this.isReset = true;
  }
}

export class Line {
  readonly client = new Plug();
  readonly server = new Plug();
  /** Whoever is in between. */
  between: Between = (_, bytes) => [bytes];
  /** Everything that was sent, as it was sent. */
  readonly sent: { from: 'client' | 'server'; bytes: Buffer }[] = [];

  /** Until nothing moves any more. */
  flow(): void {
    for (;;) {
      flushAll();
      if (!this.#once()) return;
    }
  }

  #once(): boolean {
    for (const from of ['client', 'server'] as const) {
      const [plug, other] = [this[from], this[from === 'client' ? 'server' : 'client']];
      const next = plug.out.shift();
      if (next) {
        this.sent.push({ from, bytes: next.bytes });
        for (const part of this.between(from, next.bytes)) this.give(other, part);
        next.written();
        return true;
      }
      if (plug.isReset && !plug.isClosed) return this.#over(plug, other, new Error('ECONNRESET'));
      if (plug.isEnded && !other.isClosed) return this.#over(other, plug, null);
    }
    return false;
  }

  give(to: Plug, bytes: Uint8Array): void {
    if (to.isClosed) return;
    const chunk = Buffer.from(bytes);
    to.handler?.data(chunk);
    chunk.fill(0xee); // the memory is not the handler's
  }

  /** Both ends are gone: `first` without an error of its own, `second` with this one. */
  #over(first: Plug, second: Plug, error: Error | null): boolean {
    for (const [plug, why] of [
      [first, null],
      [second, error],
    ] as const) {
      if (plug.isClosed || (plug === second && second.out.length > 0)) continue;
      plug.isClosed = true;
      plug.handler?.closed(why);
    }
    return true;
  }

  /** The network ends it, without a word to anybody. */
  cut(error: Error | null = null): void {
    for (const plug of [this.client, this.server]) {
      if (plug.isClosed) continue;
      plug.isClosed = true;
      plug.handler?.closed(error);
    }
  }
}

/** One end, and what it was told. */
export class Told implements SessionHandler {
  agreement: Agreement | null = null;
  readonly data_: string[] = [];
  readonly order: string[] = [];
  /** Undefined until it is closed. */
  end: FleximError | null | undefined;
  writes = 0;
  onData: (body: Uint8Array) => void = () => {};

  established(agreement: Agreement): void {
    this.order.push('established');
    this.agreement = agreement;
  }
  data(bytes: Buffer, start: number, end: number): void {
    const body = bytes.subarray(start, end);
    this.order.push('data');
    this.data_.push(Buffer.from(body).toString('latin1'));
    this.onData(body);
  }
  written(): void {
    this.writes++;
  }
  closed(error: FleximError | null): void {
    if (this.end !== undefined) throw new Error('closed twice');
    this.order.push('closed');
    this.end = error;
  }

  get code(): string | null | undefined {
    return this.end === undefined ? undefined : (this.end?.code ?? null);
  }
}

export interface Setting {
  readonly client?: readonly Scheme[];
  readonly server?: readonly Scheme[];
  readonly checkServer?: (key: Uint8Array | null) => void;
  readonly clock?: Clock;
  readonly maxRecord?: number;
  readonly between?: Between;
  readonly turn?: Extract<Role, { side: 'server' }>['turn'];
}

export const FORCED = acceptable('x25519-xwing-1', true);
export const NOT_FORCED = acceptable('x25519-xwing-1', false);
export const STILL: Clock = { now: () => 0, wall: () => 0 };

/** Two sessions on a line; nothing has moved yet. */
export function pair(setting: Setting = {}) {
  const line = new Line();
  if (setting.between) line.between = setting.between;
  const keys = exchangePair(randomBytes(32));
  const told = { client: new Told(), server: new Told() };
  const { clock = STILL, maxRecord = MAX_RECORD } = setting;
  const server = new Session(line.server, told.server, {
    ...{ clock, maxRecord },
    role: {
      side: 'server',
      answering: { schemes: setting.server ?? FORCED, draw: randomBytes, server: keys },
      ...(setting.turn ? { turn: setting.turn } : {}),
    },
  });
  const client = new Session(line.client, told.client, {
    ...{ clock, maxRecord },
    role: {
      side: 'client',
      asking: {
        schemes: setting.client ?? FORCED,
        draw: randomBytes,
        checkServer: setting.checkServer ?? (() => {}),
      },
    },
  });
  return { line, client, server, told, keys };
}

/** The same, established. */
export function established(setting: Setting = {}) {
  const made = pair(setting);
  made.line.flow();
  if (!made.told.client.agreement || !made.told.server.agreement)
    throw new Error(`not established: ${made.told.client.code}, ${made.told.server.code}`);
  return made;
}
