// measure and skip against their slow twin; what decode takes, gives and refuses.

import { Encoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFleximError } from '../../src/lib/errors.ts';
import { decode, encode, int64, MAX_DEPTH, measure, skip } from '../../src/wire/msgpack.ts';
import { count } from '../count.ts';
import { slowMeasure } from './slow-msgpack.ts';

const RUNS = count(500, 4000);
const test = suite('msgpack');
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function refuses(bytes: Uint8Array, how: RegExp, parse: (bytes: Uint8Array) => unknown = decode) {
  assert.throws(
    () => parse(bytes),
    (error: Error) => isFleximError(error, 'malformed') && how.test(error.message),
  );
}

function endOf(work: () => number): number | null {
  try {
    return work();
  } catch (error) {
    if (isFleximError(error, 'malformed')) return null;
    throw error;
  }
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const bin = fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes));
const values = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(
      null,
      true,
      false,
      0,
      -1,
      127,
      128,
      255,
      256,
      65535,
      65536,
      2 ** 32,
      -(2 ** 33),
    ),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).map((n) => n + 0), // one zero: -0 is not kept as an integer
    text,
    fc.string({ minLength: 250, maxLength: 270 }),
    bin,
  ),
  list: fc.array(tie('any'), { maxLength: 20 }),
  map: fc
    .dictionary(
      text.filter((key) => key !== '__proto__'),
      tie('any'),
      { maxKeys: 20 },
    )
    .map((map) => ({ ...map })),
  any: fc.oneof({ maxDepth: 5, withCrossShrink: true }, tie('leaf'), tie('list'), tie('map')),
})).any;

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(values, (value) => {
      const bytes = encode(value).slice();
      assert.equal(decode(bytes), value);
      assert.is(measure(bytes, 0, bytes.length), bytes.length);
    }),
    { numRuns: count(100, 500) },
  );
});

const mutated = fc
  .tuple(values, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
  .map(([value, changes, cut]) => {
    const bytes = encode(value).slice();
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
  });
// Heads with lengths are rare among random bytes and short lengths rarer, so both are drawn often.
const wild = fc
  .array(
    fc.oneof(
      fc.nat(255),
      fc.integer({ min: 0xc0, max: 0xdf }),
      fc.integer({ min: 0x81, max: 0x92 }),
      fc.constant(0),
      fc.constant(1),
    ),
    { maxLength: 60 },
  )
  .map((bytes) => Uint8Array.from(bytes));

test('measure and skip end where the twin ends, on good, changed and random bytes', () => {
  const seen = { good: 0, bad: 0 };
  fc.assert(
    fc.property(fc.oneof(mutated, wild), fc.nat(5), (bytes, start) => {
      for (const [walk, strict] of [[measure, true] as const, [skip, false] as const]) {
        const expected = slowMeasure(bytes, start, strict);
        assert.is(
          endOf(() => walk(bytes, start, bytes.length)),
          expected,
          hexOf(bytes),
        );
        seen[expected === null ? 'bad' : 'good']++;
      }
    }),
    { numRuns: RUNS },
  );
  assert.ok(seen.good > RUNS / 8 && seen.bad > RUNS / 8, JSON.stringify(seen));
});

test('every head byte, followed by none to 40 bytes', () => {
  for (let head = 0; head < 256; head++)
    for (let length = 0; length <= 40; length++)
      for (const fill of [0, 1, 2, 0x20]) {
        const bytes = new Uint8Array(1 + length).fill(fill);
        bytes[0] = head;
        const end = endOf(() => measure(bytes, 0, bytes.length));
        assert.is(end, slowMeasure(bytes, 0, true), hexOf(bytes));
      }
});

test('the end given is the end, not that of the memory', () => {
  const bytes = hex('93 01 02 a3 61 62 63');
  for (let end = 0; end < bytes.length; end++) {
    assert.is(
      endOf(() => measure(bytes, 0, end)),
      null,
    );
    refuses(bytes.subarray(0, end), /./);
  }
  assert.is(measure(bytes, 3, 7), 7);
});

test('whatever measure takes, decode decodes or calls malformed', () => {
  fc.assert(
    fc.property(fc.oneof(mutated, wild), (bytes) => {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(isFleximError(error, 'malformed'), String(error));
      }
    }),
    { numRuns: RUNS },
  );
});

