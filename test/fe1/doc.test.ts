// docs/protocols/fe1.md against the code: its constants, byte tables, labels, contents and the values of
// its appendix, which are computed here from its formulas. Who changes one side is told to change the other.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { H, KDF } from '../../src/crypto/hash.ts';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import {
  aeadOpen,
  aeadSeal,
  exchange,
  exchangePair,
  hash,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_BYTES,
  kemEncapsulate,
} from '../../src/crypto/sodium.ts';
import * as constants from '../../src/fe1/constants.ts';
import {
  type Content,
  encodeContent,
  ID_BYTES,
  MAX_IDS,
  parseContent,
  SIGNS,
} from '../../src/fe1/content.ts';
import { pad, parseEnvelope } from '../../src/fe1/envelope.ts';
import { initiate, respond } from '../../src/fe1/handshake.ts';
import {
  INSTALL_BYTES,
  makeOneTimePrekey,
  makeSignedPrekey,
  OTK_BYTES,
  SPR_BYTES,
} from '../../src/fe1/prekeys.ts';
import { decrypt, encrypt, type Session } from '../../src/fe1/ratchet.ts';
import { safetyText } from '../../src/fe1/safety.ts';
import { encodeSession } from '../../src/fe1/state.ts';
import { encode as encodeKeyFile, MAX_LABEL_BYTES } from '../../src/keystore/keyfile.ts';
import { encodePaper } from '../../src/keystore/paper.ts';
import { concat, toBase64url, toHex, u32, utf8 } from '../../src/lib/bytes.ts';
import { ERROR_CODES } from '../../src/lib/errors.ts';
import { decode as unpack } from '../../src/wire/msgpack.ts';
import { stream } from './stream.ts';

const root = join(import.meta.dirname, '../..');
const doc = readFileSync(join(root, 'docs/protocols/fe1.md'), 'utf8');
const vectors = JSON.parse(readFileSync(join(root, 'test/vectors/fe1.json'), 'utf8'));
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const number = (text = '') => Number(text.replaceAll(',', ''));
const quoted = (text = '') => [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);

function section(heading: string): string {
  const from = doc.search(new RegExp(`^${heading.replace('.', '[.]')}[. ]`, 'm'));
  if (from < 0) throw new Error(`the document has no section ${heading}`);
  const level = /^#+/.exec(heading)?.[0] ?? '';
  const rest = doc.slice(from + heading.length);
  const to = rest.search(new RegExp(`^#{2,${level.length}} `, 'm'));
  return to < 0 ? rest : rest.slice(0, to);
}

/** The rows of each table in a text, without its head. */
function tables(text: string): string[][][] {
  return text
    .split(/\n(?!\|)/)
    .filter((block) => block.startsWith('|') || block.includes('\n|'))
    .map((block) =>
      block
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .slice(2)
        .map((line) =>
          line
            .slice(1, -1)
            .split(/(?<!\\)\|/)
            .map((cell) => cell.trim()),
        ),
    );
}

/** The total of a table of offsets and lengths, which must join without a gap. */
function total(rows: readonly string[][]): number {
  let at = 0;
  for (const [offset, bytes, what] of rows) {
    assert.is(number(offset), at, `offset of ${what}`);
    at += number(bytes);
  }
  return at;
}

const prose = (text: string) => text.replace(/^```[\s\S]*?^```$/gm, '');
const only = (heading: string) => tables(section(heading))[0] ?? [];

const test = suite('the document of FE1');

test('§14.1 lists the constants', () => {
  const value = (text = ''): unknown => {
    if (/^\d\d( \d\d)*$/.test(text) && text.includes(' ')) return hex(text.replaceAll(' ', ''));
    return text.includes(' ') ? text.split(' ').map(Number) : number(text);
  };
  const listed = only('### 14.1').map(([name, text]) => [quoted(name)[0], value(text)]);
  const real = Object.entries(constants).map(([name, each]) => [name, each]);
  const sorted = (entries: unknown[][]) =>
    entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  assert.equal(sorted(listed), sorted(real));
});

