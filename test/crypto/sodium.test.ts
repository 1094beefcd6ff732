// The door to libsodium: strings, wrong lengths and missing functions never get through it.
import { readFileSync } from 'node:fs';
import sodium from 'libsodium-wrappers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as door from '../../src/crypto/sodium.ts';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { FleximError } from '../../src/lib/errors.ts';

const bytes = (length: number) => new Uint8Array(length).fill(7);

/** Each function with its byte arguments in a row: their exact length, or null for any length. */
interface Row {
  readonly name: string;
  readonly lengths: readonly (number | null)[];
  readonly call: (...args: never[]) => unknown;
}
type B = Uint8Array;
const aead = (key: B, nonce: B, ad: B) => ({ key, nonce, ad });
const pair = (publicKey: B, privateKey: B) => ({ publicKey, privateKey });
const rows: readonly Row[] = [
  { name: 'hash', lengths: [null], call: (m: B) => door.hash(64, m, null) },
  { name: 'signingPair', lengths: [32], call: door.signingPair },
  { name: 'exchangePublic', lengths: [32], call: door.exchangePublic },
  { name: 'exchangePrivate', lengths: [64], call: door.exchangePrivate },
  { name: 'seal', lengths: [null, 32], call: door.seal },
  {
    name: 'openSealed',
    lengths: [null, 32, 32],
    call: (b: B, p: B, s: B) => door.openSealed(b, pair(p, s)),
  },
  {
    name: 'aeadSeal',
    lengths: [32, 24, null, null],
    call: (k: B, n: B, ad: B, m: B) => door.aeadSeal(aead(k, n, ad), m),
  },
  {
    name: 'aeadOpen',
    lengths: [32, 24, null, null],
    call: (k: B, n: B, ad: B, m: B) => door.aeadOpen(aead(k, n, ad), m),
  },
  { name: 'exchangePair', lengths: [32], call: door.exchangePair },
  { name: 'exchange', lengths: [32, 32], call: door.exchange },
  {
    name: 'sign',
    lengths: [null, 64],
    call: (m: B, k: B) => door.sign('context', m, pair(bytes(32), k)),
  },
  {
    name: 'verify',
    lengths: [null, 64, 32],
    call: (m: B, s: B, p: B) => door.verify('context', m, s, p),
  },
  { name: 'latticePair', lengths: [64], call: door.latticePair },
  { name: 'latticeEncapsulate', lengths: [1184, 32], call: door.latticeEncapsulate },
  { name: 'latticeDecapsulate', lengths: [1088, 2400], call: door.latticeDecapsulate },
  { name: 'streamState', lengths: [24, 32], call: door.streamState },
  { name: 'kemPair', lengths: [32], call: door.kemPair },
  { name: 'kemEncapsulate', lengths: [1216, 64], call: door.kemEncapsulate },
  { name: 'kemDecapsulate', lengths: [1120, 32], call: door.kemDecapsulate },
];

function refuses(row: Row, args: readonly unknown[], what: string): void {
  try {
    (row.call as (...args: unknown[]) => unknown)(...args);
  } catch (error) {
    assert.instance(error, TypeError, `${row.name}, ${what}: TypeError`);
    const shown = `${(error as Error).message} ${(error as Error).stack?.split('\n')[0]}`;
    assert.not.match(shown, /secret|7,7|0707/, `${row.name}, ${what}: shows the value`);
    return;
  }
  assert.unreachable(`${row.name} took ${what}`);
}

const strict = suite('sodium: arguments');

strict('every exported function that takes bytes has a row here, or a test of its own', () => {
  const exported = Object.entries(door).filter(([, value]) => typeof value === 'function');
  const own = ['equal', 'randomBytes', 'selfTest', 'wipe'];
  const known = [...rows.map(({ name }) => name), ...own].sort();
  assert.equal(exported.map(([name]) => name).sort(), known);
});

for (const row of rows)
  strict(`${row.name} takes nothing but bytes of the right length`, () => {
    const good = row.lengths.map((length) => bytes(length ?? 100));
    assert.not.throws(() => (row.call as (...args: unknown[]) => unknown)(...good));
    row.lengths.forEach((length, at) => {
      const text = 'secret'.padEnd(length ?? 100, '!');
      for (const wrong of [text, [...bytes(length ?? 100)], null, undefined, 7, {}])
        refuses(row, good.with(at, wrong as never), `argument ${at} as ${typeof wrong}`);
      for (const other of length === null ? [] : [0, length - 1, length + 1])
        refuses(row, good.with(at, bytes(other)), `${other} bytes as argument ${at}`);
    });
  });

strict('a hash key has 16 to 64 bytes: an empty one would silently be none', () => {
  const hash = (key: unknown) => door.hash(64, bytes(3), key as Uint8Array);
  for (const length of [16, 32, 64]) assert.not.throws(() => hash(bytes(length)));
  for (const key of ['', 'secret-secret-secret', bytes(0), bytes(15), bytes(65), undefined])
    assert.throws(
      () => hash(key),
      (error: unknown) => error instanceof TypeError && !error.message.includes('secret-'),
    );
});

