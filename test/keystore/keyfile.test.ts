// The key file format: vectors, every byte, every length. docs/protocols/fe1.md §16.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { H } from '../../src/crypto/hash.ts';
import { aeadSeal } from '../../src/crypto/sodium.ts';
import {
  decode,
  deriveKey,
  encode,
  isLocked,
  type KeyContent,
  openLocked,
} from '../../src/keystore/keyfile.ts';
import { concat, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts';
import { FleximError } from '../../src/lib/errors.ts';
import { count } from '../count.ts';

interface Vector {
  name: string;
  passphrase: string | null;
  seed: string;
  storeKey: string;
  created: number;
  label: string;
  salt: string;
  nonce: string;
  log2N: number;
  file: string;
}
const url = new URL('../vectors/keyfile.json', import.meta.url);
const vectors = JSON.parse(readFileSync(url, 'utf8')) as Vector[];
const hex = (text: string) => fromHex(text, text.length / 2) as Uint8Array;
const vector = (name: string) => vectors.find((one) => one.name === name) as Vector;
const unlocked = hex(vector('unlocked').file);
const locked = hex(vector('locked').file);
const passphrase = vector('locked').passphrase as string;

const contentOf = (v: Vector): KeyContent => ({
  seed: hex(v.seed),
  storeKey: hex(v.storeKey),
  created: v.created,
  label: v.label,
});
const plain = ({ seed, storeKey, created, label }: KeyContent) =>
  [toHex(seed), toHex(storeKey), created, label].join(' ');

/** The code that the call fails with; no message may show what is secret. */
async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof FleximError)) throw error;
    const { seed, storeKey } = vector('locked');
    for (const secret of [passphrase, seed.slice(0, 8), storeKey.slice(0, 8)])
      assert.not.ok(error.message.includes(secret), 'a secret in a message');
    return error.code;
  }
  return 'none';
}

function changed(file: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = Uint8Array.from(file);
  copy[at] = byte;
  return copy;
}

/** An unlocked file around any header and payload, with a checksum that is right. */
function summed(header: Uint8Array, payload: Uint8Array): Uint8Array {
  return concat(header, payload, H('flexim.keyfile', header, payload).subarray(0, 16));
}

const format = suite('keyfile: format');

for (const v of vectors)
  format(`vector ${v.name}: read, and written again the same`, async () => {
    const content = contentOf(v);
    assert.is(isLocked(hex(v.file)), v.passphrase !== null);
    assert.is(plain(await decode(hex(v.file), v.passphrase)), plain(content));
    const randomness = { salt: hex(v.salt), nonce: hex(v.nonce), log2N: v.log2N };
    assert.is(toHex(await encode(content, v.passphrase, randomness)), v.file);
  });

format('the unlocked vector is laid out as the specification says', () => {
  const header = `46584b4559 01 00 11 08 01 000000000000 ${'00'.repeat(32 + 24)}`;
  const payload = `${'a1'.repeat(32)} ${'5c'.repeat(32)} 000000006553f100 0005 616c696365`;
  const [head, body] = [hex(header.replaceAll(' ', '')), hex(payload.replaceAll(' ', ''))];
  assert.is(toHex(unlocked), toHex(summed(head, body)));
});

format('a passphrase typed in another Unicode form is the same passphrase', async () => {
  assert.is(plain(await decode(locked, 'Ångström fi 12')), plain(contentOf(vector('locked'))));
});

format('new files are written with N = 2^17', async () => {
  const v = vector('unlocked');
  const file = await encode(contentOf(v), null, { salt: hex(v.salt), nonce: hex(v.nonce) });
  assert.is(file[7], 17);
});

format('locked without a passphrase, and with a wrong one', async () => {
  assert.is(await codeOf(() => decode(locked, null)), 'passphrase-needed');
  assert.is(await codeOf(() => decode(locked, 'wrong')), 'passphrase-wrong');
});

format('labels: up to 128 bytes, and text that comes out as it went in', async () => {
  const base = contentOf(vector('unlocked'));
  const randomness = { salt: new Uint8Array(32), nonce: new Uint8Array(24) };
  const write = (label: string) => encode({ ...base, label }, null, randomness);
  for (const label of ['', '\ufeffbom', 'x'.repeat(128), '\0']) {
    assert.is((await decode(await write(label), null)).label, label);
  }
  for (const label of ['x'.repeat(129), 'ä'.repeat(65), 'lone \ud800'])
    assert.is(await codeOf(() => write(label)), 'bad-input');
});

format('what cannot be read again is not written', async () => {
  const base = contentOf(vector('unlocked'));
  const [salt, nonce] = [new Uint8Array(32), new Uint8Array(24)];
  const refused = async (content: KeyContent, randomness: Parameters<typeof encode>[2]) => {
    try {
      await encode(content, 'x', randomness);
    } catch (error) {
      return error instanceof TypeError;
    }
    return false;
  };
  assert.ok(await refused({ ...base, seed: new Uint8Array(31) }, { salt, nonce }));
  assert.ok(await refused({ ...base, storeKey: new Uint8Array(33) }, { salt, nonce }));
  for (const created of [-1, 1.5, 2 ** 53, Number.NaN])
    assert.ok(await refused({ ...base, created }, { salt, nonce }), `${created}`);
  assert.ok(await refused(base, { salt: nonce, nonce }));
  assert.ok(await refused(base, { salt, nonce: salt }));
  for (const log2N of [14, 19, Number.NaN])
    assert.ok(await refused(base, { salt, nonce, log2N }), `${log2N}`);
  assert.is(await codeOf(() => encode(base, '', { salt, nonce })), 'bad-input');
});

format.run();

const damage = suite('keyfile: damage');

