// The store: tables and ranges, what a kept promise is worth when the process is killed, and who owns
// it when two want it.

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { FleximError } from '../../src/lib/errors.ts';
import type { Owner } from '../../src/store/owner.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryDirectory } from '../relay.ts';

function withDirectory(body: (directory: string) => unknown): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    try {
      await body(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

function withStore(body: (store: Store) => unknown): () => Promise<void> {
  return withDirectory(async (directory) => {
    const store = new Store(directory, 'relay');
    try {
      await body(store);
    } finally {
      await store.close();
    }
  });
}

// ---- tables ----

const tables = suite('store tables');

tables(
  'values of every kind come back; tables are apart; what was removed is gone',
  withStore(async (store) => {
    const a = store.table<unknown>('a');
    const b = store.table<unknown>('b');
    const values = {
      n: 2 ** 40,
      text: 'é\0x',
      list: [1, [2]],
      map: { x: null, y: true },
      none: '',
    };
    await store.transaction(() => {
      for (const [key, value] of Object.entries(values)) a.put(key, value);
      b.put('n', 1);
    });
    for (const [key, value] of Object.entries(values)) assert.equal(a.get(key), value);
    assert.is(b.get('n'), 1);
    assert.is(b.get('text'), undefined);
    await store.transaction(() => a.remove('n'));
    assert.is(a.get('n'), undefined);
    await store.transaction(() => a.remove('never there'));
    assert.equal(store.table('a').get('list'), [1, [2]], 'the same table by another call');
  }),
);

tables(
  'ranges: in the order of UTF-8 bytes, by prefix, behind a key',
  withStore(async (store) => {
    const rows = store.table<number>('rows');
    const keys = [
      '',
      'a',
      'ab',
      'abc',
      'b',
      'ba',
      'é',
      '\ufa0e',
      '\u{20000}',
      'z'.repeat(40),
      '.',
      '0',
    ];
    await store.transaction(() => {
      keys.forEach((key, i) => {
        if (key) rows.put(key, i);
      });
    });
    const read = (range?: object) => [...rows.entries(range)].map(([key]) => key);
    const sorted = keys
      .filter(Boolean)
      .sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    assert.equal(read(), sorted);
    for (const prefix of ['', 'a', 'ab', 'abcd', 'b', '\ufa0e', '~'])
      assert.equal(
        read({ prefix }),
        sorted.filter((key) => key.startsWith(prefix)),
        prefix,
      );
    for (const after of [...keys.filter(Boolean), 'aa', '~', '\u{10ffff}'])
      assert.equal(
        read({ after }),
        sorted.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0),
        after,
      );
    assert.equal(read({ prefix: 'a', after: 'ab' }), ['abc']);
    assert.equal(read({ prefix: 'b', after: 'a' }), ['b', 'ba']);
    assert.equal([...rows.entries({ prefix: 'abc' })], [['abc', 3]]);
    for (const [key] of rows.entries()) if (key === 'a') break; // may be left
  }),
);

tables(
  'a table changes inside a transaction only',
  withStore(async (store) => {
    const rows = store.table<number>('rows');
    assert.throws(() => rows.put('a', 1), /transaction only/);
    assert.throws(() => rows.remove('a'), /transaction only/);
    await store.transaction(() => rows.put('a', 1));
    assert.throws(() => rows.put('a', 2), /transaction only/);
    assert.is(rows.get('a'), 1);
  }),
);

tables(
  'transactions are alone: of many that read and write, none loses the work of another',
  withStore(async (store) => {
    const rows = store.table<number>('rows');
    const results = await Promise.all(
      Array.from({ length: 200 }, () =>
        store.transaction(() => {
          const n = (rows.get('n') ?? 0) + 1;
          rows.put('n', n);
          return n;
        }),
      ),
    );
    assert.equal(
      results,
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    assert.is(rows.get('n'), 200);
  }),
);

tables(
  'what throws inside rejects, and the store goes on',
  withStore(async (store) => {
    const rows = store.table<number>('rows');
    const failed = await store
      .transaction(() => {
        throw new Error('no');
      })
      .then(String, (error: Error) => error.message);
    assert.is(failed, 'no');
    await store.transaction(() => rows.put('a', 1));
    assert.throws(() => rows.put('a', 2), /transaction only/);
    assert.is(rows.get('a'), 1);
  }),
);

tables(
  'close waits for what was begun, and everything is there after opening again',
  withDirectory(async (directory) => {
    const store = new Store(directory, 'relay');
    const rows = store.table<number>('rows');
    const writes = Array.from({ length: 50 }, (_, i) =>
      store.transaction(() => rows.put(`${i}`, i)),
    );
    await store.close();
    await Promise.all(writes);
    const again = new Store(directory, 'relay');
    assert.is([...again.table('rows').entries()].length, 50);
    await again.close();
  }),
);

tables.run();

// ---- files ----

const files = suite('store files');
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

files(
  'directories are made 0700 and files 0600, whatever the umask and whatever was there',
  withDirectory(async (directory) => {
    const umask = process.umask(0);
    try {
      const deep = join(directory, 'not', 'there yet');
      for (let round = 0; round < 2; round++) {
        const store = new Store(deep, 'relay');
        await store.transaction(() => store.table('x').put('a', 1));
        assert.equal(readdirSync(deep).sort(), ['relay.lmdb', 'relay.lmdb-lock']);
        for (const file of readdirSync(deep)) assert.is(modeOf(join(deep, file)), '600', file);
        assert.equal([modeOf(deep), modeOf(join(directory, 'not'))], ['700', '700']);
        await store.close();
        for (const file of readdirSync(deep)) chmodSync(join(deep, file), 0o664);
      }
    } finally {
      process.umask(umask);
    }
  }),
);

files(
  'a place where there can be no store is store-unusable, and named',
  withDirectory((directory) => {
    writeFileSync(join(directory, 'file'), '');
    mkdirSync(join(directory, 'taken', 'relay.lmdb'), { recursive: true });
    for (const place of ['file', 'file/below', 'taken'].map((each) => join(directory, each))) {
      let error: unknown;
      try {
        new Store(place, 'relay');
      } catch (reason) {
        error = reason;
      }
      assert.ok(error instanceof FleximError, place);
      assert.is((error as FleximError).code, 'store-unusable');
      assert.ok((error as FleximError).message.includes(join(place, 'relay.lmdb')));
    }
  }),
);

files.run();

// ---- two processes ----

interface Child {
  readonly process: ChildProcess;
  line(): Promise<string>;
  say(): void;
  readonly ended: Promise<void>;
}

function start(task: string, directory: string): Child {
  const script = join(import.meta.dirname, 'child.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, task, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    line: async () => {
      const { value, done } = await lines.next();
      return done ? 'ended' : value;
    },
    say: () => child.stdin.write('\n'),
    ended: new Promise((resolve) => child.on('close', () => resolve())),
  };
}

const processes = suite('store processes');

processes(
  'what was told to be durable is there after kill -9, and nothing is half there',
  withDirectory(async (directory) => {
    const child = start('write', directory);
    let told = -1;
    while (told < 30) told = Number(await child.line());
    child.process.kill('SIGKILL');
    for (let line = await child.line(); line !== 'ended'; line = await child.line())
      told = Number(line);
    await child.ended;
    const store = new Store(directory, 'relay');
    const numbers = store.table<number>('numbers');
    const last = numbers.get('last') ?? -1;
    assert.ok(last >= told, `told ${told}, found ${last}`);
    for (let n = 0; n <= last; n++) assert.is(numbers.get(`n${n}`), n);
    assert.is(numbers.get(`n${last + 1}`), undefined, 'a transaction is there as a whole');
    await store.close();
  }),
);

processes(
  'of two that claim one store exactly one has it, and the other is told its pid',
  withDirectory(async (directory) => {
    const children = [start('claim', directory), start('claim', directory)];
    for (const child of children) assert.is(await child.line(), 'ready');
    for (const child of children) child.say();
    const said = await Promise.all(children.map((child) => child.line()));
    const winner = children[said.indexOf('claimed')];
    assert.ok(winner, said.join());
    const refusal = said.find((line) => line !== 'claimed') ?? '';
    assert.match(refusal, /^store-busy /);
    assert.ok(refusal.includes(`process ${winner.process.pid};`), refusal);

    winner.say();
    assert.is(await winner.line(), 'closed');
    await Promise.all(children.map(({ ended }) => ended));
    const next = new Store(directory, 'relay'); // given up in good order
    next.claim({ pid: 1, started: '' }, () => true);
    await next.close();
  }),
);

processes(
  'a killed owner is dead and its store is taken over',
  withDirectory(async (directory) => {
    const child = start('claim', directory);
    assert.is(await child.line(), 'ready');
    child.say();
    assert.is(await child.line(), 'claimed');
    const store = new Store(directory, 'relay');
    assert.throws(() => store.claim(thisProcess(), isAlive), /in use by process/);
    child.process.kill('SIGKILL');
    await child.ended;
    store.claim(thisProcess(), isAlive);
    assert.is(store.table<Owner>('meta').get('owner')?.pid, process.pid);
    await store.close();
    const next = new Store(directory, 'relay');
    assert.is(next.table('meta').get('owner'), undefined);
    await next.close();
  }),
);

processes(
  'a pid that was given out again is not the owner; who was refused leaves the claim alone',
  withDirectory(async (directory) => {
    const store = new Store(directory, 'relay');
    store.claim({ pid: process.pid, started: 'in another life' }, isAlive);
    store.claim(thisProcess(), isAlive);
    let asked: Owner | null = null;
    const refuse = (owner: Owner) => {
      asked = owner;
      return true;
    };
    assert.throws(() => store.claim({ pid: 7, started: 'x' }, refuse), /store-busy|in use/);
    assert.equal(asked, thisProcess());
    assert.equal(store.table('meta').get('owner'), thisProcess());
    await store.close();
  }),
);

processes.run();
