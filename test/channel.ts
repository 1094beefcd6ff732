// A Channel whose other end is the test: nothing is written until the test takes it.

import type { Channel, ChannelHandler } from '../src/net/channel.ts';

export class FakeChannel implements Channel {
  remote = '192.0.2.1';
  readonly binding = new Uint8Array(32);
  readonly serverKey = null;
  readonly writes: { bytes: Buffer; written: () => void }[] = [];
  readonly calls: string[] = []; // write, keep, pause, resume, end, reset, in order
  isPaused = false;
  #handler: ChannelHandler | null = null;

  get handler(): ChannelHandler {
    if (!this.#handler) throw new Error('nobody has opened it');
    return this.#handler;
  }

  open(handler: ChannelHandler): void {
    this.#handler = handler;
  }

  keep(): void {
    this.calls.push('keep');
  }

  write(bytes: Uint8Array, written: () => void): void {
    this.calls.push('write');
    this.writes.push({ bytes: Buffer.from(bytes), written });
  }

  pause(): void {
    this.isPaused = true;
    this.calls.push('pause');
  }

  resume(): void {
    this.isPaused = false;
    this.calls.push('resume');
  }

  end(): void {
    this.isPaused = false;
    this.calls.push('end');
  }

  reset(): void {
    this.calls.push('reset');
    this.handler.closed(null);
  }

  // ---- the other end ----

  /** Gives bytes in memory that is overwritten afterwards, as sockets may do. */
  feed(...parts: readonly Uint8Array[]): void {
    const chunk = Buffer.concat(parts);
    this.handler.data(chunk);
    chunk.fill(0xee);
  }

  /** Takes the write that is under way, or null. */
  take(): Buffer | null {
    const write = this.writes.shift();
    write?.written();
    return write?.bytes ?? null;
  }
}

/** One turn of the event loop: what was gathered is written. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
