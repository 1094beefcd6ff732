// Hex and base64url: round trips, and one canonical text for the same bytes.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  concat,
  fromBase64url,
  fromHex,
  sameBytes,
  toBase64url,
  toHex,
  utf8,
  view,
} from '../../src/lib/bytes.ts';

const test = suite('bytes');
const arrays = fc.uint8Array({ maxLength: 70 }).map((bytes) => new Uint8Array(bytes));

test('hex and base64url there and back', () => {
  fc.assert(
    fc.property(arrays, (bytes) => {
      assert.equal(fromHex(toHex(bytes), bytes.length), bytes);
      assert.equal(fromHex(toHex(bytes).toUpperCase(), bytes.length), bytes);
      assert.equal(fromBase64url(toBase64url(bytes)), bytes);
      assert.is(toHex(bytes), toHex(bytes).toLowerCase());
      assert.not.match(toBase64url(bytes), /[^A-Za-z0-9_-]/);
    }),
  );
});

test('hex of another length or with other characters is null', () => {
  for (const bad of ['0', '000', '00 0', '0g00', '0x00', '000000', '00\n', '  00'])
    assert.is(fromHex(bad, 2), null, bad);
  assert.equal(fromHex('', 0), new Uint8Array(0));
});

test('base64url takes only the canonical text', () => {
  assert.equal(fromBase64url('_-8'), Uint8Array.of(0xff, 0xef));
  for (const bad of ['_-8=', '/+8', '_-9', 'A', 'AAAAA', 'AA AA', 'AAAA\n', 'AB', 'ä'])
    assert.is(fromBase64url(bad), null, bad);
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_=-]{0,9}$/), (text) => {
      const bytes = fromBase64url(text);
      if (bytes) assert.is(toBase64url(bytes), text);
    }),
  );
});

test('a view is the same memory, also inside a larger one', () => {
  const whole = Uint8Array.of(1, 2, 3, 4);
  const part = whole.subarray(1, 3);
  const same = view(part);
  assert.is(same.length, 2);
  same[0] = 9;
  assert.is(whole[1], 9);
  assert.is(toHex(part), '0903');
});

test('concat, sameBytes, utf8', () => {
  fc.assert(
    fc.property(fc.array(arrays, { maxLength: 5 }), (parts) => {
      assert.equal(
        [...concat(...parts)],
        parts.flatMap((part) => [...part]),
      );
    }),
  );
  assert.ok(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  for (const other of [[1], [1, 3], [1, 2, 3]])
    assert.not(sameBytes(Uint8Array.of(1, 2), Uint8Array.from(other)));
  assert.is(toHex(utf8('aß€')), '61c39fe282ac');
});

test.run();
