// FE1 beside the bare cipher: what a message, a turn of a conversation, a handshake and a junk envelope
// cost. The bare call is the encryption and decryption of the same bytes in one envelope's size.

import { type Identity, newIdentity } from '../src/crypto/identity.ts';
import { aeadOpen, aeadSeal, randomBytes } from '../src/crypto/sodium.ts';
import { parseEnvelope } from '../src/fe1/envelope.ts';
import { initiate, respond } from '../src/fe1/handshake.ts';
import {
  makeOneTimePrekey,
  makeSignedPrekey,
  type OwnOneTimePrekey,
  type OwnSignedPrekey,
} from '../src/fe1/prekeys.ts';
import { decrypt, encrypt, type Session } from '../src/fe1/ratchet.ts';
import { encodeSession } from '../src/fe1/state.ts';
import { isFleximError } from '../src/lib/errors.ts';
import { type Contest, type Contestant, median, type Report } from './measure.ts';

const TEXT = 256;
const NOW = 1_800_000_000;
const text = { type: 1, content: randomBytes(TEXT) };

interface Side {
  readonly identity: Identity;
  readonly spr: OwnSignedPrekey;
  readonly otk: OwnOneTimePrekey;
}

function side(): Side {
  const identity = newIdentity();
  const install = randomBytes(16);
  const record = { install, seq: NOW, expires: NOW + 7_776_000, spkId: 1 };
  return {
    identity,
    spr: makeSignedPrekey(identity, record, randomBytes),
    otk: makeOneTimePrekey(identity, { install, otkId: 1 }, randomBytes),
  };
}

const [a, b] = [side(), side()];

function open(): Session {
  const { record: spr } = b.spr;
  const { record: otk } = b.otk;
  const install = a.spr.record.install;
  return initiate({ identity: a.identity, install, gen: 1, spr, otk }, randomBytes);
}

function answer(envelope: Uint8Array): Session {
  const parsed = parseEnvelope(envelope);
  if (!parsed?.init) throw new Error('no INIT');
  const own = { identity: b.identity, spr: () => b.spr, otk: () => b.otk };
  return pass(respond(parsed.init, own).session, envelope);
}

function pass(session: Session, envelope: Uint8Array): Session {
  const parsed = parseEnvelope(envelope);
  const result = parsed && decrypt(session, parsed.body, NOW);
  if (result?.plaintext.content.length !== TEXT) throw new Error('the text did not arrive');
  return result.session;
}

/** A session on both sides, past the handshake. */
function pair(): { alice: Session; bob: Session } {
  const first = encrypt(open(), text, randomBytes);
  const back = encrypt(answer(first.envelope), text, randomBytes);
  return { alice: pass(first.session, back.envelope), bob: back.session };
}

function oneWay(): Contestant {
  let { alice, bob } = pair();
  return {
    name: 'FE1, one way',
    run: () => {
      for (let i = 0; i < 50; i++) {
        const sent = encrypt(alice, text, randomBytes);
        alice = sent.session;
        bob = pass(bob, sent.envelope);
      }
      return 50;
    },
  };
}

/** Each message answers the one before: a ratchet step every time, a KEM step every tenth. */
function pingPong(): Contestant {
  let { alice, bob } = pair();
  return {
    name: 'FE1, ping-pong',
    run: () => {
      for (let i = 0; i < 20; i++) {
        const there = encrypt(alice, text, randomBytes);
        bob = pass(bob, there.envelope);
        const back = encrypt(bob, text, randomBytes);
        bob = back.session;
        alice = pass(there.session, back.envelope);
      }
      return 40;
    },
  };
}

function bare(): Contestant {
  const key = randomBytes(32);
  const ad = randomBytes(64);
  const padded = new Uint8Array(395);
  return {
    name: 'bare crypto_aead',
    run: () => {
      for (let i = 0; i < 50; i++) {
        const nonce = randomBytes(24);
        if (!aeadOpen({ key, nonce, ad }, aeadSeal({ key, nonce, ad }, padded)))
          throw new Error('the cipher failed');
      }
      return 50;
    },
  };
}

export function envelopes(): Contest {
  return {
    title: `envelope: encrypt and decrypt ${TEXT} bytes`,
    unit: 'messages',
    contestants: [oneWay(), pingPong(), bare()],
    atLeast: [
      { name: 'FE1, ping-pong', ratio: 1 },
      { name: 'bare crypto_aead', ratio: 0.08 },
    ],
  };
}

function milliseconds(times: number, work: () => void): number {
  for (let i = 0; i < 5; i++) work();
  const all = Array.from({ length: times }, () => {
    const began = performance.now();
    work();
    return performance.now() - began;
  });
  return median(all);
}

/** What is counted in milliseconds and bytes rather than in messages a second. */
export function handshakes(): Report {
  const sent = encrypt(open(), text, randomBytes).envelope;
  const sessions = Array.from({ length: 1_000 }, () => pair().alice);
  const junk = parseEnvelope(encrypt(pair().alice, text, randomBytes).envelope);
  const initiateMs = milliseconds(50, () => {
    open();
  });
  const respondMs = milliseconds(50, () => {
    answer(sent);
  });
  const trialMs = milliseconds(20, () => {
    for (const session of sessions)
      try {
        if (junk && decrypt(session, junk.body, NOW)) throw new Error('junk was opened');
      } catch (error) {
        if (!isFleximError(error)) throw error;
      }
  });
  const bytes = Math.max(...sessions.slice(0, 50).map((each) => encodeSession(each).length));
  const title = 'envelope: handshakes, junk and memory';
  const lines = [
    `${title}, medians`,
    `  initiate                      ${initiateMs.toFixed(2)} ms   (limit 2)`,
    `  respond, first body opened    ${respondMs.toFixed(2)} ms   (limit 2)`,
    `  junk against 1,000 sessions  ${trialMs.toFixed(1)} ms   (limit 20)`,
    `  a session at rest             ${bytes} bytes   (limit 8,192)`,
  ].join('\n');
  const bounds = [{ what: 'a session at rest under 8 KiB', kept: bytes < 8_192 }];
  return { title, text: lines, data: { initiateMs, respondMs, trialMs, bytes }, bounds };
}
