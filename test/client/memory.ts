// A store of bytes in memory, for the vault: what a process that dies leaves behind.

import type { ByteRows, ByteStore } from '../../src/client/vault.ts';
import { toHex, view } from '../../src/lib/bytes.ts';

export class MemoryStore implements ByteStore {
  readonly path = 'memory';
  readonly rows = new Map<string, Uint8Array>();
  /** Called before a batch is kept; it may throw. */
  before: () => void = () => {};
  batches = 0;

  bytes(): ByteRows {
    const { rows } = this;
    return {
      get: (key) => rows.get(toHex(key)),
      *entries({ from, to, backwards = false } = { from: new Uint8Array(0), to: ALL }) {
        const [first, end] = [toHex(from), toHex(to)];
        const keys = [...rows.keys()].filter((key) => key >= first && key < end).sort();
        for (const key of backwards ? keys.reverse() : keys)
          yield [bytesOf(key), rows.get(key) as Uint8Array] as const;
      },
      put: (key, value) => void rows.set(toHex(key), value),
      remove: (key) => void rows.delete(toHex(key)),
    };
  }

  batch(work: () => void): Promise<void> {
    try {
      this.before();
      this.batches++;
      work();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What a copy of the disk would be. */
  copy(): MemoryStore {
    const copy = new MemoryStore();
    for (const [key, value] of this.rows) copy.rows.set(key, new Uint8Array(view(value)));
    return copy;
  }
}

const ALL = new Uint8Array(64).fill(0xff);

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