test('byte tables join and give the sizes of the code', () => {
  assert.is(total(only('### 4.1')), SPR_BYTES);
  assert.is(SPR_BYTES, 1420);
  assert.is(total(only('### 4.2')), OTK_BYTES);
  assert.is(OTK_BYTES, 1336);
  const [pbox = [], idbox = []] = tables(section('### 5.3'));
  assert.is(total(pbox) + 16, 24);
  assert.is(total(idbox) + 16, 72);
  const [header = []] = tables(section('### 6.2'));
  assert.is(total(header), constants.HEADER_BYTES);
  assert.is(constants.HEADER_BYTES + 16, constants.SEALED_HEADER_BYTES);
  const [init = [], msg = []] = tables(section('### 7.1'));
  assert.is(total(init), constants.INIT_PREFIX_BYTES);
  assert.is(total(msg.slice(0, 4)), 85);
  const sizes = [0, KEM_PUBLIC_BYTES + 16, KEM_CIPHERTEXT_BYTES + 16];
  assert.is(msg[4]?.[1], `${sizes[0]}, ${sizes[1]} or ${sizes[2]}`);
  assert.is(
    msg[5]?.[0],
    sizes
      .map((size) => 85 + size)
      .join(', ')
      .replace(/, (\d+)$/, ' or $1'),
  );
});

test('offsets of the records are those that the code writes', () => {
  const B = identityFromSeed(hex(vectors.seedB));
  const spr = hex(vectors.spr);
  const at = (heading: string, name: string) => {
    const [offset, bytes] = only(heading).find((row) => quoted(row[2]).includes(name)) ?? [];
    return [number(offset), number(offset) + number(bytes)] as const;
  };
  const own: [string, Uint8Array][] = [
    ['FE1P', utf8('FE1P')],
    ['versions', u32(1)],
    ['X', B.exchange.publicKey],
    ['E', B.signing.publicKey],
    ['install', hex(vectors.installB)],
    ['SPK', exchangePair(hex(vectors.spk_priv)).publicKey],
  ];
  for (const [name, value] of own)
    assert.is(toHex(spr.subarray(...at('### 4.1', name))), toHex(value), name);
  const otk = hex(vectors.otk);
  assert.is(toHex(otk.subarray(...at('### 4.2', 'otk_id'))), toHex(u32(1)));
  const [from, to] = at('### 4.2', 'install');
  assert.is(to - from, INSTALL_BYTES);
});

test('what is said about sizes', () => {
  const { BUCKETS, MAX_CONTENT, MAX_ENVELOPE, INIT_PREFIX_BYTES, OTK_BATCH } = constants;
  const size = (bytes: number) => toBase64url(new Uint8Array(bytes)).length;
  assert.is(size(SPR_BYTES), 1894);
  assert.is(size(OTK_BYTES), 1782);
  assert.is(size(SPR_BYTES) + OTK_BATCH * size(OTK_BYTES), 58_918);
  const room = (fixed: number, length: number) =>
    pad({ type: 1, content: new Uint8Array(length) }, fixed).length + fixed;
  const [msg, init] = [4 + 24 + 57 + 16, INIT_PREFIX_BYTES + 24 + 57 + 16];
  assert.equal([room(msg, 409), room(msg, 410)], [512, 1024]);
  assert.equal([room(init, 697), room(init, 698)], [2048, 4096]);
  assert.is(room(init + 1232, MAX_CONTENT), MAX_ENVELOPE);
  assert.is(BUCKETS.at(-1), MAX_ENVELOPE);
  assert.is(65_535 - MAX_ENVELOPE - 101, 410);
  assert.ok(section('### 7.2').includes(`\n${BUCKETS.join('  ')}\n`));
  assert.is(safetyText(new Uint8Array(32), new Uint8Array(32)).length, 134);
});

test('§8 lists the contents', () => {
  const ids = [new Uint8Array(ID_BYTES)];
  const message = { id: new Uint8Array(ID_BYTES), date: 1, flags: [], msg: 'x' };
  const real: [string, Exclude<Content, { kind: 'unknown' }>][] = [
    ['NOOP', { kind: 'noop' }],
    ['MSG', { kind: 'message', message }],
    ['GEN', { kind: 'gen', gen: 1 }],
    ['RCPT', { kind: 'receipt', ids }],
    ['READ', { kind: 'read', ids }],
    ['SIGN', { kind: 'sign', sign: 'typing' }],
  ];
  const listed = only('## 8').map(([type, name]) => [Number.parseInt(type ?? '', 16), name]);
  assert.equal(
    listed,
    real.map(([name, content]) => [encodeContent(content).type, name]),
  );
  const next = { type: listed.length, content: new Uint8Array(0) };
  assert.is(parseContent(next).kind, 'unknown');
  assert.ok(only('## 8')[3]?.[2]?.includes(`1 to ${MAX_IDS} ids of ${ID_BYTES} bytes`));
  const names = Object.keys(unpack(encodeContent({ kind: 'message', message }).content) as object);
  const written = /^\{(.*)\}$/m.exec(section('### 8.2'))?.[1];
  assert.equal(
    [...(written ?? '').matchAll(/"(\w+)"/g)].map((match) => match[1]),
    names,
  );
  const signs = only('### 8.6').map(([value, word]) => [number(value), word?.split(' ')[0]]);
  assert.equal(
    signs,
    SIGNS.map((sign, i) => [i + 1, sign]),
  );
});

