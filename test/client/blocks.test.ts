// Blocks of lines: what goes in comes out the same, whatever others sent; bytes that are none are `malformed`.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Block, cut, encodeBlock, fold } from '../../src/client/blocks.ts';
import type { Line } from '../../src/client/records.ts';
import { encodeContent } from '../../src/fe1/content.ts';
import { fromHex, view } from '../../src/lib/bytes.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { encode } from '../../src/wire/msgpack.ts';
import { Chance } from '../model/chance.ts';

const test = suite('client: blocks');
const PEER = 'ab'.repeat(32);

function line(order: number, content: (id: Uint8Array) => Uint8Array, more: Partial<Line> = {}) {
  const id = order.toString(16).padStart(32, '0');
  const bytes = content(fromHex(id, 16) as Uint8Array);
  const base = { peer: PEER, order, id, out: false, at: 1_800_000_000 + order };
  return { ...base, state: 'delivered', content: bytes, ...more } as Line;
}

const said =
  (msg: unknown, flags: string[] = []) =>
  (id: Uint8Array) =>
    encodeContent({ kind: 'message', message: { id, date: 7, flags, msg } }).content;

/** As another client may write it: other order, more keys, wider integers. */
const foreign = (msg: unknown) => (id: Uint8Array) =>
  encode({ msg, more: [1], flags: [], date: 1.5e9, id }).slice();

const TEXTS = ['', 'hello', 'two\nlines', '\ufeffmark', `\ufeff${'long '.repeat(60)}`];
const MORE = [
  '\u0301 combines with what was before',
  'Größe',
  '日本語',
  '\u{1f468}\u200d\u{1f469}',
  'ﬁ',
];
const LINES: readonly Line[] = [
  ...[...TEXTS, ...MORE].map((text, i) => line(i + 1, said(text))),
  line(20, said('mine', ['NOTIFY', 'ME']), { out: true, state: 'queued' }),
  line(21, said({ any: ['value', 1, null] })),
  line(23, said(null), { out: true, state: 'read' }),
  line(24, foreign('from elsewhere')),
  line(25, foreign(5)),
  line(2 ** 33, said('late'), { out: true, state: 'accepted' }),
];

const read = (lines: readonly Line[]) => new Block(PEER, encodeBlock(lines).block);
const plain = (lines: readonly (Line | undefined)[]) =>
  lines.map((each) => each && { ...each, content: view(each.content).toString('hex') });

test('what goes in comes out', () => {
  const block = read(LINES);
  assert.equal(plain([...block.lines()]), plain(LINES));
  assert.equal([block.first, block.last], [1, 2 ** 33]);
  for (const each of LINES) assert.equal(plain([block.get(each.order)]), plain([each]));
  assert.is(block.get(22), undefined);
  const some = LINES.filter((_, i) => i % 3 === 0);
  assert.equal(plain([...read(some).lines()]), plain(some));
});

test('a text stands in it once', () => {
  const text = 'x'.repeat(1_000);
  const lines = Array.from({ length: 20 }, (_, i) => line(i, said(text)));
  assert.ok(encodeBlock(lines).block.length < 20 * 1_060);
});

test('its folded texts hold what a search looks for, and texts do not run into each other', () => {
  const folded = view(encodeBlock(LINES).folded).toString();
  for (const text of [...TEXTS.slice(0, 4), ...MORE, 'mine', 'from elsewhere'])
    assert.ok(folded.includes(fold(text)), text);
  assert.not.ok(folded.includes('é'), 'the accent is nobody else’s');
  const texts = [...read(LINES).lines({}, 'fi')];
  assert.equal(
    texts.map(({ order }) => order),
    [10],
  );
});

test('a cut has so many lines, and so many bytes', () => {
  const lines = [60_000, 60_000, 60_000, 10, 10].map((n, i) => line(i, said('x'.repeat(n))));
  assert.is(cut(lines, 4).length, 2);
  assert.is(cut(lines.slice(3), 4).length, 2);
  assert.is(cut(lines, 1).length, 1);
  const large = Array.from({ length: 3 }, (_, i) => line(i, () => new Uint8Array(200_000)));
  assert.is(cut(large, 4).length, 1);
});

test('bytes that are no block are malformed, and nothing else happens', () => {
  const { block } = encodeBlock(LINES);
  const chance = new Chance(1);
  for (let i = 0; i < 3_000; i++) {
    const changed = block.slice(0, chance.oneIn(3) ? chance.below(block.length) : block.length);
    for (let n = chance.below(4); n >= 0; n--)
      if (changed.length > 0) changed[chance.below(changed.length)] = chance.below(256);
    try {
      [...new Block(PEER, changed).lines()];
    } catch (error) {
      if (!isFleximError(error, 'malformed')) throw error;
    }
  }
  for (const value of [
    [],
    [[], new Uint8Array(0)],
    null,
    { lines: [] },
    [[[1]], new Uint8Array(9)],
  ])
    assert.throws(
      () => new Block(PEER, encode(value).slice()),
      (error: unknown) => isFleximError(error, 'malformed'),
    );
});

test.run();
