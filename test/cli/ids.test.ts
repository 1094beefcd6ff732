// Acknowledgements on stdin: only ids that were shown count, each once.

import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Ids } from '../../src/cli/ids.ts';
import { until } from '../scene.ts';

const [A, B] = ['aa'.repeat(16), 'bb'.repeat(16)];
const test = suite('cli: acknowledgements');

function scene() {
  const input = new PassThrough();
  const came: string[] = [];
  const seen = { isOver: false };
  const ids = new Ids(input as unknown as NodeJS.ReadStream, {
    came: (peer, id) => void came.push(`${peer} ${id}`),
    over: () => {
      seen.isOver = true;
    },
  });
  return { input, came, seen, ids };
}

test('ids in any case and cut; others are passed over; finished when the last has come', async () => {
  const { input, came, ids } = scene();
  ids.expect('alice', A);
  ids.expect('bob', B);
  const finished = ids.finish();
  input.write(`nonsense\n${'cc'.repeat(16)}\n\n ${B.toUpperCase()} \r\n${B}\n${A.slice(0, 9)}`);
  await until(() => came.length === 1, 'the first');
  input.write(`${A.slice(9)}\n`);
  assert.is(await finished, 0);
  assert.equal(came, [`bob ${B}`, `alice ${A}`]);
  assert.ok(input.destroyed);
});

test('two people with one id need it twice', async () => {
  const { input, came, ids } = scene();
  ids.expect('alice', A);
  ids.expect('mallory', A);
  input.write(`${A}\n${A}\n${A}\n`);
  assert.is(await ids.finish(), 0);
  assert.equal(came, [`alice ${A}`, `mallory ${A}`]);
});

test('an end before the last one', async () => {
  const { input, came, seen, ids } = scene();
  ids.expect('alice', A);
  ids.expect('bob', B);
  input.end(`${A}\n`);
  assert.is(await ids.finish(), 1);
  assert.equal(came, [`alice ${A}`]);
  assert.ok(ids.isOver && seen.isOver);
});

test('nothing expected: nothing to wait for', async () => {
  assert.is(await scene().ids.finish(), 0);
});

test.run();
