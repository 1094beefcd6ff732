// test/vectors/fe1-more.json: that its script makes these very bytes, that our code reads them, and that
// the second implementation, as B, sends and hears the same.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import { type Content, encodeContent, parseContent } from '../../src/fe1/content.ts';
import { type Body, type Envelope, parseEnvelope } from '../../src/fe1/envelope.ts';
import { initiate } from '../../src/fe1/handshake.ts';
import { checkSignedPrekey } from '../../src/fe1/prekeys.ts';
import { decrypt, encrypt } from '../../src/fe1/ratchet.ts';
import { checkSafetyText, safetyNumber } from '../../src/fe1/safety.ts';
import { decodeSession, encodeSession } from '../../src/fe1/state.ts';
import { decode as decodeKey } from '../../src/keystore/keyfile.ts';
import { decodePaper, encodePaper } from '../../src/keystore/paper.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { fe1More } from '../vectors/fe1-more.ts';
import * as second from './second.ts';
import { stream } from './stream.ts';

const file = readFileSync(new URL('../vectors/fe1-more.json', import.meta.url), 'utf8');
const vectors = JSON.parse(file);
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const bodyOf = (text: string): Body => (parseEnvelope(hex(text)) as Envelope).body;
const named = (name: string) =>
  vectors.contents.find((each: { name: string }) => each.name === name);
const NOW = 1_800_000_000;

const test = suite('more FE1 vectors');

test('the script makes the file again, byte for byte', async () => {
  assert.is(await fe1More(), file);
});

test('the second implementation as B sends and hears the same', () => {
  const { seedA, seedB, installA, installB, gen, spr, sid, h1 } = vectors.session;
  const draw = stream('fe1-more');
  const [A, B] = [identityFromSeed(hex(seedA)), second.person(hex(seedB))];
  const own = second.makeSpr(
    B,
    { install: hex(installB), seq: NOW, expires: NOW + 90 * 86_400, spkId: 0xfedcba98 },
    draw,
  );
  assert.is(toHex(own.bytes), spr);
  const bundle = checkSignedPrekey(own.bytes, { X: B.X, now: NOW, seen: null });
  let a = initiate({ identity: A, install: hex(installA), gen, spr: bundle, otk: null }, draw);
  const b = second.respond(B, hex(vectors.envelopes[0].hex), [own], []);
  assert.equal([toHex(a.sid), toHex(a.h1)], [sid, h1]);
  assert.equal([toHex(b.sid), toHex(b.h1), b.gen], [sid, h1, gen]);

  const hear = (to: string, text: string) => {
    if (to === 'B') {
      const got = second.receive(b, hex(text), NOW);
      assert.type(got, 'object');
      return got as { type: number; content: Uint8Array };
    }
    const got = decrypt(a, bodyOf(text), NOW);
    assert.ok(got);
    a = got.session;
    return got.plaintext;
  };
  let waiting: { to: string; arrive: () => void }[] = [];
  const exts = new Set<string>();
  for (const { from, content, ext, late, hex: text } of vectors.envelopes) {
    const { type, hex: bytes } = named(content);
    const plaintext = { type, content: hex(bytes) };
    if (from === 'A') {
      const sent = encrypt(a, plaintext, draw);
      assert.is(toHex(sent.envelope), text);
      a = sent.session;
    } else assert.is(toHex(second.send(b, type, hex(bytes), draw)), text);
    exts.add(`${from} ${ext}`);
    const to = from === 'A' ? 'B' : 'A';
    const arrive = () => assert.equal(hear(to, text), plaintext);
    if (late) waiting.push({ to, arrive });
    else arrive();
    // What was late arrives once its receiver has sent.
    for (const each of waiting) if (each.to === from) each.arrive();
    waiting = waiting.filter((each) => each.to !== from);
  }
  assert.equal(waiting, []);
  assert.ok(['A key', 'A ciphertext', 'B key', 'B ciphertext'].every((each) => exts.has(each)));
});

test('a stored state is read, written again as it was, and opens what comes next', () => {
  let opened = 0;
  for (const { of, after, hex: text } of vectors.states) {
    const state = decodeSession(hex(text));
    assert.is(toHex(encodeSession(state)), text);
    const next = vectors.envelopes[after];
    if (!next || next.from === of) continue;
    const got = decrypt(state, bodyOf(next.hex), NOW);
    const { type, hex: content } = named(next.content);
    assert.equal(got?.plaintext, { type, content: hex(content) });
    opened++;
  }
  assert.ok(opened >= 8);
});

test('contents are read, and written again as they were', () => {
  for (const { type, hex: text } of vectors.contents) {
    const content = parseContent({ type, content: hex(text) });
    assert.is.not(content.kind, 'unknown');
    const again = encodeContent(content as Exclude<Content, { kind: 'unknown' }>);
    assert.equal([again.type, toHex(again.content)], [type, text]);
  }
  const message = parseContent({ type: 1, content: hex(named('message').hex) });
  assert.equal(message, {
    kind: 'message',
    message: {
      id: new Uint8Array(16).fill(2),
      date: NOW + 2,
      flags: ['NOTIFY', 'x'],
      msg: 'Grüße 🦉',
    },
  });
  assert.equal(new Set(vectors.contents.map(({ type }: { type: number }) => type)).size, 6);
});

test('key files open, the locked one with its passphrase only', async () => {
  for (const { passphrase, seed, storeKey, created, label, hex: text } of vectors.keyFiles) {
    const content = await decodeKey(hex(text), passphrase);
    assert.equal(content, { seed: hex(seed), storeKey: hex(storeKey), created, label });
    if (passphrase === null) continue;
    const wrong = await decodeKey(hex(text), `${passphrase}!`).catch((error: unknown) => error);
    assert.ok(isFleximError(wrong, 'passphrase-wrong'));
  }
});

test('paper backups', () => {
  for (const { seed, text } of vectors.papers) {
    assert.is(encodePaper(hex(seed)), text);
    assert.is(toHex(decodePaper(text)), seed);
  }
});

test('the safety number and the text of a QR code, which the other side scans', () => {
  for (const { self, peer, number, text } of vectors.safety) {
    assert.is(safetyNumber(hex(peer), hex(self)), number);
    assert.is(checkSafetyText(text, hex(peer), hex(self)), true);
    assert.is(checkSafetyText(text, hex(self), hex(peer)), false);
    assert.is(checkSafetyText(text.slice(1), hex(peer), hex(self)), null);
    assert.is(checkSafetyText(`${text}0`, hex(peer), hex(self)), null);
  }
});

test.run();
