// Session state as bytes: nothing is lost at any moment of random conversations, damage is recognised,
// and a session stays small.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MAX_CHAINS, MAX_SKIP, MAX_STORED } from '../../src/fe1/constants.ts';
import { parseEnvelope } from '../../src/fe1/envelope.ts';
import { decrypt, encrypt, type Session } from '../../src/fe1/ratchet.ts';
import { decodeSession, encodeSession } from '../../src/fe1/state.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { encode } from '../../src/wire/msgpack.ts';
import { count } from '../count.ts';
import { random as choices } from '../fuzz/inputs.ts';
import { attempt, friends, hear, pair, type Side, say, session } from './pair.ts';
import { stream } from './stream.ts';

type Moment = (state: Session, next: { readonly heard: Uint8Array | null }) => void;

/** A random conversation; at every moment of it a session is looked at, with what it will hear next. */
function converse(seed: number, look: Moment): void {
  const next = choices(seed);
  const { A, B } = pair(`state ${seed}`, { otk: seed % 2 === 0 });
  const [toA, toB]: [Uint8Array[], Uint8Array[]] = [[], []];
  const deliver = (to: Side, queue: Uint8Array[]) => {
    const [envelope] = queue.splice(next(Math.min(queue.length, 4)), 1);
    if (!envelope) return;
    if (to.session) look(to.session, { heard: envelope });
    hear(to, envelope, 1_800_000_000 + next(1000));
    look(session(to), { heard: null });
  };
  look(session(A), { heard: null });
  for (let tick = 0; tick < 160; tick++) {
    const [from, queue] = next(2) === 0 || !B.session ? [A, toB] : [B, toA];
    for (let i = next(4); i > 0; i--) {
      queue.push(say(from, `${tick}`));
      look(session(from), { heard: null });
    }
    if (next(15) === 0) queue.shift(); // lost
    while (toB.length > next(3)) deliver(B, toB);
    while (toA.length > next(3)) deliver(A, toA);
  }
}

const test = suite('session state');

test('what is decoded is what was encoded, and encodes to the same bytes', () => {
  const kinds = new Set<string>();
  for (const seed of [1, 2, 3, 4].slice(0, count(2, 4)))
    converse(seed, (state) => {
      const bytes = encodeSession(state);
      const read = decodeSession(bytes);
      assert.equal(read, state);
      assert.is(toHex(encodeSession(read)), toHex(bytes));
      for (const [name, value] of Object.entries(state))
        if (value === null) kinds.add(`no ${name}`);
      for (const name of ['init', 'kemSelf', 'kemPeer', 'kemCt', 'pending'] as const)
        if (state[name]) kinds.add(name);
      if (state.skipped.length > 1) kinds.add('skipped');
    });
  const moments = ['init', 'kemSelf', 'kemPeer', 'kemCt', 'pending', 'skipped'];
  for (const name of [...moments, 'no init', 'no CKs', 'no HKs', 'no CKr', 'no HKr', 'no kemSelf'])
    assert.ok(kinds.has(name), `no moment with ${name}`);
});

test('the order in which a session value was put together does not matter', () => {
  const state = session(friends('order', 3).A);
  const turned = Object.fromEntries(Object.entries(state).reverse()) as unknown as Session;
  assert.is.not(Object.keys(turned)[0], Object.keys(state)[0]);
  assert.is(toHex(encodeSession(turned)), toHex(encodeSession(state)));
});

test('a decoded session goes on with the same bytes', () => {
  let [sent, heard] = [0, 0];
  for (const seed of [5, 6, 7].slice(0, count(1, 3)))
    converse(seed, (state, next) => {
      const read = decodeSession(encodeSession(state));
      if (state.CKs || state.pending) {
        const plaintext = { type: 1, content: stream('text')(50) };
        const from = encrypt(state, plaintext, stream('go on'));
        const again = encrypt(read, plaintext, stream('go on'));
        assert.is(toHex(again.envelope), toHex(from.envelope));
        assert.equal(again.session, from.session);
        sent++;
      }
      if (!next.heard) return;
      const { body } = parseEnvelope(next.heard) as NonNullable<ReturnType<typeof parseEnvelope>>;
      const now = 1_800_000_000;
      assert.equal(decrypt(read, body, now), decrypt(state, body, now));
      heard++;
    });
  assert.ok(sent > 200 && heard > 100);
});

test('what a decoded session holds is its own memory, whatever it came from', () => {
  const state = session(friends('memory').B);
  for (const bytes of [encodeSession(state), Buffer.from(encodeSession(state))]) {
    const read = decodeSession(bytes);
    bytes.fill(0);
    assert.equal(read, state);
  }
});

function codeOf(bytes: Uint8Array): string {
  try {
    decodeSession(bytes);
    return 'taken';
  } catch (error) {
    if (!isFleximError(error)) throw error;
    return error.code;
  }
}

test('a later version is told from damage', () => {
  const state = { ...session(friends('version').A) };
  const written = (value: unknown) => codeOf(encode(value).slice());
  assert.is(written([1, state]), 'taken');
  for (const version of [0, 2, 255, 2 ** 40]) {
    assert.is(written([version, state]), 'state-version');
    assert.is(written([version, 'of another shape']), 'state-version');
  }
  const damaged = [[], [1], [1, state, 0], ['1', state], [1.5, state], [null, state], state, null];
  for (const value of [...damaged, [1, null], [1, 'x'], [1, [state]], [1, {}], 7, 'x', [2]])
    assert.is(written(value), 'state-damaged', JSON.stringify(value)?.slice(0, 60));
});

