// Rows and blocks beside a list in memory: whatever was written, changed, refused or reopened, every page is
// the same, and there are never more rows than two blocks hold.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fold } from '../../src/client/blocks.ts';
import { type Page, readHistory } from '../../src/client/history.ts';
import { messageOf } from '../../src/client/lines.ts';
import { type Line, STATES } from '../../src/client/records.ts';
import { openState, pair } from '../../src/client/state.ts';
import { Vault } from '../../src/client/vault.ts';
import { randomBytes } from '../../src/crypto/sodium.ts';
import { encodeContent } from '../../src/fe1/content.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { Chance } from '../model/chance.ts';
import { MemoryStore } from './memory.ts';

const test = suite('client: timeline');
const PEOPLE = ['ab'.repeat(32), 'cd'.repeat(32)];
const KEY = new Uint8Array(32);
const WORDS = ['Ärger', 'sea', 'SEA', 'calm', 'ﬁne', 'x'];

function open(disk: MemoryStore, size: number) {
  return openState(new Vault(disk, KEY, randomBytes), 'memory', size);
}

function lineOf(peer: string, order: number, chance: Chance): Line {
  const id = randomBytes(16);
  const text = Array.from({ length: chance.below(4) }, () => WORDS[chance.below(6)]).join(' ');
  const msg = chance.oneIn(8) ? { no: 'text' } : text;
  const { content } = encodeContent({
    kind: 'message',
    message: { id, date: order, flags: [], msg },
  });
  const out = chance.oneIn(2);
  const state = out ? 'queued' : 'delivered';
  return { peer, order, id: toHex(id), out, at: order, state, content };
}

/** The slow twin. */
function page(lines: readonly Line[], { before, after, limit = 50, search }: Page) {
  const found = lines.filter((line) => {
    const { body } = messageOf(line);
    const isFound = typeof body === 'string' && fold(body).includes(fold(search ?? ''));
    const { order } = line;
    const isInside = order < (before ?? Infinity) && order > (after ?? -1);
    return isInside && (search === undefined || isFound);
  });
  const cut = after === undefined ? found.slice(-limit) : found.slice(0, limit);
  return cut.map(messageOf);
}

function rowsOf(disk: MemoryStore, letter: string): number {
  const hex = Buffer.from(letter).toString('hex');
  return [...disk.rows.keys()].filter((key) => key.startsWith(hex)).length;
}

async function life(seed: number): Promise<void> {
  const chance = new Chance(seed);
  const size = 1 + chance.below(5);
  const disk = new MemoryStore();
  let opened = open(disk, size);
  let all = new Map<number, Line>();
  for (let order = 0, step = 0; step < 40; step++) {
    const next = new Map(all);
    const put = (line: Line) => {
      next.set(line.order, line);
      opened.state.lines.set(pair(line.peer, String(line.order)), line);
    };
    for (let n = chance.below(8); n > 0; n--)
      put(lineOf(PEOPLE[chance.below(2)] as string, ++order, chance));
    for (let n = chance.below(4); n > 0 && order > 0; n--) {
      const line = next.get(1 + chance.below(order));
      if (line?.out) put({ ...line, state: STATES[chance.below(4)] as Line['state'] });
    }
    const isRefused = chance.oneIn(6);
    disk.before = () => {
      if (isRefused) throw new Error('full');
    };
    const isKept = await opened.commit().then(
      () => true,
      () => false,
    );
    if (isKept) opened.journal.clear();
    else opened.journal.undoTo(0);
    if (isKept) all = next;
    if (chance.oneIn(8)) opened = open(disk, size);
    for (const peer of PEOPLE) {
      const lines = [...all.values()].filter((line) => line.peer === peer);
      lines.sort((a, b) => a.order - b.order);
      const wanted: Page = {
        limit: chance.oneIn(2) ? 1 + chance.below(6) : Infinity,
        ...(chance.oneIn(2) ? { before: chance.below(order + 2) } : {}),
        ...(chance.oneIn(2) ? { after: chance.below(order + 2) } : {}),
        ...(chance.oneIn(2)
          ? { search: ['sea', 'äRGER', 'fin', 'm\ns', ''][chance.below(5)] as string }
          : {}),
      };
      assert.equal(readHistory(opened, peer, wanted), page(lines, wanted), `seed ${seed}`);
      for (const line of lines)
        assert.is(opened.state.lines.get(pair(peer, String(line.order)))?.state, line.state);
      const rows = rowsOf(disk, 'h');
      assert.ok(rows < 2 * PEOPLE.length * 2 * size, `${rows} rows with blocks of ${size}`);
    }
  }
  assert.is(rowsOf(disk, 'g'), rowsOf(disk, 'f'));
  assert.ok(rowsOf(disk, 'g') > 3);
}

test('every page is that of a list in memory', async () => {
  for (let seed = 1; seed <= 8; seed++) await life(seed);
});

test('a block that was changed, or stands in the place of another, is store-damaged', async () => {
  const disk = new MemoryStore();
  const chance = new Chance(1);
  const opened = open(disk, 2);
  const [peer] = PEOPLE as [string];
  for (let order = 1; order <= 12; order++)
    opened.state.lines.set(pair(peer, String(order)), lineOf(peer, order, chance));
  await opened.commit();
  opened.journal.clear();
  assert.is(readHistory(opened, peer).length, 12);
  const blocks = [...disk.rows.keys()].filter((key) => key.startsWith('67')).sort();
  const [one, two] = blocks as [string, string];
  const bytes = disk.rows.get(one) as Uint8Array;
  for (const other of [
    disk.rows.get(two) as Uint8Array,
    bytes.map((b, i) => (i === 40 ? b ^ 1 : b)),
  ]) {
    disk.rows.set(one, other);
    assert.throws(
      () => readHistory(open(disk, 2), peer),
      (error: unknown) => isFleximError(error, 'store-damaged'),
    );
  }
});

test.run();
