// The ledger is what the chaos runs rest on: every kind of violation is found, and a clean history,
// however rough, passes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Frame, message, newKeys } from '../peer.ts';
import { Ledger, type LedgerOptions, type Letter } from './ledger.ts';
import { writeLetter } from './letter.ts';
import { Reading } from './reading.ts';

const ALICE = 0;
const BOB = 1;
const keys = newKeys().hex;

function asFrame(bytes: Buffer): Frame {
  return { type: bytes[0] as number, body: bytes.subarray(3), bytes };
}

interface Posted {
  readonly letter: Letter;
  readonly frame: Frame;
}

function desk(options: LedgerOptions = {}) {
  const ledger = new Ledger(options);
  const post = (recipient = BOB): Posted => {
    const posted = ledger.post(ALICE, recipient, (seq) =>
      writeLetter(keys, { sender: ALICE, recipient, seq }, seq),
    );
    return { letter: posted.letter, frame: asFrame(posted.frame) };
  };
  return {
    ledger,
    post,
    posts: (count: number) =>
      Array.from({ length: count }, () => post()) as [Posted, Posted, Posted],
    read: (...posted: readonly Posted[]) => {
      const reading = new Reading(ledger, BOB);
      for (const { frame } of posted) reading.take(frame);
      return reading;
    },
    kinds: () => ledger.violations.map(({ kind }) => kind),
  };
}

const test = suite('the ledger of the chaos runs');

test('a clean history passes, and leaves nothing in memory', () => {
  const { ledger, posts, read, kinds } = desk();
  const [a, b, c] = posts(3);
  for (const each of [a, b]) ledger.queued(each.letter);
  ledger.refused(c.letter);
  read(a, b); // cut before any acknowledgement
  const again = read(a, b);
  again.queueSent();
  again.confirmed(2);
  const [d] = posts(1);
  ledger.passed(d.letter, 1);
  read(d).confirmed(1);
  ledger.settle();
  assert.equal(kinds(), []);
  assert.is(ledger.size, 0);
  const { sent, accepted, delivered, repeated, acknowledged, refused, excused } = ledger.counts;
  assert.equal(
    { sent, accepted, delivered, repeated, acknowledged, refused, excused },
    { sent: 4, accepted: 2, delivered: 3, repeated: 2, acknowledged: 3, refused: 1, excused: 0 },
  );
});

test('what was not promised may be missing when the relay was killed', () => {
  const { ledger, posts, read, kinds } = desk();
  const [a, b, c] = posts(3);
  ledger.passed(a.letter, 1);
  ledger.ended(1, 'killed');
  ledger.passed(b.letter, 1); // the answer was under way when the relay died
  ledger.queued(c.letter);
  read(c).confirmed(1);
  ledger.settle();
  assert.equal(kinds(), []);
  assert.is(ledger.counts.excused, 2);
});

const MISSING: readonly [string, (ledger: Ledger, letter: Letter) => void, LedgerOptions?][] = [
  ['event 20', (ledger, letter) => ledger.queued(letter)],
  ['a barrier in the life of this relay', (ledger, letter) => ledger.passed(letter, 1)],
  ['a barrier with --durable', (ledger, letter) => ledger.passed(letter, 1), { durable: true }],
  [
    'a barrier and a graceful stop',
    (ledger, letter) => {
      ledger.passed(letter, 1);
      ledger.ended(1, 'stopped');
    },
  ],
  [
    'a barrier answered in a graceful stop',
    (ledger, letter) => {
      ledger.ended(1, 'stopped');
      ledger.passed(letter, 1);
    },
  ],
];

for (const [how, promise, options] of MISSING) {
  test(`lost: promised by ${how}, and missing when all is quiet`, () => {
    const { ledger, post, kinds } = desk(options);
    promise(ledger, post().letter);
    ledger.settle();
    assert.equal(kinds(), ['lost']);
  });

  test(`lost: promised by ${how}, and a later one came`, () => {
    const { ledger, posts, read, kinds } = desk(options);
    const [a, b] = posts(2);
    promise(ledger, a.letter);
    read(b).confirmed(1);
    ledger.settle();
    assert.equal(kinds(), ['lost']);
  });

  test(`lost: a later one came, then it was promised by ${how}`, () => {
    const { ledger, posts, read, kinds } = desk(options);
    const [a, b] = posts(2);
    read(b).confirmed(1);
    promise(ledger, a.letter);
    ledger.settle();
    assert.equal(kinds(), ['lost']);
  });
}

