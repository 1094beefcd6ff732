// Random sessions between our initiator and the second implementation (second.ts). Our own responder runs
// beside it with the same randomness: records, envelopes, outcomes and states must be the same bytes.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import {
  BUCKETS,
  INIT_PREFIX_BYTES,
  MAX_CHAINS,
  MAX_CONTENT,
  MAX_SKIP,
  MAX_STORED,
  TYPE_INIT,
} from '../../src/fe1/constants.ts';
import { type Plaintext, parseEnvelope } from '../../src/fe1/envelope.ts';
import { initiate, respond } from '../../src/fe1/handshake.ts';
import {
  checkOneTimePrekey,
  checkSignedPrekey,
  makeOneTimePrekey,
  makeSignedPrekey,
} from '../../src/fe1/prekeys.ts';
import { decrypt, encrypt, type Session } from '../../src/fe1/ratchet.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { count } from '../count.ts';
import { random as choices } from '../fuzz/inputs.ts';
import * as second from './second.ts';
import { stream } from './stream.ts';

const NOW = 1_800_000_000;
const hexOrNull = (bytes: Uint8Array | null | undefined) => (bytes ? toHex(bytes) : null);

function ourState(s: Session) {
  const stored = s.skipped.flatMap(({ hk, keys }) =>
    keys.map(({ n, mk, at }) => [toHex(hk), n, toHex(mk), at]),
  );
  const bytes = [s.sid, s.h1, s.peerE, s.peerX, s.peerInstall, s.DHs.privateKey, s.DHs.publicKey];
  const keys = [s.DHr, s.RK, s.CKs, s.CKr, s.HKs, s.HKr, s.NHKs, s.NHKr];
  const kem = [s.kemSelf?.privateKey, s.kemSelf?.publicKey, s.kemPeer, s.kemCt];
  const plain = [s.gen, s.Ns, s.Nr, s.PN, s.pending, s.since];
  return { bytes: [...bytes, ...keys, ...kem].map(hexOrNull), plain, stored };
}

function secondState(s: second.State) {
  const stored = s.stored.map(({ hk, n, mk, at }) => [toHex(hk), n, toHex(mk), at]);
  const bytes = [s.sid, s.h1, s.peerE, s.peerX, s.peerInstall, s.priv, s.pub];
  const keys = [s.DHr, s.RK, s.CKs, s.CKr, s.HKs, s.HKr, s.NHKs, s.NHKr];
  const kem = [s.kemSelf?.seed, s.kemSelf?.pub, s.kemPeer, s.kemCt];
  const plain = [s.gen, s.Ns, s.Nr, s.PN, s.pending, s.since];
  return { bytes: [...bytes, ...keys, ...kem].map(hexOrNull), plain, stored };
}

/** What our code makes of an envelope, in the words of the second implementation. */
function ourOutcome(session: Session, bytes: Uint8Array, now: number) {
  const parsed = parseEnvelope(bytes);
  if (!parsed) return { outcome: 'rejected' as const, session };
  try {
    const got = decrypt(session, parsed.body, now);
    if (!got) return { outcome: 'not mine' as const, session };
    return { outcome: got.plaintext, session: got.session };
  } catch (error) {
    if (isFleximError(error, 'envelope-duplicate'))
      return { outcome: 'duplicate' as const, session };
    if (isFleximError(error, 'envelope-rejected')) return { outcome: 'rejected' as const, session };
    throw error;
  }
}

const shown = (outcome: second.Outcome) =>
  typeof outcome === 'string' ? outcome : `${outcome.type}:${toHex(outcome.content)}`;

const SIZES = [0, 1, 16, 100, 408, 409, 410, 411, 900, 921, 2000, 5000, 30_000, MAX_CONTENT];