test('§2.2 lists the labels, and each is in the code under its function', () => {
  const listed = only('### 2.2').map(([label, name]) => `${name} ${quoted(label)[0]}`);
  const folders = ['src/crypto', 'src/client', 'src/fe1', 'src/keystore', 'test/fe1'];
  const used = folders
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
    .filter((path) => path.endsWith('.ts') && !path.includes('.test.'))
    .map((path) => readFileSync(path, 'utf8'))
    .flatMap((source) => [...source.matchAll(/(\bH\(\s*)?'((?:fe1|flexim)\.[a-z0-9]+)'/g)])
    .map(([, isH, label]) => `${isH ? 'H' : 'KDF'} ${label}`);
  assert.equal([...new Set(used)].sort(), listed.sort());
});

test('§11.3 lists what a stored session holds', () => {
  const [version, map] = unpack(encodeSession(opened().a)) as [number, Record<string, unknown>];
  assert.is(version, 1);
  const listed = only('### 11.3').map(([name]) => quoted(name)[0]);
  assert.equal(listed, Object.keys(map));
  const state = only('### 6.1').flatMap(([name]) => quoted(name));
  assert.equal(state.sort(), Object.keys(map).sort());
  assert.ok(section('### 11.3').includes(`at most ${constants.MAX_CHAINS + 1} maps`));
});

test('§16 describes the key file and the paper', async () => {
  const seed = new Uint8Array(32).fill(0xa1);
  const rows = only('### 16.1');
  const fixed = total(rows.slice(0, 13));
  assert.is(fixed, number(rows[13]?.[0]));
  assert.is(rows[14]?.[0], `${fixed} + n`);
  const content = { seed, storeKey: seed, created: 0, label: '' };
  const chance = { salt: new Uint8Array(32), nonce: new Uint8Array(24) };
  assert.is((await encodeKeyFile(content, null, chance)).length, fixed + 16);
  assert.ok(section('### 16.1').includes(`${fixed + 16} to ${fixed + 16 + MAX_LABEL_BYTES} bytes`));
  assert.ok(section('### 16.3').includes(`\n${encodePaper(seed)}\n`));
});

// ---- Appendix A ----

/** A value of the appendix by its name: hex, in one line or more. */
function value(name: string): string {
  const found = new RegExp(`^${name} +([0-9a-f]+(?:\\n {8}[0-9a-f]+)*)$`, 'm').exec(doc)?.[1];
  if (found === undefined) throw new Error(`the appendix has no ${name}`);
  return found.replace(/\s/g, '');
}

const is = (name: string, bytes: Uint8Array | null) =>
  assert.is(value(name), bytes && toHex(bytes), name);

/** The parties of the vectors up to A's handshake, and the randomness that it draws. */
function opened() {
  const random = stream();
  const A = identityFromSeed(hex(vectors.seedA));
  const B = identityFromSeed(hex(vectors.seedB));
  const install = hex(vectors.installB);
  const [seq, expires, spkId] = [1_790_000_000, 1_797_776_000, 0x01020304];
  const spr = makeSignedPrekey(B, { install, seq, expires, spkId }, random);
  const otk = makeOneTimePrekey(B, { install, otkId: 1 }, random);
  const drawn: Uint8Array[] = [];
  const options = { identity: A, install: hex(vectors.installA), gen: 1 };
  const a = initiate({ ...options, spr: spr.record, otk: otk.record }, (length) => {
    drawn.push(random(length));
    return drawn.at(-1) as Uint8Array;
  });
  return { random, A, B, spr, otk, a, drawn };
}

test('A.3: the handshake from the formulas of §5.2', () => {
  const { A, B, spr, otk, a, drawn } = opened();
  const [ek, seed] = drawn as [Uint8Array, Uint8Array, Uint8Array];
  const { publicKey: EK } = exchangePair(ek);
  const kem = kemEncapsulate(otk.record.KPK, seed);
  const d = {
    d1: exchange(A.exchange.privateKey, spr.record.SPK) as Uint8Array,
    d2: exchange(ek, B.exchange.publicKey) as Uint8Array,
    d3: exchange(ek, spr.record.SPK) as Uint8Array,
  };
  assert.ok(kem);
  is('x_A', A.exchange.privateKey);
  is('x_B', B.exchange.privateKey);
  is('SPK', spr.record.SPK);
  is('ek', ek);
  is('EK', EK);
  is('ct#', hash(32, kem.ciphertext, null));
  is('ss', kem.sharedSecret);
  for (const [name, bytes] of Object.entries(d)) is(name, bytes);

  const zero = new Uint8Array(24);
  const pre = concat(utf8('FE1'), Uint8Array.of(1), EK, kem.ciphertext);
  const p0 = H('fe1.p0', B.exchange.publicKey, EK);
  const kp = KDF(p0, 'fe1.kp', d.d2).subarray(0, 32);
  const pbox = aeadSeal({ key: kp, nonce: zero, ad: pre }, concat(u32(0x01020304), u32(1)));
  const h0 = H('fe1.h0', Uint8Array.of(1), hex(vectors.spr), hex(vectors.otk), EK, kem.ciphertext);
  const k1 = KDF(h0, 'fe1.k1', d.d2, d.d3, kem.sharedSecret);
  const who = concat(A.signing.publicKey, hex(vectors.installA), u32(1), u32(0));
  const idbox = aeadSeal({ key: k1.subarray(32), nonce: zero, ad: h0 }, who);
  const [first, second] = [A, B].map((each) =>
    concat(each.signing.publicKey, each.exchange.publicKey),
  ) as [Uint8Array, Uint8Array];
  const h1 = H('fe1.h1', h0, pbox, idbox, first, second);
  const k2 = KDF(k1.subarray(0, 32), 'fe1.k2', d.d1, h1);
  const k3 = KDF(k2.subarray(32), 'fe1.k3');
  const values = { p0, kp, pbox, h0, k1, idbox, h1, k2, k3 };
  for (const [name, bytes] of Object.entries(values)) is(name, bytes);
  is('sid', KDF(k2.subarray(32), 'fe1.sid').subarray(0, 32));
  is('iid', hash(32, concat(pre, pbox, idbox).subarray(4), null));
  assert.is(value('h1'), vectors.h1);
  assert.is(value('sid'), vectors.sid);

  const dh = exchange(drawn[2] as Uint8Array, spr.record.SPK) as Uint8Array;
  const t = KDF(k2.subarray(0, 32), 'fe1.rk', dh);
  const u = KDF(t.subarray(32), 'fe1.rk2');
  is('DHs', exchangePair(drawn[2] as Uint8Array).publicKey);
  is('RK', t.subarray(0, 32));
  is('CKs', u.subarray(0, 32));
  is('NHKs', u.subarray(32));
  assert.is(value('RK'), toHex(a.RK));
});

test('A.4: the first envelope from the formulas of §6.3', () => {
  const first = parseEnvelope(hex(vectors.envelopes[0].hex));
  assert.ok(first);
  const { hn, eh, tail } = first.body;
  is('hn', hn);
  is('eh', eh);
  const h1 = hex(vectors.h1);
  const HKa = hex(value('k3')).subarray(0, 32);
  const header = aeadOpen({ key: HKa, nonce: hn, ad: h1 }, eh);
  assert.is(header && toHex(header), `00${value('DHs')}${'00'.repeat(8)}`);
  const MK = KDF(hex(value('CKs')), 'fe1.ck').subarray(32);
  const o = KDF(MK, 'fe1.mk', hn);
  is('MK', MK);
  is('K', o.subarray(0, 32));
  is('N', o.subarray(32, 56));
  const ad = concat(h1, hn, eh);
  const padded = aeadOpen({ key: o.subarray(0, 32), nonce: o.subarray(32, 56), ad }, tail);
  assert.ok(padded && toHex(padded).startsWith(`01${toHex(utf8('hello bob'))}8000`));
});

test('A.4: the five envelopes', () => {
  const { random, B, spr, otk, a: initiator } = opened();
  let drawn = 32 * 3 + 128;
  const counting = (length: number) => {
    drawn += length;
    return random(length);
  };
  const first = parseEnvelope(hex(vectors.envelopes[0].hex))?.init;
  assert.ok(first);
  let a = initiator;
  let b = respond(first, { identity: B, spr: () => spr, otk: () => otk }).session;
  const rows = only('### A.4');
  assert.is(rows.length, vectors.envelopes.length);
  rows.forEach(([, from, type, bytes, flags, pn, n, content], i) => {
    const given = vectors.envelopes[i];
    const envelope = parseEnvelope(hex(given.hex));
    assert.ok(envelope);
    const got = decrypt(from === 'A' ? b : a, envelope.body, 0);
    assert.ok(got);
    const sent = encrypt(from === 'A' ? a : b, got.plaintext, counting);
    const s: Session = sent.session;
    assert.is(toHex(sent.envelope), given.hex);
    const text = Buffer.from(got.plaintext.content).toString();
    const kind = envelope.init ? 'INIT' : 'MSG';
    const real = [given.from, kind, given.len, s.kemSelf ? 1 : s.kemCt ? 2 : 0, s.PN, s.Ns - 1];
    assert.equal([from, type, number(bytes), number(flags), number(pn), number(n)], real);
    assert.equal(quoted(content), [text]);
    is(`RK${i + 1}`, s.RK);
    [a, b] = from === 'A' ? [sent.session, got.session] : [got.session, sent.session];
  });
  assert.ok(section('### A.4').includes(`is ${drawn} bytes`));
  assert.is(value('RK5'), vectors.final.A_RK);
});

test('A.1 and A.2: the stream and the keys of the file', () => {
  const start =
    quoted(prose(section('### A.1'))).find((text) => /^([0-9a-f]{8} ?)+$/.test(text)) ?? '';
  assert.is(start.replaceAll(' ', ''), toHex(stream()(16)));
  const listed = only('### A.2').flatMap(([names]) => quoted(names));
  assert.equal(listed.sort(), Object.keys(vectors).sort());
});

// ---- numbers of sections, names ----

const headings = [...doc.matchAll(/^#{2,3} (\d+(?:\.\d+)?)\.? /gm)].map(([, each]) => each ?? '');

test('sections are numbered without a gap, and every § exists', () => {
  let last = [0, 0];
  for (const each of headings) {
    const [major = 0, minor = 0] = each.split('.').map(Number);
    const next = minor === 0 ? [(last[0] ?? 0) + 1, 0] : [last[0], (last[1] ?? 0) + 1];
    assert.equal([major, minor], next);
    last = [major, minor];
  }
  assert.is(last[0], 16);
  const own = doc.replace(/(flexim\.md|RFC \d+) §[\d.]*\d((,| and) §[\d.]*\d)*/g, '');
  for (const [whole, each = ''] of own.matchAll(/§(\d+(?:\.\d+)?)/g))
    assert.ok(headings.includes(each), whole);
});

test('what src/ cites of fe1.md exists', () => {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  let cited = 0;
  for (const name of names.filter((each) => each.endsWith('.ts'))) {
    const source = readFileSync(join(root, 'src', name), 'utf8');
    const cites = [...source.matchAll(/fe1\.md (§[\d.]*\d(?:(?:,| and) §[\d.]*\d)*)/g)];
    // In fe1/, a § without a document's name is one of fe1.md too.
    const here = name.startsWith('fe1/') ? [source.replace(/flexim\.md §[\d.]*\d/g, '')] : [];
    for (const text of [...cites.map((match) => match[1] ?? ''), ...here])
      for (const [, each = ''] of text.matchAll(/§(\d+(?:\.\d+)?)/g)) {
        assert.ok(headings.includes(each), `${name} cites §${each}`);
        cited++;
      }
  }
  assert.ok(cited >= 12, 'the pattern finds them');
});

test('the errors that it names are codes, or announced', () => {
  const announced = ['identity-elsewhere']; // comes with the client
  const words = quoted(prose(doc));
  const kinds = /^(envelope|bundle|content|state|key|passphrase|identity)-[a-z-]+$/;
  const named = [...new Set(words.filter((word) => kinds.test(word)))];
  assert.ok(named.length >= 8, 'the pattern finds them');
  for (const name of named)
    assert.ok((ERROR_CODES as readonly string[]).includes(name) || announced.includes(name), name);
});

test.run();