test('every field is needed, and of its kind', () => {
  const state: Session = { ...session(friends('fields', 3).A) };
  const written = (value: unknown) => codeOf(encode([1, value]).slice());
  for (const name of Object.keys(state) as (keyof Session)[]) {
    const { [name]: _, ...without } = state;
    assert.is(written(without), 'state-damaged', `without ${name}`);
    for (const wrong of ['x', -1, 1.5, new Uint8Array(31), {}, [null]])
      assert.is(written({ ...state, [name]: wrong }), 'state-damaged', `${name}: ${wrong}`);
  }
  const chain = { hk: new Uint8Array(32), keys: [{ n: 0, mk: new Uint8Array(32), at: 1 }] };
  const many = (count: number) => ({ ...chain, keys: Array(count).fill(chain.keys[0]) });
  assert.is(written({ ...state, skipped: Array(MAX_CHAINS + 1).fill(chain) }), 'taken');
  assert.is(written({ ...state, skipped: Array(MAX_CHAINS + 2).fill(chain) }), 'state-damaged');
  assert.is(written({ ...state, skipped: [many(MAX_STORED)] }), 'taken');
  assert.is(written({ ...state, skipped: [many(MAX_STORED + 1)] }), 'state-damaged');
});

/** Names, kinds and lengths of all there is, without the values. */
function outline(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.map(outline);
  if (value === null || typeof value !== 'object') return value === null ? null : typeof value;
  return Object.entries(value).map(([name, each]) => [name, outline(each)]);
}

const damages = (name: string, state: Session) =>
  test(`damage to ${name} is recognised, or gives a session of the same outline`, () => {
    const bytes = encodeSession(state);
    const whole = JSON.stringify(outline(decodeSession(bytes)));
    let taken = 0;
    for (let at = 0; at < bytes.length; at += count(5, 1)) {
      for (const mask of [1, 0x80, 0xff, 1 << (at % 8)]) {
        const changed = bytes.with(at, (bytes[at] as number) ^ mask);
        const code = codeOf(changed);
        if (code === 'taken') {
          taken++;
          assert.is(JSON.stringify(outline(decodeSession(changed))), whole, `byte ${at}, ${mask}`);
        } else if (at > 1 || code !== 'state-version') assert.is(code, 'state-damaged', `${at}`);
      }
      assert.is(codeOf(bytes.subarray(0, at)), 'state-damaged', `cut at ${at}`);
    }
    assert.is(codeOf(Uint8Array.of(...bytes, 0)), 'state-damaged', 'a byte more');
    assert.ok(taken > 0, 'keys are bytes like any other');
  });

/** B heard the last of each three. */
function withKept(): Session {
  const { A, B } = friends('kept', 2);
  for (let i = 0; i < 3; i++) {
    const envelopes = [say(A, '1'), say(A, '2'), say(A, '3')];
    hear(B, envelopes[2] as Uint8Array);
    hear(A, say(B, 'turn'));
  }
  return session(B);
}

damages('a fresh session', session(pair('fresh').A));
damages('a session with an offered KEM key', session(friends('offer', 1).B));
damages('a session with kept keys', withKept());

// What a session of no kept keys takes, at the moments at which it is largest: an unanswered INIT, an
// X-Wing key offered by us or to us, a ciphertext in the chain. Two of them never meet.
test('without kept keys a session takes less than 8 KiB, and in truth less than 2.5', () => {
  const largest = new Map<string, number>();
  for (const seed of [8, 9, 10, 11].slice(0, count(2, 4)))
    converse(seed, (state) => {
      const kem = (['init', 'kemSelf', 'kemPeer', 'kemCt'] as const).filter((name) => state[name]);
      const size = encodeSession({ ...state, skipped: [] }).length;
      const moment = kem.join(' and ') || 'none of them';
      largest.set(moment, Math.max(largest.get(moment) ?? 0, size));
    });
  if (process.env.SHOW) console.log(largest);
  assert.equal([...largest.keys()].sort(), ['init', 'kemCt', 'kemPeer', 'kemSelf', 'none of them']);
  for (const [moment, size] of largest) assert.ok(size < 2_560, `${moment}: ${size}`);
  assert.ok((largest.get('none of them') as number) < 1_024);
});

test('kept keys take less than 64 bytes each, so a session never more than 128 KiB', () => {
  const { A, B } = friends('many');
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < MAX_SKIP; i++) say(A, '');
    hear(B, say(A, 'late'));
  }
  const state = session(B);
  assert.is(
    state.skipped.reduce((sum, { keys }) => sum + keys.length, 0),
    MAX_STORED,
  );
  const bytes = encodeSession(state);
  assert.equal(decodeSession(bytes), state);
  assert.ok(bytes.length < 128 * 1024, `${bytes.length}`);
});

test('the first answer is read by a session that was stored in between', () => {
  const { A, B } = pair('between');
  hear(B, say(A, 'hello'));
  const answer = say(B, 'hi');
  A.session = decodeSession(encodeSession(session(A)));
  assert.is(new TextDecoder().decode(attempt(A, answer).plaintext.content), 'hi');
});

test.run();
