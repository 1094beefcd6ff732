// Makes fe1-more.json, what fe1.json lacks: a session without a one-time key in which both sides offer
// and answer an X-Wing key and messages come late, its states as bytes, the content types, key files, a
// paper backup, the text of a QR code. The same bytes at every run:
//   node --import tsx test/vectors/fe1-more.ts
import { writeFileSync } from 'node:fs';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import { type Content, encodeContent } from '../../src/fe1/content.ts';
import { parseEnvelope } from '../../src/fe1/envelope.ts';
import { initiate, respond } from '../../src/fe1/handshake.ts';
import { checkSignedPrekey, makeSignedPrekey } from '../../src/fe1/prekeys.ts';
import { decrypt, encrypt, type Session } from '../../src/fe1/ratchet.ts';
import { safetyNumber, safetyText } from '../../src/fe1/safety.ts';
import { encodeSession } from '../../src/fe1/state.ts';
import { encode as encodeKey } from '../../src/keystore/keyfile.ts';
import { encodePaper } from '../../src/keystore/paper.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { stream } from '../fe1/stream.ts';

const NOW = 1_800_000_000;
const STREAM = 'fe1-more';
const filled = (byte: number, length: number) => new Uint8Array(length).fill(byte);
const id = (n: number) => filled(n, 16);

type Sendable = Exclude<Content, { kind: 'unknown' }>;

/** Name, and what is said: all types, all fields, the fewest and the most ids. */
const CONTENTS: readonly (readonly [string, Sendable])[] = [
  ['noop', { kind: 'noop' }],
  ['message, no text', said(1, '', [])],
  ['message', said(2, 'Grüße 🦉', ['NOTIFY', 'x'])],
  [
    'message, no plain text',
    {
      kind: 'message',
      message: { id: id(3), date: -1, flags: [], msg: { a: [1, null, true], b: id(9) } },
    },
  ],
  ['gen 0', { kind: 'gen', gen: 0 }],
  ['gen, the highest', { kind: 'gen', gen: 2 ** 31 - 1 }],
  ['receipt', { kind: 'receipt', ids: [id(1)] }],
  ['receipts, the most', { kind: 'receipt', ids: Array.from({ length: 64 }, (_, n) => id(n)) }],
  ['read', { kind: 'read', ids: [id(1), id(2)] }],
  ['typing', { kind: 'sign', sign: 'typing' }],
  ['stopped', { kind: 'sign', sign: 'stopped' }],
  ['here', { kind: 'sign', sign: 'here' }],
  ['away', { kind: 'sign', sign: 'away' }],
];

function said(n: number, msg: string, flags: readonly string[]): Sendable {
  return { kind: 'message', message: { id: id(n), date: NOW + n, flags, msg } };
}

function contents() {
  return CONTENTS.map(([name, content]) => {
    const { type, content: bytes } = encodeContent(content);
    return { name, type, hex: toHex(bytes) };
  });
}

// Who sends which content; what is late arrives after the receiver's own next envelope. The rounds take
// A to its tenth ratchet step, at which A offers an X-Wing key; B does so in its first and tenth.
type Step = readonly [from: 'A' | 'B', content: string, late?: 'late'];
const ROUNDS: readonly Step[] = Array.from({ length: 10 }, (_, n): readonly Step[] => [
  ['B', n % 2 ? 'noop' : 'read'],
  ['A', n % 2 ? 'receipt' : 'noop'],
]).flat();
const SCRIPT: readonly Step[] = [
  ['A', 'message, no text'],
  ['A', 'message'],
  ['B', 'receipt'],
  ['A', 'noop'],
  ['B', 'message, no plain text', 'late'],
  ['B', 'gen, the highest'],
  ['A', 'typing'],
  ['A', 'receipts, the most', 'late'],
  ['A', 'read'],
  ['B', 'here'],
  ...ROUNDS,
  ['B', 'away'],
  ['A', 'stopped'],
];

const STATES_AFTER = new Set([0, 1, 3, 4, 6, 9, 10, 22, 29, 31, SCRIPT.length]);