strict('equal says no to strings and to other lengths', () => {
  const loose = door.equal as (a: unknown, b: unknown) => boolean;
  assert.ok(door.equal(bytes(4), bytes(4)));
  assert.not(door.equal(bytes(4), bytes(5)));
  assert.not(door.equal(bytes(4), Uint8Array.of(7, 7, 7, 8)));
  assert.not(loose('aaaa', 'aaaa'));
  assert.not(loose(bytes(4), 'aaaa'));
});

strict('wipe overwrites, and takes no strings', () => {
  const secret = bytes(32);
  door.wipe(secret);
  assert.is(toHex(secret), '00'.repeat(32));
  assert.throws(
    () => (door.wipe as (a: unknown) => void)('secret'),
    (error: unknown) => error instanceof TypeError && !error.message.includes('secret'),
  );
});

strict.run();

const answers = suite('sodium: answers');

// All encodings of the points whose order divides 8, with the unused top bit clear and set.
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

answers('nothing is sealed to a point of small order', () => {
  for (const text of SMALL_ORDER)
    for (const top of [0, 0x80]) {
      const point = fromHex(text, 32) as Uint8Array;
      point[31] = (point[31] ?? 0) | top;
      assert.is(door.seal(bytes(32), point), null, toHex(point));
    }
});

answers('a sealed box opens for its key, whole, and for nothing else', () => {
  const mine = { privateKey: bytes(32), publicKey: sodium.crypto_scalarmult_base(bytes(32)) };
  const box = door.seal(bytes(5), mine.publicKey) as Uint8Array;
  assert.is(box.length, 5 + door.SEAL_OVERHEAD);
  assert.is(toHex(door.openSealed(box, mine) as Uint8Array), '0707070707');
  const other = { ...mine, privateKey: new Uint8Array(32).fill(9) };
  assert.is(door.openSealed(box, other), null);
  for (let i = 0; i < box.length; i++) {
    const changed = Uint8Array.from(box);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.is(door.openSealed(changed, mine), null, `byte ${i}`);
    assert.is(door.openSealed(box.subarray(0, i), mine), null, `cut at ${i}`);
  }
});

answers('an AEAD box opens only with the same key, nonce and additional data', () => {
  const lock = { key: bytes(32), nonce: bytes(24), ad: bytes(3) };
  const box = door.aeadSeal(lock, bytes(5));
  assert.is(toHex(door.aeadOpen(lock, box) as Uint8Array), '0707070707');
  for (const changed of [
    { key: bytes(32).fill(8) },
    { nonce: bytes(24).fill(8) },
    { ad: bytes(4) },
  ])
    assert.is(door.aeadOpen({ ...lock, ...changed }, box), null);
  for (let i = 0; i < box.length; i++) assert.is(door.aeadOpen(lock, box.subarray(0, i)), null);
});

answers('a signing key that is no good point has no exchange key', () => {
  assert.is(door.exchangePublic(new Uint8Array(32)), null);
  assert.is(door.exchangePublic(Uint8Array.of(1, ...new Uint8Array(31))), null);
});

answers('random bytes are given out once, few or many', () => {
  const [seen, counts] = [new Set<string>(), new Array<number>(256).fill(0)];
  for (let round = 0; round < 2_000; round++)
    for (const length of [8, 24, 32, 64, 200, 256, 257, 300]) {
      const bytes = door.randomBytes(length);
      assert.is(bytes.length, length);
      assert.is(bytes.byteLength, bytes.buffer.byteLength, 'nothing of others is behind it');
      for (let at = 0; at + 8 <= length; at += 8) {
        const part = toHex(bytes.subarray(at, at + 8));
        assert.not.ok(seen.has(part), 'twice');
        seen.add(part);
      }
      for (const byte of bytes) counts[byte] = (counts[byte] as number) + 1;
    }
  const mean = counts.reduce((sum, each) => sum + each) / 256;
  for (const each of counts) assert.ok(Math.abs(each - mean) < mean / 10, `${each} of ${mean}`);
  assert.is(door.randomBytes(0).length, 0);
});

answers.run();

const start = suite('sodium: self test');

start('it passes here', () => door.selfTest());

start('it fails for every function that sodium.ts calls and the library lacks', () => {
  const source = readFileSync(new URL('../../src/crypto/sodium.ts', import.meta.url), 'utf8');
  const called = new Set([...source.matchAll(/\bsodium\.(\w+)\(/g)].map((match) => match[1] ?? ''));
  assert.ok(called.size >= 14, 'found the calls');
  for (const name of called) {
    const without: Record<string, unknown> = { ...sodium };
    delete without[name];
    assert.throws(
      () => door.selfTest(without),
      (error: unknown) =>
        error instanceof FleximError &&
        error.code === 'crypto-unavailable' &&
        error.message.includes(`lacks ${name}.`),
      name,
    );
  }
});

start.run();