damage('each byte of an unlocked file, in any other value, is noticed', async () => {
  for (let at = 0; at < unlocked.length; at++)
    for (const flip of [0x01, 0x02, 0x80, 0xff]) {
      const file = changed(unlocked, at, (unlocked[at] ?? 0) ^ flip);
      const code = await codeOf(() => decode(file, null));
      // kdf 0 -> 1 makes it a locked file with zeros for salt: no passphrase was given for it
      const lockedNow = at === 6 && flip === 1;
      const expected =
        at === 5 || (at === 6 && !lockedNow)
          ? 'key-version'
          : lockedNow
            ? 'passphrase-needed'
            : 'key-damaged';
      assert.is(code, expected, `byte ${at} ^ ${flip}`);
    }
});

damage('each byte of a locked file is bound to its key: header, payload and tag', async () => {
  const key = await deriveKey(locked, passphrase);
  assert.is(plain(openLocked(locked, key)), plain(contentOf(vector('locked'))));
  for (let at = 0; at < locked.length; at += count(5, 1)) {
    const file = changed(locked, at, (locked[at] ?? 0) ^ 0x10);
    assert.is(await codeOf(() => openLocked(file, key)), 'passphrase-wrong', `byte ${at}`);
  }
});

damage('a locked file with a changed byte never opens', async () => {
  const cases: [at: number, byte: number, code: string][] = [
    [0, 0x66, 'key-damaged'],
    [5, 2, 'key-version'],
    [6, 0, 'key-damaged'],
    [6, 2, 'key-version'],
    [7, 16, 'passphrase-wrong'],
    [10, 1, 'key-damaged'],
    [16, 0, 'passphrase-wrong'],
    [48, 0, 'passphrase-wrong'],
    [72, 0, 'passphrase-wrong'],
    [locked.length - 1, (locked.at(-1) ?? 0) ^ 1, 'passphrase-wrong'],
  ];
  await Promise.all(
    cases.map(async ([at, byte, code]) =>
      assert.is(await codeOf(() => decode(changed(locked, at, byte), passphrase)), code, `${at}`),
    ),
  );
});

damage('scrypt parameters out of bounds cost nothing', async () => {
  const began = performance.now();
  for (const [at, byte] of [
    [7, 0],
    [7, 14],
    [7, 19],
    [7, 63],
    [7, 255],
    [8, 0],
    [8, 7],
    [8, 255],
    [9, 0],
    [9, 2],
    [9, 255],
  ] as const)
    for (const file of [locked, unlocked]) {
      const code = await codeOf(() => decode(changed(file, at, byte), passphrase));
      assert.is(code, 'key-damaged', `byte ${at} = ${byte}`);
    }
  assert.ok(performance.now() - began < 50, 'no scrypt has run');
});

damage('a checksum that is right excuses nothing', async () => {
  const header = unlocked.slice(0, 72);
  const payload = unlocked.slice(72, -16);
  const label = payload.slice(74);
  const swap = (at: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(payload);
    copy.set(bytes, at);
    return summed(header, copy);
  };
  assert.is(await codeOf(() => decode(summed(header, payload), null)), 'none');
  for (const at of [10, 15, 16, 47, 48, 71])
    assert.is(
      await codeOf(() => decode(summed(changed(header, at, 1), payload), null)),
      'key-damaged',
      `unused byte ${at}`,
    );
  const wrong = {
    'a label length that is too large': swap(72, 0, label.length + 1),
    'a label length that is too small': swap(72, 0, label.length - 1),
    'a label that is no UTF-8': swap(74, 0xff),
    'a label with a surrogate': swap(74, 0xed, 0xa0, 0x80),
    'an overlong form': swap(74, 0xc0, 0x80),
    'a time beyond what is counted': swap(64, 0, 0x20),
  };
  for (const [what, file] of Object.entries(wrong))
    assert.is(await codeOf(() => decode(file, null)), 'key-damaged', what);
  const long = concat(payload.slice(0, 72), Uint8Array.of(0, 129), utf8('x'.repeat(129)));
  assert.is(await codeOf(() => decode(summed(header, long), null)), 'key-damaged', 'a long label');
});

damage('what is inside a locked file is checked as well', async () => {
  const key = await deriveKey(locked, passphrase);
  const ad = locked.slice(0, 72);
  const payload = concat(unlocked.slice(72, -17), Uint8Array.of(0xff));
  const file = concat(ad, aeadSeal({ key, nonce: locked.slice(48, 72), ad }, payload));
  assert.is(await codeOf(() => openLocked(file, key)), 'key-damaged');
});

damage('no beginning of a file is a file, and nothing may follow it', async () => {
  for (let length = 0; length < unlocked.length; length++) {
    const code = await codeOf(() => decode(unlocked.subarray(0, length), null));
    assert.is(code, 'key-damaged', `unlocked, ${length} bytes`);
  }
  const key = await deriveKey(locked, passphrase);
  const shortest = 72 + 74 + 16;
  for (let length = 0; length < locked.length; length++) {
    const file = locked.subarray(0, length);
    const whole = length >= shortest; // could be a file with a shorter label
    const code = await codeOf(() => (whole ? openLocked(file, key) : decode(file, passphrase)));
    assert.is(code, whole ? 'passphrase-wrong' : 'key-damaged', `locked, ${length} bytes`);
  }
  for (const more of [1, 4000]) {
    const code = await codeOf(() => decode(concat(unlocked, new Uint8Array(more)), null));
    assert.is(code, 'key-damaged', `${more} more bytes`);
  }
  const tooLong = concat(locked, new Uint8Array(200));
  assert.is(await codeOf(() => decode(tooLong, passphrase)), 'key-damaged');
});

damage.run();