const nested = (depth: number, open: string) => hex(`${open.repeat(depth)}c0`);
test(`depth ${MAX_DEPTH} is taken, one more refused, in lists and maps`, () => {
  assert.is(MAX_DEPTH, 16);
  for (const open of ['91', 'dc0001', 'dd00000001', '81c0', 'de0001c0', 'df00000001c0']) {
    decode(nested(16, open));
    refuses(nested(17, open), /deeper than 16/);
    refuses(nested(5000, open), /deeper than 16/);
  }
  refuses(hex(`${'91'.repeat(16)}90`), /deeper/);
  decode(hex(`93 ${'91'.repeat(15)}01 ${'91'.repeat(15)}02 ${'91'.repeat(15)}03`)); // depth goes back
  let deep: unknown = 1;
  for (let i = 0; i < 16; i++) deep = [deep];
  assert.equal(decode(encode(deep).slice()), deep);
  assert.throws(() => encode([deep]));
});

test('trailing bytes and the byte that is no msgpack', () => {
  refuses(hex('01 02'), /1 bytes behind/);
  refuses(hex('90 c0 c0'), /2 bytes behind/);
  refuses(hex('c1'), /0xc1/);
  refuses(hex(''), /end inside a value/);
  refuses(hex('da 00'), /end inside a length/);
});

const hostile = ['dd ffffffff', 'df ffffffff', 'dc ffff', 'de ffff', '8f', '9f', 'c6 ffffffff'];
hostile.push('c9 ffffffff', 'db ffffffff', 'd9 ff', 'c4 ff', 'dd 00ffffff', 'df 00ffffff');
for (const head of hostile)
  test(`a length past the end is refused before memory is spent: ${head}`, () => {
    const bytes = hex(`${head} 01 01`);
    const before = process.memoryUsage();
    for (let i = 0; i < 10; i++)
      for (const parse of [decode, (b: Uint8Array) => measure(b, 0, b.length)])
        refuses(bytes, /more values than bytes|past the end/, parse);
    const after = process.memoryUsage();
    const spent = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    assert.ok(spent < 16 * 1024 * 1024, `spent ${spent}`);
  });

test('__proto__ and keys that are no strings never reach a prototype or shadow a field', () => {
  // A bin that spells __proto__, a number, a list and a map as keys.
  const odd = hex('85 c4095f5f70726f746f5f5f 81a16101  07 02  91 01 03  80 04  a161 05');
  const value = decode(odd) as Record<string, unknown>;
  assert.is(Object.getPrototypeOf(value), Object.prototype);
  assert.equal(Object.keys(value).sort(), ['', 'a']);
  assert.is(value.a, 5);
  refuses(hex('81 a95f5f70726f746f5f5f 81a16101'), /__proto__/);
  assert.not('a' in {});
});

test('int64 is nine bytes for every number', () => {
  assert.is(hexOf(int64(0)), 'd30000000000000000');
  assert.is(hexOf(int64(1)), 'd30000000000000001');
  assert.is(hexOf(int64(-2)), 'd3fffffffffffffffe');
  assert.is(hexOf(int64(1539890190)), 'd3000000005bc8dc0e');
  assert.is(hexOf(int64(Number.MAX_SAFE_INTEGER)), 'd3001fffffffffffff');
  for (const n of [0, -1, 2 ** 40, -(2 ** 40)]) assert.is(decode(int64(n)), n);
});

test('integers past 32 bits are written as integers, as readers of i64 need', () => {
  assert.is(hexOf(encode(2 ** 40)), 'cf0000010000000000');
  assert.is(hexOf(encode(-(2 ** 40))), 'd3ffffff0000000000');
});

test('texts that are not UTF-8 are malformed to measure and decode, not to skip', () => {
  for (const bad of ['a1 ff', 'a2 c0 80', 'a3 ed a0 80', 'd902 61 80', '91 a1 c3', '81 a1 80 01']) {
    refuses(hex(bad), /UTF-8/);
    refuses(hex(bad), /UTF-8/, (bytes) => measure(bytes, 0, bytes.length));
    assert.is(skip(hex(bad), 0, hex(bad).length), hex(bad).length);
  }
  assert.equal(decode(hex('c4 01 ff')), Uint8Array.of(255));
});

test('undefined fields are left out; extensions with a broken timestamp are malformed', () => {
  assert.is(hexOf(encode({ a: 1, b: undefined })), '81a16101');
  refuses(hex('c7 01 ff 00'), /./);
  assert.ok(
    new Encoder().encode(new Date(0)).length > 0 && decode(hex('d6 ff 00000000')) instanceof Date,
  );
});

test.run();
