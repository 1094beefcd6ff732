// An index is what one gets by looking at all rows, whatever was changed and taken back before.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Index } from '../../src/client/indexes.ts';
import { Journal, Table } from '../../src/client/tables.ts';
import { Chance } from '../model/chance.ts';

interface Row {
  readonly who: string | null;
  readonly at: number;
}

const test = suite('client: indexes');

test('like filtering and sorting all rows, after any changes', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const chance = new Chance(seed);
    const journal = new Journal();
    const index = new Index<number, Row>(
      ({ who }) => who,
      ({ at }) => at,
    );
    const table = new Table<number, Row>('t', journal, [index]);
    let mark = 0;
    for (let i = 0; i < 200; i++) {
      const id = chance.below(12);
      const who = ['a', 'b', null][chance.below(3)] ?? null;
      if (chance.oneIn(3)) table.delete(id);
      else table.set(id, { who, at: chance.oneIn(2) ? i : chance.below(20) });
      if (chance.oneIn(20)) mark = journal.mark;
      if (chance.oneIn(20)) journal.undoTo(mark);
      for (const group of ['a', 'b']) {
        const slow = table.entries().filter(([, row]) => row.who === group);
        const fast = index.entries(group);
        assert.is(index.size(group), slow.length);
        assert.equal(fast.map(([key]) => key).sort(), slow.map(([key]) => key).sort());
        assert.equal(
          fast.map(([, { at }]) => at),
          slow.map(([, { at }]) => at).sort((a, b) => a - b),
        );
      }
    }
    const present = new Set(table.values().flatMap(({ who }) => who ?? []));
    assert.equal(index.groups().sort(), [...present].sort());
  }
});

test('rows of one order stay as they came; rows may go while one goes over them', () => {
  const index = new Index<string, string>(() => '');
  for (const id of ['c', 'a', 'b']) index.replace(id, undefined, id);
  index.replace('c', 'c', 'C');
  assert.equal(index.rows(''), ['C', 'a', 'b']);
  const seen: string[] = [];
  for (const row of index.each('')) {
    seen.push(row);
    index.replace(row.toLowerCase(), row, undefined);
  }
  assert.equal([seen, index.groups()], [['C', 'a', 'b'], []]);
});

test.run();
