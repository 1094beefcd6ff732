// The other process of the store tests: does what its arguments name, says so line by line on stdout,
// and goes on at each line on stdin.

import { readSync, writeSync } from 'node:fs';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { FleximError } from '../../src/lib/errors.ts';
import { Store } from '../../src/store/store.ts';

const say = (text: string) => writeSync(1, `${text}\n`);

function wait(): void {
  const byte = new Uint8Array(1);
  while (readSync(0, byte) === 1 && byte[0] !== 0x0a);
}

function keyOf(n: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeUIntBE(n, 2, 6);
  return key;
}

const tasks: Record<string, (directory: string) => unknown> = {
  /** Writes numbers for ever, and says each one once its transaction is done. */
  write: async (directory) => {
    const store = new Store(directory, 'relay');
    const numbers = store.table<number>('numbers');
    for (let n = 0; ; n++) {
      await store.transaction(() => {
        numbers.put(`n${n}`, n);
        numbers.put('last', n);
      });
      say(String(n));
    }
  },
  /** Writes batches over two tables for ever, several at a time; `count` says how many rows there are. */
  batch: async (directory) => {
    const store = new Store(directory, 'relay');
    const rows = store.bytes('rows');
    const count = store.bytes('count');
    let n = [...rows.entries()].length;
    say(String(n));
    for (;;) {
      const kept = Array.from({ length: 8 }, (_, nth) =>
        store.batch(() => {
          for (let i = 0; i < 50 * nth + 1; i++) rows.put(keyOf(n++), Buffer.alloc(200, nth));
          count.put(keyOf(0), keyOf(n));
        }),
      );
      await Promise.all(kept);
      say(String(n));
    }
  },
  /** Claims the store and keeps it until it gets a word. */
  claim: async (directory) => {
    const store = new Store(directory, 'relay');
    say('ready');
    wait();
    try {
      store.claim(thisProcess(), isAlive);
    } catch (error) {
      if (!(error instanceof FleximError)) throw error;
      say(`${error.code} ${error.message}`);
      return store.close();
    }
    say('claimed');
    wait();
    await store.close();
    say('closed');
  },
};

const [task = '', directory = ''] = process.argv.slice(2);
await tasks[task]?.(directory);
