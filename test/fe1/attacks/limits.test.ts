// What a peer can make us compute and keep: docs/protocols/fe1.md §6.5. Everything has a bound.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SKIP_TTL } from '../../../src/fe1/constants.ts';
import { expire } from '../../../src/fe1/ratchet.ts';
import { decodeSession, encodeSession } from '../../../src/fe1/state.ts';
import { forgeBody } from '../forge.ts';
import {
  attempt,
  friends,
  hear,
  NOW,
  pair,
  refuses,
  refusesDuplicate,
  type Side,
  say,
  session,
} from '../pair.ts';

const test = suite('FE1 attacks: limits');

function many(from: Side, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => say(from, `${i}`));
}
function stored(of: Side): number {
  return session(of).skipped.reduce((sum, { keys }) => sum + keys.length, 0);
}

test('1,000 messages backwards open exactly once', () => {
  const { A, B } = friends('backwards');
  hear(A, say(B, 'a new chain'));
  const sent = many(A, 1_000);
  for (let i = sent.length - 1; i >= 0; i--) assert.is(hear(B, sent[i] as Uint8Array), `${i}`);
  for (const envelope of sent.slice(1)) refusesDuplicate(() => attempt(B, envelope));
  assert.is(stored(B), 0);
  assert.is(hear(B, say(A, 'on')), 'on');
});

test('a skip of 1,000, not of 1,001', () => {
  for (const [count, taken] of [
    [1_000, true],
    [1_001, false],
  ] as const) {
    const first = pair(`skip first ${count}`);
    many(first.A, count);
    const init = say(first.A, 'far');
    const { A, B } = friends(`skip ${count}`);
    many(A, count);
    const cur = say(A, 'far'); // in the current chain
    const other = friends(`skip next ${count}`);
    const back = say(other.B, 'now A steps');
    many(other.A, count);
    hear(other.A, back);
    const next = say(other.A, 'far'); // pn
    for (const [to, envelope] of [
      [first.B, init],
      [B, cur],
      [other.B, next],
    ] as const) {
      if (taken) assert.is(hear(to, envelope), 'far');
      else refuses(() => attempt(to, envelope), undefined, `${count}`);
    }
  }
});

test('a skip bomb costs next to nothing', () => {
  const { A, B } = friends('bomb');
  const size = encodeSession(session(B)).length;
  const began = performance.now();
  for (const n of [1_002, 2 ** 16, 2 ** 31, 2 ** 32 - 1])
    for (let i = 0; i < 50; i++) refuses(() => attempt(B, forgeBody(session(A), { n })));
  hear(A, say(B, 'now A steps'));
  const s = { ...session(A) };
  const chain = { ...s, HKs: s.NHKs, pending: false };
  const dh = new Uint8Array(32).fill(9);
  for (const pn of [1_003, 2 ** 31, 2 ** 32 - 1])
    for (const n of [0, 2 ** 32 - 1])
      for (let i = 0; i < 50; i++) refuses(() => attempt(B, forgeBody(chain, { dh, pn, n })));
  assert.ok(performance.now() - began < 5_000);
  // What is just within the limit, in both chains, is the most work: and nothing of it stays.
  const before = encodeSession(session(B));
  for (let i = 0; i < 20; i++)
    refuses(() => attempt(B, forgeBody(chain, { dh, pn: s.Ns + 990, n: 1_000 })));
  assert.equal(encodeSession(session(B)), before);
  assert.ok(before.length < size + 5_000);
});

test('2,000 kept keys at most, the oldest go first', () => {
  const { A, B } = friends('stored');
  hear(A, say(B, 'a new chain'));
  const sent = many(A, 2_010);
  for (const i of [1_000, 2_001]) hear(B, sent[i] as Uint8Array);
  assert.is(stored(B), 2_000);
  hear(B, sent[2_005] as Uint8Array);
  assert.is(stored(B), 2_000);
  for (const i of [0, 1, 2]) refusesDuplicate(() => attempt(B, sent[i] as Uint8Array), `${i}`);
  for (const i of [3, 999, 1_001, 2_000, 2_002]) assert.is(hear(B, sent[i] as Uint8Array), `${i}`);
  assert.equal(decodeSession(encodeSession(session(B))), session(B));
});

test('2,000 over several chains', () => {
  const { A, B } = friends('stored over chains');
  const lost: Uint8Array[] = [];
  for (let i = 0; i < 3; i++) {
    hear(A, say(B, 'a new chain'));
    lost.push(...many(A, 900));
    hear(B, say(A, 'last'));
  }
  assert.is(stored(B), 2_000);
  refuses(() => attempt(B, lost[0] as Uint8Array), 'envelope-duplicate');
  refuses(() => attempt(B, lost[699] as Uint8Array), 'envelope-duplicate');
  assert.is(hear(B, lost[700] as Uint8Array), '700');
  assert.is(hear(B, lost[900] as Uint8Array), '0');
  assert.is(hear(B, lost[2_699] as Uint8Array), '899');
});

test('8 old chains at most, the oldest goes first', () => {
  const { A, B } = friends('chains');
  const lost: Uint8Array[] = [];
  for (let i = 0; i < 11; i++) {
    hear(A, say(B, 'a new chain'));
    lost.push(say(A, `lost ${i}`));
    hear(B, say(A, 'not lost'));
    assert.ok(session(B).skipped.length <= 9, 'with the current one');
    assert.equal(decodeSession(encodeSession(session(B))), session(B));
  }
  assert.is(session(B).skipped.length, 9);
  for (const i of [0, 1]) refuses(() => attempt(B, lost[i] as Uint8Array), undefined, `${i}`);
  for (let i = 2; i < 11; i++) assert.is(hear(B, lost[i] as Uint8Array), `lost ${i}`);
  assert.is(stored(B), 0);
});

test('kept keys expire, each in its time', () => {
  const { A, B } = friends('expiry');
  const sent = many(A, 6);
  hear(B, sent[2] as Uint8Array, NOW); // keeps 0, 1
  hear(B, sent[5] as Uint8Array, NOW + 100); // keeps 3, 4
  const at = (now: number) => stored({ ...B, session: expire(session(B), now) });
  assert.is(at(NOW + SKIP_TTL - 1), 4);
  assert.is(expire(session(B), NOW + SKIP_TTL - 1), session(B), 'nothing to write');
  assert.is(at(NOW + SKIP_TTL), 2);
  assert.is(at(NOW + SKIP_TTL + 100), 0);
  B.session = expire(session(B), NOW + SKIP_TTL);
  refusesDuplicate(() => attempt(B, sent[0] as Uint8Array));
  assert.is(hear(B, sent[3] as Uint8Array), '3');
  B.session = expire(session(B), NOW + SKIP_TTL + 100);
  assert.equal(session(B).skipped, []);
  assert.is(hear(B, say(A, 'on')), 'on');
});

test.run();
