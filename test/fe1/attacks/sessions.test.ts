// Which session counts: docs/protocols/fe1.md §10. Whatever order a relay delivers in, both sides
// come to the same one, and a peer who lost his state is told once.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_SESSIONS, RELAY_TTL } from '../../../src/fe1/constants.ts';
import { encodeContent, parseContent } from '../../../src/fe1/content.ts';
import { parseEnvelope } from '../../../src/fe1/envelope.ts';
import { encrypt, type Session } from '../../../src/fe1/ratchet.ts';
import {
  activeSession,
  admit,
  heardGen,
  initId,
  isStale,
  lostItsState,
  NO_PEER,
  nextGen,
  type Peer,
  receive,
  used,
} from '../../../src/fe1/sessions.ts';
import { sameBytes, toHex, u32, utf8 } from '../../../src/lib/bytes.ts';
import { flipped, invite, NOW, type Person, person, receiver, refuses, side } from '../pair.ts';

const test = suite('FE1 attacks: sessions');

/** One person with all sessions to the other one, as a client keeps them. */
interface Home {
  readonly person: Person;
  peer: Peer;
  readonly inits: Map<string, string>; // iid → sid
  answers: number[];
}
const home = (person: Person): Home => ({ person, peer: NO_PEER, inits: new Map(), answers: [] });

function open(from: Home, to: Home): void {
  const gen = nextGen(from.peer);
  from.peer = used(from.peer, invite(from.person, to.person, { otk: false, gen }));
}

function send(from: Home, text: string, on = activeSession(from.peer.sessions)): Uint8Array {
  assert.ok(on);
  const sent = encrypt(on, { type: 1, content: utf8(text) }, from.person.random);
  from.peer = used(from.peer, sent.session);
  return sent.envelope;
}

function take(to: Home, envelope: Uint8Array): string {
  const { sessions } = to.peer;
  const bySid = (sid: string) => sessions.find((each) => toHex(each.sid) === sid) ?? null;
  const byInit = (iid: string) => {
    const sid = to.inits.get(iid);
    return sid === undefined ? undefined : bySid(sid);
  };
  const got = receive(envelope, { ...receiver(side(to.person)), sessions, byInit }, NOW);
  if (got.opened) to.inits.set(got.opened.iid, toHex(got.session.sid));
  const { peer, answerGen } = admit(to.peer, got);
  to.peer = peer;
  if (answerGen !== null) to.answers.push(answerGen);
  return new TextDecoder().decode(got.plaintext.content);
}

const active = (of: Home) => toHex((activeSession(of.peer.sessions) as Session).sid);

test('simultaneous INITs converge, whoever is smaller and whatever comes first', () => {
  const winners = new Set<string>();
  for (let seed = 0; seed < 6; seed++)
    for (let order = 0; order < 4; order++) {
      const [A, B] = [home(person(`both ${seed} A`)), home(person(`both ${seed} B`))];
      open(A, B);
      open(B, A);
      const own = active(A);
      const fromA = [send(A, 'a1'), send(A, 'a2')];
      const fromB = [send(B, 'b1'), send(B, 'b2')];
      if (order & 1) fromA.reverse();
      if (order & 2) for (const each of fromB) take(A, each);
      else take(A, fromB[0] as Uint8Array);
      fromA.push(send(A, 'a3'));
      for (const each of fromA) take(B, each);
      if (!(order & 2)) take(A, fromB[1] as Uint8Array);
      assert.is(active(A), active(B), `seed ${seed}, order ${order}`);
      winners.add(active(A) === own ? 'A' : 'B');
      for (let i = 0; i < 3; i++) {
        assert.is(take(A, send(B, 'back')), 'back');
        assert.is(take(B, send(A, 'forth')), 'forth');
      }
      assert.is(active(A), active(B));
      assert.equal([A.answers, B.answers], [[], []]);
    }
  assert.equal([...winners].sort(), ['A', 'B'], 'both outcomes were seen');
});

test('a lower generation is answered with GEN, once, and a new session follows', () => {
  const [A, B] = [home(person('lost A')), home(person('lost B'))];
  open(A, B);
  take(B, send(A, 'x'));
  take(A, send(B, 'x'));
  for (let i = 0; i < 2; i++) {
    open(B, A);
    take(A, send(B, 'reset'));
  }
  assert.is(B.peer.maxGen, 3);
  const again = home(A.person); // A lost everything
  open(again, B);
  const late = send(again, 'second');
  assert.is(take(B, send(again, 'here I am')), 'here I am');
  assert.equal(B.answers, [3]);
  assert.is(take(B, late), 'second');
  assert.is(take(B, send(again, 'third')), 'third');
  assert.equal(B.answers, [3], 'once');
  const told = heardGen(again.peer, B.answers[0] as number);
  assert.ok(told);
  assert.is(told.maxGen, 3);
  assert.is(heardGen(told, 3), null, 'told twice');
  assert.is(heardGen(told, 2), null, 'an old story');
  again.peer = told;
  assert.is(nextGen(again.peer), 4);
  open(again, B);
  take(B, send(again, 'anew'));
  assert.is(active(again), active(B));
  assert.is(B.peer.maxGen, 4);
  assert.is(take(again, send(B, 'welcome')), 'welcome');
});

