// Who is who, which connection stays, how long to wait: the rules alone.

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../../src/lib/errors.ts';
import { Book } from '../../../src/protocols/enclave/book.ts';
import { checkAnswer, friendOf, plainHost } from '../../../src/protocols/enclave/match.ts';
import { PAUSES, pauseAfter } from '../../../src/protocols/enclave/pause.ts';
import { surplus } from '../../../src/protocols/enclave/rivals.ts';

const test = suite('enclave: rules');
const [LOW, HIGH] = ['11'.repeat(32), 'ee'.repeat(32)];

const rival = fc.record({ isDialled: fc.boolean(), isProven: fc.boolean() });

test('two who dial each other keep the same one: that of the smaller key', () => {
  const [mine, his] = [
    { isDialled: true, isProven: true },
    { isDialled: false, isProven: true },
  ];
  assert.equal(surplus([mine, his], LOW, HIGH), [his]);
  assert.equal(surplus([his, mine], LOW, HIGH), [his], 'in either order');
  assert.equal(surplus([mine, his], HIGH, LOW), [mine]);
});

test('both ends, who see the same, end the same ones', () => {
  fc.assert(
    fc.property(fc.array(rival, { maxLength: 4 }), (here) => {
      const ended = surplus(here, LOW, HIGH)
        .map((each) => here.indexOf(each))
        .sort();
      const there = here.map((each) => ({ ...each, isDialled: !each.isDialled }));
      const endedThere = surplus(there, HIGH, LOW)
        .map((each) => there.indexOf(each))
        .sort();
      assert.equal(ended, endedThere);
    }),
  );
});

test('one always stays; what is proven gives way to what is proven alone', () => {
  fc.assert(
    fc.property(fc.array(rival, { minLength: 1 }), fc.boolean(), (all, isLow) => {
      const [ours, his] = isLow ? [LOW, HIGH] : [HIGH, LOW];
      const ended = new Set(surplus(all, ours, his));
      const kept = all.filter((each) => !ended.has(each));
      assert.ok(kept.length > 0);
      assert.is(ended.size, surplus(all, ours, his).length, 'each once');
      if (all.some(({ isProven }) => isProven)) assert.ok(kept.some(({ isProven }) => isProven));
    }),
  );
});

test('an unproven one beside a proven one: both stay; when it is proven, the older one goes', () => {
  const proven = { isDialled: false, isProven: true };
  const claim = { isDialled: false, isProven: false };
  assert.equal(surplus([proven, claim], LOW, HIGH), []);
  assert.equal(surplus([proven, { ...claim, isDialled: true }], LOW, HIGH), []);
  assert.equal(surplus([claim, { ...claim, isDialled: true }], LOW, HIGH), [], 'nobody knows');
  assert.equal(surplus([proven, { ...claim, isProven: true }], LOW, HIGH), [proven]);
});

test('claims are few; plain connections, too', () => {
  const claims = Array.from({ length: 6 }, () => ({ isDialled: false, isProven: false }));
  assert.equal(surplus(claims, LOW, HIGH), claims.slice(0, 2));
  assert.equal(surplus(claims, LOW, null), claims.slice(0, 2));
});

test('a comer is matched by key, else by host if one line without a key has it', () => {
  const book = Book.parse(
    `ann 10.0.0.1 ${LOW}\nbob 10.0.0.2\ncarl 10.0.0.3\ncora 10.0.0.3\nlo localhost\n`,
  );
  const who = (host: string, key: string | null) => friendOf(book, { host, key })?.name ?? null;
  assert.is(who('9.9.9.9', LOW), 'ann');
  assert.is(who('10.0.0.1', null), null, 'ann had a key');
  assert.is(who('10.0.0.1', HIGH), null, 'not hers');
  assert.is(who('10.0.0.2', null), 'bob');
  assert.is(who('10.0.0.2', HIGH), 'bob');
  assert.is(who('10.0.0.3', null), null, 'two lines');
  assert.is(who('127.0.0.1', null), 'lo');
  const reached = friendOf(
    Book.parse('bob b.example\n'),
    { host: '1.2.3.4', key: null },
    () => '1.2.3.4',
  );
  assert.is(reached?.name, 'bob');
});

test('a blocked host is blocked for those without a key', () => {
  const book = Book.parse('bob 10.0.0.2\nspam 10.0.0.2 blocked\n');
  assert.is(friendOf(book, { host: '10.0.0.2', key: null })?.name, 'spam');
  assert.is(friendOf(book, { host: '10.0.0.2', key: HIGH })?.name, 'bob');
});

test('an answer with another key, with none any more, or with that of another friend', () => {
  const book = Book.parse(`ann h ${LOW}\nbob h\ncarl h ${HIGH}\n`);
  const [ann, bob] = [book.named('ann'), book.named('bob')];
  if (!ann || !bob) throw new Error('not read');
  const refused = (work: () => void) =>
    assert.throws(work, (error: unknown) => isFleximError(error, 'peer-key-changed'));
  checkAnswer(book, ann, LOW);
  checkAnswer(book, bob, null);
  checkAnswer(book, bob, 'cc'.repeat(32));
  refused(() => checkAnswer(book, ann, HIGH));
  refused(() => checkAnswer(book, ann, null));
  refused(() => checkAnswer(book, bob, HIGH));
});

test('one spelling for an address', () => {
  assert.is(plainHost('::ffff:10.0.0.1'), '10.0.0.1');
  assert.is(plainHost('::1'), '::1');
});

test('pauses grow from a second to five minutes, and differ', () => {
  for (let attempt = 0; attempt < 40; attempt++) {
    const [least, most] = [
      pauseAfter(attempt, PAUSES, () => 0),
      pauseAfter(attempt, PAUSES, () => 1),
    ];
    assert.ok(least >= 1_000 && most <= 300_000 && least < most, `${attempt}: ${least} to ${most}`);
  }
  assert.is(
    pauseAfter(0, PAUSES, () => 0),
    1_000,
  );
  assert.is(
    pauseAfter(30, PAUSES, () => 1),
    300_000,
  );
});

test.run();
