// docs/operations.md against the code: every option with its default, what SIGHUP changes, every reason.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LIMITS } from '../src/cli/limits.ts';
import { shownDefault } from '../src/cli/options.ts';
import { ALL_OPTIONS } from '../src/cli/relay.ts';
import { DROP_REASONS } from '../src/relay/drops.ts';

const document = readFileSync(join(import.meta.dirname, '../docs/operations.md'), 'utf8');

/** The cells of all table rows whose first cell is code, in the parts under these headings. */
function rows(...headings: readonly string[]): string[][] {
  const parts = document
    .split(/^## /m)
    .filter((part) => headings.some((each) => part.startsWith(each)));
  assert.is(parts.length, headings.length, headings.join());
  return [...parts.join('\n').matchAll(/^\| `(.*) \|$/gm)].map(([, row = '']) =>
    `\`${row}`.split(' | ').map((cell) => cell.trim()),
  );
}

const bare = (text: string) => text.replaceAll('`', '');

const test = suite('docs/operations.md');

test('lists every option with its default, and no other', () => {
  const listed = rows('Options', 'Limits').map(([option = '', value]) => [bare(option), value]);
  const real = Object.entries(ALL_OPTIONS).map(([name, option]) => [
    `--${name}`,
    option.default === undefined ? '–' : shownDefault(option),
  ]);
  assert.equal(listed.sort(), real.sort());
});

test('says of every limit whether SIGHUP changes it', () => {
  const listed = rows('Limits').map(([option = '', , live]) => [bare(option), live]);
  const real = Object.values(LIMITS).map(({ option, live }) => [
    `--${option}`,
    live ? 'yes' : 'no',
  ]);
  assert.equal(listed.sort(), real.sort());
});

test('lists every drop reason, in order; the limits that it names exist', () => {
  const listed = rows('Why it drops');
  assert.equal(
    listed.map(([reason = '']) => bare(reason)),
    [...DROP_REASONS],
  );
  for (const [option = ''] of document.match(/(?<=`)--[a-z-]+(?=[ `])/g)?.map((each) => [each]) ??
    [])
    assert.ok(Object.hasOwn({ ...ALL_OPTIONS, config: null }, option.slice(2)), option);
});

test.run();