test('lost: a killed relay keeps what was promised with --durable, and what it said 20 for', () => {
  const { ledger, posts, kinds } = desk({ durable: true });
  const [a, b] = posts(2);
  ledger.passed(a.letter, 1);
  ledger.queued(b.letter);
  ledger.ended(1, 'killed');
  ledger.settle();
  assert.equal(kinds(), ['lost', 'lost']);
});

test('lost: event 22 comes without what was queued before the login', () => {
  const { ledger, posts, read, kinds } = desk();
  const [a, b] = posts(2);
  ledger.queued(a.letter);
  const reading = read();
  ledger.queued(b.letter); // behind the login: may come later
  reading.queueSent();
  assert.equal(kinds(), ['lost']);
  assert.match(ledger.violations[0]?.what ?? '', /^0→1 #1:/);
});

test('lost: told once, though several things show it', () => {
  const { ledger, posts, read, kinds } = desk();
  const [a, b] = posts(2);
  ledger.queued(a.letter);
  read().queueSent();
  read(b).queueSent();
  ledger.settle();
  assert.equal(kinds(), ['lost']);
});

test('lost: an acknowledgement finishes what was received, not what is still to come', () => {
  const { ledger, posts, read, kinds } = desk();
  const [a, b, c] = posts(3);
  for (const each of [a, b, c]) ledger.queued(each.letter);
  const reading = read(a, b);
  reading.confirmed(1);
  reading.confirmed(1);
  read(b);
  assert.equal(kinds(), [], 'b was not confirmed');
  ledger.settle();
  assert.equal(kinds(), ['lost']);
  assert.match(ledger.violations[0]?.what ?? '', /^0→1 #3:/);
});

test('lost: what a graceful stop kept may not be lost by a later kill', () => {
  for (const answeredLate of [false, true]) {
    const { ledger, post, kinds } = desk();
    const { letter } = post();
    if (!answeredLate) ledger.passed(letter, 1);
    ledger.ended(1, 'stopped');
    if (answeredLate) ledger.passed(letter, 1);
    ledger.ended(2, 'killed');
    ledger.settle();
    assert.equal(kinds(), ['lost']);
  }
});

test('repeats: on one connection, and after a confirmed acknowledgement', () => {
  const { posts, read, kinds } = desk();
  const [a, b, c] = posts(3);
  read(a, a);
  assert.equal(kinds(), ['repeat-in-session']);
  read(a, b, a);
  assert.equal(kinds().slice(1), ['repeat-in-session']);
  read(a, b, c).confirmed(2);
  read(c);
  assert.is(kinds().length, 2, 'what was not confirmed may come again');
  read(b);
  assert.equal(kinds().slice(2), ['repeat-acknowledged']);
});

test('repeats: a connection that was replaced may still bring what its successor has confirmed', () => {
  const { posts, read, kinds } = desk();
  const [a, b, c] = posts(3);
  const older = read(a);
  const newer = read(a, b, c);
  newer.confirmed(3);
  older.take(b.frame);
  assert.equal(kinds(), [], 'it was under way');
  older.take(b.frame);
  assert.equal(kinds(), ['repeat-in-session']);
  newer.take(c.frame);
  read(b);
  assert.equal(kinds().slice(1), ['repeat-in-session', 'repeat-acknowledged']);
});

test('repeats: nothing comes again once all was quiet', () => {
  const { ledger, post, read, kinds } = desk();
  const a = post();
  read(a);
  ledger.settle();
  read(a);
  assert.equal(kinds(), ['repeat-acknowledged']);
});

test('order: on one connection, over first receipts, and among repeats', () => {
  const { posts, read, kinds } = desk();
  const [a, b, c] = posts(3);
  read(b, a);
  assert.equal(kinds(), ['order']);
  const other = desk();
  const [d, e] = other.posts(2);
  other.read(e);
  other.read(d);
  assert.equal(other.kinds(), ['order']);
  read(c);
  read(b, c);
  assert.is(kinds().length, 1);
  const repeats = desk();
  const [f, g] = repeats.posts(2);
  repeats.read(f, g);
  repeats.read(g, f);
  assert.equal(repeats.kinds(), ['order']);
});

test('altered: content, or any other byte of the frame', () => {
  const { post, read, kinds } = desk();
  const spoilt = (at: (length: number) => number) => {
    const posted = post();
    const bytes = Buffer.from(posted.frame.bytes);
    const place = at(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
    return { ...posted, frame: asFrame(bytes) };
  };
  read(spoilt((length) => length - 1)); // the padding
  read(spoilt(() => 10)); // the recipient's key
  read({ ...post(), frame: asFrame(message(keys, 'not one of ours')) });
  read({ ...post(), frame: asFrame(Buffer.from([3, 0, 1, 0xc1])) });
  assert.equal(kinds(), ['altered', 'altered', 'altered', 'altered']);
});

test('misdelivered, and never sent', () => {
  const { ledger, post, read, kinds } = desk();
  read(post(2));
  assert.equal(kinds(), ['misdelivered']);
  const forged = writeLetter(keys, { sender: ALICE, recipient: BOB, seq: 1 }, 0);
  new Reading(ledger, BOB).take(asFrame(forged));
  assert.equal(kinds().slice(1), ['unsent']);
});

test('refused, and delivered all the same', () => {
  const { ledger, posts, read, kinds } = desk();
  const [a, b] = posts(2);
  ledger.refused(a.letter);
  read(a, b);
  ledger.refused(b.letter);
  assert.equal(kinds(), ['refused-delivered', 'refused-delivered']);
});

test('events that contradict each other', () => {
  const { ledger, posts, kinds } = desk();
  const [a, b] = posts(2);
  ledger.queued(a.letter);
  ledger.refused(a.letter);
  ledger.passed(b.letter, 1);
  ledger.queued(b.letter);
  assert.equal(kinds(), ['event', 'event']);
});

test('who does without acknowledgements may lose and get again, but not twice on one connection', () => {
  const { ledger, posts, read, kinds } = desk();
  ledger.loosen(BOB);
  const [a, b, c] = posts(3);
  for (const each of [a, b, c]) ledger.queued(each.letter);
  read(b).queueSent();
  ledger.settle();
  read(b);
  assert.equal(kinds(), []);
  read(c, c);
  assert.equal(kinds(), ['repeat-in-session']);
});

test('a smudged sender proves nothing, one with a clean connection still does', () => {
  const { ledger, post, read, kinds } = desk();
  ledger.smudge(ALICE);
  read(post(2), { ...post(), frame: asFrame(message(keys, 'noise')) });
  assert.equal(kinds(), []);
  assert.is(ledger.counts.garbled, 2);
  const taken = Buffer.from(post().frame.bytes);
  const [third] = [...taken.toString('latin1').matchAll(/ 0 1 (\d) /g)];
  taken.write('1', (third?.index ?? 0) + 5, 'latin1'); // pretends to be the first, which is there
  read({ ...post(), frame: asFrame(taken) });
  assert.is(ledger.counts.garbled, 3);
  assert.is(ledger.counts.delivered, 0);
  const clean = ledger.post(2, 3, (seq) => writeLetter(keys, { sender: 2, recipient: 3, seq }, 0));
  read({ letter: clean.letter, frame: asFrame(clean.frame) });
  assert.equal(kinds(), ['misdelivered']);
});

test('memory stays bounded over a long run', () => {
  const { ledger, posts, read } = desk();
  for (let round = 1; round <= 200; round++) {
    const letters = posts(20);
    for (const { letter } of letters.slice(0, 10)) ledger.passed(letter, round);
    ledger.ended(round, 'killed');
    const came = letters.slice(10);
    read(...came).confirmed(came.length);
    assert.is(ledger.size, 0);
  }
  assert.equal(ledger.violations, []);
  assert.is(ledger.counts.excused, 2_000);
});

test.run();
