// Aliases: the rule of 1 to 32 characters, no mixed scripts, and one folded form for equal names.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { aliasProblem, foldAlias, MAX_ALIAS_CHARACTERS } from '../../src/lib/alias.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { count } from '../count.ts';
import { anyText } from '../texts.ts';

const test = suite('aliases');

test('letters, marks, digits and . _ - are taken', () => {
  for (const good of ['a', 'Alice', 'müller', 'e\u0301', 'Ольга', 'Νίκος', '花子', 'a.b_c-9', '٣'])
    assert.is(aliasProblem(good), null, good);
});

test('length counts characters, not UTF-16 units, before and after folding', () => {
  const wide = '\u{20000}'; // one character, two units
  assert.is(aliasProblem(wide.repeat(MAX_ALIAS_CHARACTERS)), null);
  assert.match(aliasProblem(wide.repeat(MAX_ALIAS_CHARACTERS + 1)) ?? '', /33 characters/);
  assert.match(aliasProblem('') ?? '', /0 characters/);
  assert.match(aliasProblem('\ufb03'.repeat(11)) ?? '', /33 characters/); // ffi as one letter
});

test('everything else is refused', () => {
  const bad = [
    'a b',
    'a/live',
    'a@b',
    'a\n',
    '\u001b',
    'a\u200db',
    'a\u202eb',
    '😀',
    '\ud800',
    'a:b',
    '½',
  ];
  for (const alias of bad)
    assert.is(aliasProblem(alias), 'only letters, digits and . _ - are allowed', alias);
});

test('Latin, Greek and Cyrillic are not mixed; other scripts may be', () => {
  for (const mixed of ['pаypal', 'αlpha', 'Яα', 'pa\u0443'])
    assert.match(aliasProblem(mixed) ?? '', /not mixed/, mixed);
  for (const fine of ['tanaka花子', 'a9', 'я9', 'α_1']) assert.is(aliasProblem(fine), null, fine);
});

test('one folded form: case, width, composition', () => {
  assert.is(foldAlias('ALICE'), 'alice');
  assert.is(foldAlias('\uff21lice'), 'alice');
  assert.is(foldAlias('e\u0301'), foldAlias('\u00c9'));
  assert.is(foldAlias('\ufb01n'), 'fin');
  assert.throws(
    () => foldAlias('a b'),
    (error: Error) => isFleximError(error, 'alias-invalid') && /letters/.test(error.message),
  );
});

const RUNS = count(600, 3000);
test('the folded form of an alias is an alias and folds to itself', () => {
  const letters = anyText({ minLength: 1, maxLength: 4 });
  let good = 0;
  fc.assert(
    fc.property(letters, (alias) => {
      if (aliasProblem(alias)) return;
      good++;
      const folded = foldAlias(alias);
      assert.is(aliasProblem(folded), null);
      assert.is(foldAlias(folded), folded);
    }),
    { numRuns: RUNS },
  );
  assert.ok(good > RUNS / 30, `only ${good} aliases among them`);
});

test.run();