test('the highest generation counts, however the sessions arrive', () => {
  const [A, B] = [home(person('gens A')), home(person('gens B'))];
  const inits = [1, 2, 3].map((gen) => {
    const session = invite(A.person, B.person, { otk: false, gen });
    A.peer = used(A.peer, session);
    return send(A, `gen ${gen}`, session);
  });
  for (const i of [2, 0, 1]) take(B, inits[i] as Uint8Array);
  assert.is(active(A), active(B));
  assert.equal(B.answers, [3, 3], 'each new session with a lower generation is told');
  for (const envelope of inits) refuses(() => take(B, envelope), 'envelope-duplicate');
});

test('at most 4 sessions of a peer; a replay of a forgotten one opens nothing', () => {
  const [A, B] = [home(person('flood A')), home(person('flood B'))];
  const inits: Uint8Array[] = [];
  for (let gen = 1; gen <= 9; gen++) {
    const session = invite(A.person, B.person, { otk: false, gen });
    inits.push(encrypt(session, { type: 1, content: utf8('x') }, A.person.random).envelope);
    take(B, inits.at(-1) as Uint8Array);
    assert.ok(B.peer.sessions.length <= MAX_SESSIONS);
  }
  assert.is(B.peer.sessions.length, 4);
  assert.equal(B.peer.sessions.map(({ gen }) => gen).sort(), [6, 7, 8, 9]);
  for (const envelope of inits.slice(0, 5)) refuses(() => take(B, envelope));
  for (const envelope of inits.slice(5)) refuses(() => take(B, envelope), 'envelope-duplicate');
  const low = invite(A.person, B.person, { otk: false, gen: 1 });
  take(B, encrypt(low, { type: 1, content: utf8('low') }, A.person.random).envelope);
  assert.is(B.peer.sessions.length, 4);
  assert.ok(
    B.peer.sessions.some(({ sid }) => sameBytes(sid, low.sid)),
    'the new one stays',
  );
  assert.is(activeSession(B.peer.sessions)?.gen, 9, 'and is not the one to send on');
  assert.is(B.peer.maxGen, 9, 'nor is the count forgotten');
});

test('an INIT is known by what its session depends on', () => {
  const [A, B] = [person('iid A'), person('iid B')];
  const first = home(A);
  first.peer = used(NO_PEER, invite(A, B));
  const prefixes = [send(first, 'one'), send(first, 'two')].map((envelope) => {
    const init = parseEnvelope(envelope)?.init;
    assert.ok(init);
    return init.prefix;
  });
  const ids = prefixes.map(initId);
  assert.is(ids[0], ids[1]);
  assert.match(ids[0] as string, /^[0-9a-f]{64}$/);
  const seen = new Set(ids);
  for (let at = 4; at < 1252; at++) seen.add(initId(flipped(prefixes[0] as Uint8Array, at)));
  assert.is(seen.size, 1 + 1248, 'every byte after the type counts');
});

test('generations end below 2^31', () => {
  assert.is(nextGen(NO_PEER), 1);
  assert.is(nextGen({ maxGen: 0x7fff_fffe, sessions: [] }), 0x7fff_ffff);
  refuses(() => nextGen({ maxGen: 0x7fff_ffff, sessions: [] }));
  const told = (gen: number) => parseContent({ type: 2, content: u32(gen) });
  assert.equal(told(0x7fff_ffff), { kind: 'gen', gen: 0x7fff_ffff });
  for (const gen of [0x8000_0000, 0xffff_ffff])
    assert.throws(() => told(gen), /below/, 'a peer cannot use the numbers up');
  assert.equal(parseContent(encodeContent({ kind: 'gen', gen: 5 })), { kind: 'gen', gen: 5 });
});

test('what follows from time and records', () => {
  assert.is(isStale(NOW, NOW + RELAY_TTL), false);
  assert.is(isStale(NOW, NOW + RELAY_TTL + 1), true);
  const [A, B] = [person('records A'), person('records B')];
  const session = invite(A, B);
  assert.is(lostItsState(session, B.install), false);
  assert.is(lostItsState(session, A.install), true);
  assert.is(activeSession([]), null);
});

test.run();