interface Sent {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Our initiator, and the second implementation as responder with our own in its shadow. */
function scene(name: string, { withOtk }: { readonly withOtk: boolean }) {
  const [drawA, drawB, drawShadow] = [stream(`${name} A`), stream(name), stream(name)];
  const A = identityFromSeed(drawA(32));
  const seedB = drawA(32);
  const [B, shadowB] = [second.person(seedB), identityFromSeed(seedB)];
  assert.is(toHex(B.X), shadowB.hex);
  const [installA, install] = [drawA(16), drawA(16)];

  const about = { install, seq: NOW, expires: NOW + 1_000_000, spkId: withOtk ? 0xffffffff : 1 };
  const spr = second.makeSpr(B, about, drawB);
  const ownSpr = makeSignedPrekey(shadowB, about, drawShadow);
  assert.is(toHex(spr.bytes), toHex(ownSpr.record.bytes));
  const otkId = 0x80000001;
  const otk = second.makeOtk(B, install, otkId, drawB);
  const ownOtk = makeOneTimePrekey(shadowB, { install, otkId }, drawShadow);
  assert.is(toHex(otk.bytes), toHex(ownOtk.record.bytes));

  const bundle = checkSignedPrekey(spr.bytes, { X: B.X, now: NOW, seen: null });
  const oneTime = withOtk ? checkOneTimePrekey(otk.bytes, bundle) : null;
  assert.is(oneTime !== null, withOtk);
  const parties = { identity: A, install: installA, spr: bundle, otk: oneTime };
  let a = initiate({ ...parties, gen: 7 }, drawA);
  let b: second.State | null = null;
  let shadow: Session | null = null;

  return {
    draw: drawA,
    a: () => a,
    b: () => b,
    sendA(plaintext: Plaintext): Uint8Array {
      const { session, envelope } = encrypt(a, plaintext, drawA);
      a = session;
      return envelope;
    },
    /** What both responders send: the same. */
    sendB(plaintext: Plaintext): Uint8Array {
      assert.ok(b && shadow);
      const bytes = second.send(b, plaintext.type, plaintext.content, drawB);
      const ours = encrypt(shadow, plaintext, drawShadow);
      assert.is(toHex(bytes), toHex(ours.envelope), 'the envelopes of the responders differ');
      shadow = ours.session;
      assert.equal(secondState(b), ourState(shadow));
      return bytes;
    },
    lookA(bytes: Uint8Array, now: number): second.Outcome {
      const { outcome, session } = ourOutcome(a, bytes, now);
      a = session;
      return outcome;
    },
    /** Both responders look at it; they agree in everything. */
    lookB(bytes: Uint8Array, now: number): second.Outcome {
      if (!b || !shadow) {
        const parsed = parseEnvelope(bytes);
        if (!parsed?.init) return 'not mine';
        b = second.respond(B, bytes, [spr], [otk]);
        const ours = respond(parsed.init, {
          identity: shadowB,
          spr: (id) => (id === about.spkId ? ownSpr : null),
          otk: (id) => (id === otkId ? ownOtk : null),
        });
        assert.is(ours.otkId, withOtk ? otkId : 0);
        shadow = ours.session;
        assert.equal(secondState(b), ourState(shadow));
      }
      const outcome = second.receive(b, bytes, now);
      const ours = ourOutcome(shadow, bytes, now);
      shadow = ours.session;
      assert.is(shown(ours.outcome), shown(outcome), 'the outcomes differ');
      assert.equal(secondState(b), ourState(shadow));
      return outcome;
    },
  };
}

/** One conversation. Returns what happened in it, so that the test can tell that it happened. */
function converse(seed: number, withOtk: boolean) {
  const next = choices(seed);
  const { draw, a, b, sendA, sendB, lookA, lookB } = scene(`${seed}`, { withOtk });
  const toA: Sent[] = [];
  const toB: Sent[] = [];
  const old: Uint8Array[] = [];
  const seen = { sent: 0, got: 0, refused: 0, late: 0, sizes: new Set<number>() };
  const kem = new Set<string>();

  const send = (queue: Sent[]) => {
    if (queue === toA && !b()) return;
    const size = SIZES[next(seen.sent % 10 ? 8 : SIZES.length)] as number;
    const plaintext = { type: next(256), content: draw(size) };
    const bytes = queue === toB ? sendA(plaintext) : sendB(plaintext);
    assert.ok((BUCKETS as readonly number[]).includes(bytes.length));
    const { kemSelf, kemCt } = (queue === toB ? a() : b()) as Session | second.State;
    if (kemSelf) kem.add(`${queue === toB ? 'A' : 'B'} offers`);
    if (kemCt) kem.add(`${queue === toB ? 'A' : 'B'} answers`);
    seen.sent++;
    seen.sizes.add(bytes.length);
    queue.push({ bytes, text: shown(plaintext) });
  };

  /** Takes one of the first few, so that they overtake one another. */
  const deliver = (queue: Sent[], now: number) => {
    const look = queue === toA ? lookA : lookB;
    const at = next(Math.min(queue.length, 1 + next(6)));
    const [sent] = queue.splice(at, 1);
    if (!sent) return;
    if (at > 0) seen.late++;
    const from = sent.bytes[3] === TYPE_INIT ? INIT_PREFIX_BYTES : 4; // before it, others look
    const damagedAt = from + next(sent.bytes.length - from);
    const damaged = sent.bytes.with(damagedAt, (sent.bytes[damagedAt] as number) ^ (1 + next(255)));
    if (queue === toA || b()) assert.type(look(damaged, now), 'string', 'damaged, and opened');
    assert.is(shown(look(sent.bytes, now)), sent.text);
    seen.got++;
    old.push(sent.bytes);
    if (next(4) > 0) return;
    assert.type(look(old[next(old.length)] as Uint8Array, now), 'string', 'opened twice');
    seen.refused++;
  };

  for (let tick = 0; tick < 260; tick++) {
    const mine = next(3) > 0 ? toB : toA;
    for (let i = next(3); i > 0; i--) send(mine);
    if (next(12) === 0) mine.splice(0, 1); // lost
    while (toB.length > next(4)) deliver(toB, NOW + tick);
    while (toA.length > next(4)) deliver(toA, NOW + tick);
  }
  for (const queue of [toB, toA]) while (queue.length > 0) deliver(queue, NOW + 1000);
  assert.is(toHex((b() as second.State).sid), toHex(a().sid));
  return { ...seen, kem };
}

const test = suite('second implementation');

for (const withOtk of [true, false])
  for (let seed = 1; seed <= count(withOtk ? 1 : 0, 3); seed++)
    test(`session ${seed} ${withOtk ? 'with' : 'without'} a one-time key`, () => {
      const seen = converse(seed + (withOtk ? 100 : 200), withOtk);
      assert.ok(seen.sent > 120 && seen.got > 100, 'too few messages');
      assert.ok(seen.late > 10, 'too little reordering');
      assert.ok(seen.refused > 10, 'too few repetitions');
      assert.equal([...seen.kem].sort(), ['A answers', 'A offers', 'B answers', 'B offers']);
      assert.ok(seen.sizes.size >= 5, 'too few sizes');
    });

const noop = { type: 0, content: new Uint8Array(0) };

test('the limits of a skip and of all kept keys are the same', () => {
  const { sendA, lookB, b } = scene('skips', { withOtk: true });
  assert.type(lookB(sendA(noop), NOW), 'object');
  const early: Uint8Array[] = [];
  for (let round = 0; round < 3; round++) {
    const sent = Array.from({ length: MAX_SKIP + 2 }, () => sendA(noop));
    assert.is(lookB(sent[MAX_SKIP + 1] as Uint8Array, NOW), 'rejected');
    assert.type(lookB(sent[MAX_SKIP] as Uint8Array, NOW), 'object');
    assert.type(lookB(sent[MAX_SKIP + 1] as Uint8Array, NOW), 'object');
    early.push(sent[0] as Uint8Array, sent[MAX_SKIP - 1] as Uint8Array);
  }
  assert.is(b()?.stored.length, MAX_STORED);
  const outcomes = early.map((bytes) => typeof lookB(bytes, NOW));
  assert.equal(outcomes, ['string', 'string', 'object', 'object', 'object', 'object']);
});

test('the limit of old chains is the same', () => {
  const { sendA, sendB, lookA, lookB } = scene('chains', { withOtk: false });
  const early: Uint8Array[] = [];
  for (let round = 0; round < MAX_CHAINS + 3; round++) {
    early.push(sendA(noop));
    assert.type(lookB(sendA(noop), NOW), 'object');
    assert.type(lookA(sendB(noop), NOW), 'object');
  }
  // The last chain is the current one; before it as many old ones as are kept.
  const outcomes = early.map((bytes) => lookB(bytes, NOW)).map((each) => typeof each === 'object');
  assert.equal(outcomes, [false, false, ...Array(MAX_CHAINS + 1).fill(true)]);
});

test('the second implementation reproduces the X-Wing draft', () => {
  const file = new URL('../vectors/known/x-wing.json', import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, 'utf8'));
  const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
  for (const { seed, eseed, ss } of cases) {
    const { cipherText, sharedSecret } = second.KEM.enc(second.KEM.pair(hex(seed)), hex(eseed));
    assert.is(toHex(sharedSecret), ss);
    assert.is(toHex(second.KEM.dec(cipherText, hex(seed))), ss);
  }
});

test('it shares no code with src/', () => {
  const source = readFileSync(new URL('./second.ts', import.meta.url), 'utf8');
  const imported = [...source.matchAll(/from '([^']+)'/g)].map(([, name]) => name as string);
  assert.ok(imported.length > 0);
  for (const name of imported) assert.match(name, /^@noble\//);
});

test.run();
