// What the parent makes of the child that checks a store; opening in one process, formats, markers.

import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlive, thisProcess } from '../../src/cli/process.ts';
import { type ErrorCode, FleximError } from '../../src/lib/errors.ts';
import { checkStore, verdict } from '../../src/store/check.ts';
import { openEnvironment, openRows } from '../../src/store/environment.ts';
import type { Progress } from '../../src/store/inspect.ts';
import {
  type Marker,
  placeMarker,
  readMarker,
  removeMarker,
  replaceMarker,
  takeMarker,
} from '../../src/store/marker.ts';
import { openStore, type Step } from '../../src/store/open.ts';
import type { Owner } from '../../src/store/owner.ts';
import { temporaryDirectory } from '../relay.ts';

const OPENING = { owner: thisProcess(), isAlive, remedy: 'do this' };

function withDirectory(body: (directory: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    try {
      await body(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
}

async function refused(work: Promise<unknown>, code: ErrorCode): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FleximError, `${error}`);
  assert.is((error as FleximError).code, code, `${error}`);
  return (error as FleximError).message;
}

const judging = suite('store check: the verdict');

/** A child that does this instead of reading a store. */
const childThat = (code: string) => {
  const program = join(import.meta.dirname, 'any-child.js');
  return fork(program, [code], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
};
const judge = (code: string, silenceMs?: number) =>
  verdict('FILE', childThat(code), { remedy: 'do this' }, silenceMs);

judging('a child that dies as one does of bad memory has found a damaged store', async () => {
  for (const signal of ['SIGSEGV', 'SIGBUS', 'SIGABRT']) {
    const said = await refused(judge(`process.kill(process.pid, '${signal}')`), 'store-damaged');
    assert.is(
      said,
      `the store FILE is damaged: the process that read it died of ${signal}. ` +
        'To save what can be read: do this',
    );
  }
});

judging('a child that is killed, fails to start or says nothing has found nothing', async () => {
  for (const [code, why] of [
    ["process.kill(process.pid, 'SIGKILL')", 'SIGKILL'],
    ['process.exit(1)', 'ended with 1'],
    ['process.exit(0)', 'ended with 0'],
  ] as const) {
    const said = await refused(judge(code), 'store-unusable');
    assert.ok(said.includes('FILE') && said.includes(why), said);
  }
});

judging('a child that comes no further is killed', async () => {
  const child = childThat('setInterval(() => {}, 1000)');
  const said = await refused(verdict('FILE', child, {}, 50), 'store-damaged');
  assert.match(said, /came no further/);
  assert.is(child.signalCode, 'SIGKILL');
});

judging('its reports count: progress, damage, failure, soundness', async () => {
  const progress: Progress = { what: 'rows', done: 1, total: 2 };
  const told: Progress[] = [];
  const watch = { begun: () => {}, sound: () => {}, progress: (one: Progress) => told.push(one) };
  const send = (report: object) => `process.send(${JSON.stringify(report)})`;
  const sound = { tables: { a: { rows: 1, bytes: 2 } }, owner: null };
  const child = childThat(`${send({ progress })}; ${send({ sound })}; process.disconnect()`);
  assert.equal(await verdict('FILE', child, { watch }), sound);
  assert.equal(told, [progress]);
  const ended = '; process.disconnect()';
  assert.match(await refused(judge(send({ damage: 'page 7' }) + ended), 'store-damaged'), /page 7/);
  const failure = send({ failure: 'no', code: 'EACCES' });
  assert.match(await refused(judge(failure + ended), 'store-unusable'), /may not write there/);
});

judging.run();

const markers = suite('store markers');

markers(
  'one places it, and only its owner removes it',
  withDirectory(async (directory) => {
    const store = join(directory, 'relay.lmdb');
    const [a, b] = [
      { pid: 5, started: 'a' },
      { pid: 5, started: 'b' },
    ];
    assert.is(readMarker(store), null);
    assert.ok(placeMarker(store, a));
    assert.not(placeMarker(store, b));
    removeMarker(store, b);
    assert.equal(readMarker(store)?.owner, a);
    replaceMarker(store, b);
    removeMarker(store, a);
    assert.equal(readMarker(store)?.owner, b);
    removeMarker(store, b);
    assert.is(readMarker(store), null);
  }),
);

markers(
  'one that changed hands cannot be taken, and stays what it is',
  withDirectory(async (directory) => {
    const store = join(directory, 'relay.lmdb');
    const [dead, quick, late] = [5, 6, 7].map((pid) => ({ pid, started: '' })) as [
      Owner,
      Owner,
      Owner,
    ];
    placeMarker(store, dead);
    const seen = readMarker(store) as Marker;
    assert.ok(takeMarker(store, seen, quick));
    assert.equal(readMarker(store)?.owner, quick);
    assert.not(takeMarker(store, seen, late));
    assert.equal(readMarker(store)?.owner, quick);
    removeMarker(store, quick);
    assert.not(takeMarker(store, seen, late));
    assert.equal(readdirSync(directory), []);
  }),
);

markers.run();

const opening = suite('store opening');
const marker = (directory: string) => join(directory, 'relay.lmdb.open');
const DEAD = `${JSON.stringify({ pid: 1, started: 'in another life' })}\n`;

opening(
  'the marker is there while it is open, for us alone, and gone afterwards',
  withDirectory(async (directory) => {
    const store = await openStore(directory, 'relay', OPENING);
    assert.equal(JSON.parse(readFileSync(marker(directory), 'utf8')), { ...OPENING.owner });
    assert.is(statSync(marker(directory)).mode & 0o777, 0o600);
    assert.match(
      await refused(openStore(directory, 'relay', OPENING), 'store-busy'),
      new RegExp(`in use by process ${process.pid};`),
    );
    await store.close();
    assert.not(existsSync(marker(directory)));
    await store.close(); // once more does nothing
  }),
);

opening(
  'a store with a dead owner is checked, and told about; the next time it is not',
  withDirectory(async (directory) => {
    const first = await openStore(directory, 'relay', OPENING);
    await first.transaction(() => first.table('texts').put('a', 1));
    await first.close();
    writeFileSync(marker(directory), DEAD);
    const news: string[] = [];
    const watch = {
      begun: (path: string) => news.push(path),
      progress: () => {},
      sound: ({ tables }: { tables: object }) => news.push(JSON.stringify(tables)),
    };
    for (let round = 0; round < 2; round++) {
      const store = await openStore(directory, 'relay', { ...OPENING, watch });
      assert.is(store.table('texts').get('a'), 1);
      await store.close();
    }
    assert.equal(news, [
      join(directory, 'relay.lmdb'),
      '{"meta":{"rows":1,"bytes":11},"texts":{"rows":1,"bytes":6}}',
    ]);
  }),
);

opening(
  'after an error the marker stays, and the next opening checks',
  withDirectory(async (directory) => {
    const store = await openStore(directory, 'relay', OPENING);
    await store.batch(() => store.bytes('rows').put(Buffer.from('a'), Buffer.from('b')));
    // As a disk would do it: the value of another row.
    const raw = openEnvironment(join(directory, 'relay.lmdb'));
    await openRows(raw, 'rows')?.put(Buffer.from('a'), Buffer.from('wrong'));
    await raw.close();
    assert.throws(() => store.bytes('rows').get(Buffer.from('a')), /fails its checksum.*do this/);
    await store.close();
    assert.is(readFileSync(marker(directory), 'utf8'), '{}\n');
    assert.match(
      await refused(openStore(directory, 'relay', OPENING), 'store-damaged'),
      /a value of table rows fails its checksum. To save what can be read: do this$/,
    );
    assert.is(readFileSync(marker(directory), 'utf8'), '{}\n', 'still unclean');
  }),
);

opening(
  'a store of another format is left as it is',
  withDirectory(async (directory) => {
    const store = await openStore(directory, 'relay', OPENING);
    await store.transaction(() => store.table('meta').put('format', 2));
    await store.close();
    for (const text of [null, DEAD]) {
      if (text) writeFileSync(marker(directory), text);
      const said = await refused(openStore(directory, 'relay', OPENING), 'store-version');
      assert.match(said, /has format 2, and this flexim knows format 1/);
      assert.is(existsSync(marker(directory)), text !== null);
    }
  }),
);

opening(
  'what is no store is damaged, without a check and without dying of it',
  withDirectory(async (directory) => {
    writeFileSync(join(directory, 'relay.lmdb'), '#!/bin/sh\n'.repeat(2000));
    await refused(openStore(directory, 'relay', OPENING), 'store-damaged');
    await refused(checkStore(join(directory, 'relay.lmdb'), OPENING), 'store-damaged');
  }),
);

opening(
  'places where there can be no store: said, and nothing left behind',
  withDirectory(async (directory) => {
    writeFileSync(join(directory, 'file'), '');
    for (const place of ['file', join('file', 'below')]) {
      const said = await refused(
        openStore(join(directory, place), 'relay', OPENING),
        'store-unusable',
      );
      assert.ok(said.includes(join(directory, place)), said);
    }
    const steps: Step[] = [];
    const onStep = (step: Step) => steps.push(step);
    const store = await openStore(join(directory, 'a', 'b'), 'relay', { ...OPENING, onStep });
    assert.equal(steps, ['marked', 'opened', 'claiming', 'claimed']);
    await store.close();
  }),
);

opening.run();
