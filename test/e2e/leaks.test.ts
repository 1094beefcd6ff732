// What is searched for is found, in each form and at each place.

import { randomBytes } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { search } from './leaks.ts';

const test = suite('e2e leaks');
const WORD = 'Marzipan4821';

const WRITTEN: Readonly<Record<string, (text: string) => Buffer>> = {
  text: (text) => Buffer.from(text),
  hex: (text) => Buffer.from(Buffer.from(text).toString('hex')),
  HEX: (text) => Buffer.from(Buffer.from(text).toString('hex').toUpperCase()),
  'UTF-16LE': (text) => Buffer.from(text, 'utf16le'),
  'UTF-16BE': (text) => Buffer.from(text, 'utf16le').swap16(),
  base64: (text) => Buffer.from(Buffer.from(text).toString('base64')),
  base64url: (text) => Buffer.from(Buffer.from(text).toString('base64url')),
};

test('in every form, wherever it stands in a text, among random bytes', () => {
  for (const [form, write] of Object.entries(WRITTEN))
    for (const before of ['', 'a', 'ab', 'abc', 'Ü'])
      for (const after of ['', '?', '??', '???']) {
        const written = write(before + WORD + after);
        const bytes = Buffer.concat([randomBytes(3000), written, randomBytes(300)]);
        const found = search(bytes, WORD).map((each) => each.form);
        assert.ok(
          found.some((each) => each.startsWith(form)),
          `${form} of '${before}${WORD}${after}': ${found.join() || 'nothing'}`,
        );
      }
});

test('not where it is not', () => {
  assert.equal(search(randomBytes(1_000_000), WORD), []);
  assert.equal(search(Buffer.from('Marzipan482 1'), WORD), []);
});

test.run();
