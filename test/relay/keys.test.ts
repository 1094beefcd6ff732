// KeyMap against a Map: random histories over few keys, so that they meet, leave and come back.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEY_TEXT, KeyMap } from '../../src/relay/keys.ts';
import { count } from '../count.ts';

const test = suite('key map');

// Alike in what is hashed, and not: the former are all in one chain.
const keys = Array.from({ length: 48 }, (_, n) => {
  const digits = n.toString(16).padStart(4, '0');
  return n % 2 === 0 ? 'ab'.repeat(30) + digits : digits + 'cd'.repeat(30);
});

/** As it lies in a frame: at an odd place, between other bytes. */
function look<T>(map: KeyMap<T>, key: string): T | null {
  const bytes = Buffer.from(`...${key}...`);
  return map.at(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 3);
}

const step = fc.record({
  key: fc.constantFrom(...keys),
  do: fc.constantFrom('set' as const, 'set' as const, 'delete' as const),
});

test('does what a Map does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const [map, twin] = [new KeyMap<number>(), new Map<string, number>()];
      for (const [n, { key, do: what }] of steps.entries()) {
        if (what === 'set') {
          map.set(key, n);
          twin.set(key, n);
        } else {
          map.delete(key);
          twin.delete(key);
        }
        assert.is(map.size, twin.size);
      }
      for (const key of keys) assert.is(look(map, key), twin.get(key) ?? null);
    }),
    { seed: 20_261_128, numRuns: count(40, 600) },
  );
});

test('many keys are found, and none that differs in one digit', () => {
  const map = new KeyMap<number>();
  const many = Array.from({ length: 1_500 }, (_, n) =>
    (n * 2_654_435_761).toString(16).padStart(KEY_TEXT, '0'),
  );
  for (const [n, key] of many.entries()) map.set(key, n);
  for (const [n, key] of many.entries()) assert.is(look(map, key), n);
  const [first = ''] = many.slice(77);
  for (let at = 0; at < KEY_TEXT; at++) {
    const other = `${first.slice(0, at)}x${first.slice(at + 1)}`;
    assert.is(look(map, other), null, `digit ${at}`);
  }
});

test('a key that is none is refused', () => {
  assert.throws(() => new KeyMap<number>().set('ab', 1), /64 hex digits/);
});

test.run();
