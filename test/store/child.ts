// The other process of the store tests: does what its arguments name, says so line by line on stdout,
// and goes on at each line on stdin.

import { createReadStream, readSync, writeSync } from 'node:fs';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { FleximError } from '../../src/lib/errors.ts';
import { compactStore } from '../../src/store/compact.ts';
import { linesOf } from '../../src/store/dump.ts';
import { importStore } from '../../src/store/import.ts';
import { type Opening, openStore } from '../../src/store/open.ts';
import { recoverStore } from '../../src/store/recover.ts';
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
  /** Opens the store with care, says each step, and waits at those that are named. */
  open: async (directory) => {
    const stops = (process.argv[4] ?? '').split(',');
    const onStep = (step: string) => {
      say(step);
      if (stops.includes(step)) wait();
    };
    try {
      const store = await openStore(directory, 'relay', { owner: thisProcess(), isAlive, onStep });
      const rows = store.bytes('rows');
      await store.batch(() => rows.put(keyOf(process.pid), keyOf(1)));
      say('ready');
      wait();
      await store.close();
      say('end');
    } catch (error) {
      if (!(error instanceof FleximError)) throw error;
      say(`${error.code} ${error.message}`);
    }
  },
  compact: (directory) => repair((opening) => compactStore(directory, 'relay', opening)),
  recover: (directory) =>
    repair((opening) => recoverStore(directory, 'relay', { ...opening, now: new Date(0) })),
  import: (directory) =>
    repair((opening) => {
      const lines = linesOf(createReadStream(process.argv[5] ?? ''));
      return importStore(directory, 'relay', opening, lines);
    }),
};

/** Says each step and waits at those that are named, then says what came of it. */
async function repair(work: (opening: Opening) => Promise<object>): Promise<void> {
  const stops = (process.argv[4] ?? '').split(',');
  const onStep = (step: string) => {
    say(step);
    if (stops.includes(step)) wait();
  };
  try {
    await work({ owner: thisProcess(), isAlive, onStep });
    say('done');
  } catch (error) {
    if (!(error instanceof FleximError)) throw error;
    say(`${error.code} ${error.message}`);
  }
}

const [task = '', directory = ''] = process.argv.slice(2);
await tasks[task]?.(directory);
