// Tables and their journal: a step that is taken back has not been.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskTable, Journal, Table } from '../../src/client/tables.ts';

const test = suite('client: tables');

test('undoing to a mark restores rows, and what is to be written', () => {
  const journal = new Journal();
  const table = new Table<string, number>('t', journal);
  table.load('a', 1);
  table.set('a', 2);
  table.set('b', 3);
  const mark = journal.mark;
  table.set('a', 4);
  table.delete('b');
  table.set('c', 5);
  assert.equal(table.entries(), [
    ['a', 4],
    ['c', 5],
  ]);
  journal.undoTo(mark);
  assert.equal(table.entries(), [
    ['a', 2],
    ['b', 3],
  ]);
  assert.equal(
    journal.changes().map(({ id, value }) => [id, value]),
    [
      ['a', 2],
      ['b', 3],
    ],
  );
  journal.undoTo(0);
  assert.equal(table.entries(), [['a', 1]]);
  assert.equal(journal.changes(), []);
});

test('a row that is changed often is written once, and one that came and went not at all', () => {
  const journal = new Journal();
  const table = new Table<number, string>('t', journal);
  for (const value of ['x', 'y', 'z']) table.set(1, value);
  table.set(2, 'short');
  table.delete(2);
  table.delete(3); // was never there
  table.load(4, 'old');
  table.delete(4);
  table.set(4, 'again');
  table.delete(4);
  assert.equal(
    journal.changes().map(({ id, value }) => [id, value]),
    [
      ['1', 'z'],
      ['4', undefined],
    ],
  );
  journal.clear();
  assert.equal(journal.changes(), []);
  assert.is(table.get(1), 'z');
});

test('a table on the disk shows what is about to be written', () => {
  const journal = new Journal();
  const table = new DiskTable<string>('d', journal, {
    read: (id) => (id === 'a' ? 'kept' : undefined),
  });
  assert.is(table.get('a'), 'kept');
  table.set('a', 'new');
  table.set('b', 'more');
  assert.is(table.get('a'), 'new');
  assert.is(table.get('b'), 'more');
  journal.undoTo(0);
  assert.is(table.get('a'), 'kept');
  assert.is(table.get('b'), undefined);
});

test.run();