function conversation() {
  const random = stream(STREAM);
  const [seedA, seedB] = [filled(0xc3, 32), filled(0xd4, 32)];
  const [A, B] = [identityFromSeed(seedA), identityFromSeed(seedB)];
  const [installA, installB] = [filled(0xaa, 16), filled(0xbb, 16)];
  const about = { install: installB, seq: NOW, expires: NOW + 90 * 86_400, spkId: 0xfedcba98 };
  const own = makeSignedPrekey(B, about, random);
  const seen = { X: B.exchange.publicKey, now: NOW, seen: null };
  const spr = checkSignedPrekey(own.record.bytes, seen);
  const gen = 5;
  let a: Session = initiate({ identity: A, install: installA, gen, spr, otk: null }, random);
  let b: Session | null = null;

  const envelopes: object[] = [];
  const states: object[] = [];
  const keep = (after: number) => {
    if (!STATES_AFTER.has(after)) return;
    states.push({ of: 'A', after, hex: toHex(encodeSession(a)) });
    if (b) states.push({ of: 'B', after, hex: toHex(encodeSession(b)) });
  };
  const waiting: { to: 'A' | 'B'; envelope: Uint8Array }[] = [];
  const hear = (to: 'A' | 'B', envelope: Uint8Array) => {
    const parsed = parseEnvelope(envelope);
    if (!parsed) throw new Error('no envelope');
    if (to === 'B' && !b && parsed.init)
      b = respond(parsed.init, { identity: B, spr: () => own, otk: () => null }).session;
    const got = decrypt((to === 'A' ? a : b) as Session, parsed.body, NOW);
    if (!got) throw new Error('an envelope of another session');
    if (to === 'A') a = got.session;
    else b = got.session;
  };

  keep(0);
  SCRIPT.forEach(([from, name, late], i) => {
    const content = CONTENTS.find(([each]) => each === name)?.[1] as Sendable;
    const plaintext = encodeContent(content);
    const { session, envelope } = encrypt((from === 'A' ? a : b) as Session, plaintext, random);
    if (from === 'A') a = session;
    else b = session;
    const to = from === 'A' ? 'B' : 'A';
    const ext = session.kemSelf ? 'key' : session.kemCt ? 'ciphertext' : 'none';
    envelopes.push({ from, content: name, ext, late: late === 'late', hex: toHex(envelope) });
    if (late) waiting.push({ to, envelope });
    else hear(to, envelope);
    if (!late)
      for (const each of waiting.splice(0, waiting.length))
        if (each.to === from) hear(each.to, each.envelope);
        else waiting.push(each);
    keep(i + 1);
  });
  return {
    session: {
      stream: `block(i) = H("fe1.test", "${STREAM}" || u64 i)`,
      seedA: toHex(seedA),
      seedB: toHex(seedB),
      installA: toHex(installA),
      installB: toHex(installB),
      gen,
      spr: toHex(own.record.bytes),
      sid: toHex(a.sid),
      h1: toHex(a.h1),
    },
    envelopes,
    states,
  };
}

async function keyFiles() {
  const content = {
    seed: filled(0xc3, 32),
    storeKey: filled(0x5c, 32),
    created: NOW,
    label: 'Zoë',
  };
  const { seed, storeKey, created, label } = content;
  const known = { seed: toHex(seed), storeKey: toHex(storeKey), created, label };
  const [salt, nonce] = [filled(0x3e, 32), filled(0x7d, 24)];
  const files = [];
  for (const passphrase of [null, 'correct horse']) {
    const hex = toHex(await encodeKey(content, passphrase, { salt, nonce, log2N: 15 }));
    files.push({ passphrase, ...known, salt: toHex(salt), nonce: toHex(nonce), log2N: 15, hex });
  }
  return files;
}

function papers() {
  const seeds = [filled(0, 32), filled(0xa1, 32), filled(0xff, 32), stream('paper')(32)];
  return seeds.map((seed) => ({ seed: toHex(seed), text: encodePaper(seed) }));
}

function safety() {
  const [self, peer] = [0xc3, 0xd4].map((byte) => {
    return identityFromSeed(filled(byte, 32)).exchange.publicKey;
  }) as [Uint8Array, Uint8Array];
  const [number, text] = [safetyNumber(self, peer), safetyText(self, peer)];
  return [{ self: toHex(self), peer: toHex(peer), number, text }];
}

/** The file's text: an entry on each line. */
export async function fe1More(): Promise<string> {
  const { session, envelopes, states } = conversation();
  const lists = {
    contents: contents(),
    envelopes,
    states,
    keyFiles: await keyFiles(),
    papers: papers(),
    safety: safety(),
  };
  const line = (value: unknown) => JSON.stringify(value);
  const parts = Object.entries(lists).map(
    ([name, list]) => ` ${line(name)}: [\n${list.map((each) => `  ${line(each)}`).join(',\n')}\n ]`,
  );
  return `{\n ${line('session')}: ${line(session)},\n${parts.join(',\n')}\n}\n`;
}

if (import.meta.filename === process.argv[1])
  writeFileSync(new URL('./fe1-more.json', import.meta.url), await fe1More());
