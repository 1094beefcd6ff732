// docs/errors.md against the code: every code, exit number, status and drop reason, and nothing else.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT } from '../src/cli/exit.ts';
import { ERROR_CODES } from '../src/lib/errors.ts';
import { STATUS } from '../src/protocols/flexim/status.ts';
import { DROP_REASONS } from '../src/relay/drops.ts';

const document = readFileSync(join(import.meta.dirname, '../docs/errors.md'), 'utf8');

/** The cells of the table rows under a heading whose first cell is code. */
function rows(heading: string): string[][] {
  const part = document.split(/^## /m).find((each) => each.startsWith(heading)) ?? '';
  return [...part.matchAll(/^\| `(.*)$/gm)].map(([, row = '']) =>
    `\`${row}`.split('|').map((cell) => cell.trim().replaceAll('`', '')),
  );
}

const test = suite('docs/errors.md');

test('lists every error code with its exit code, in order', () => {
  const listed = rows('Codes').map(([code, exit]) => [code, Number(exit)]);
  assert.equal(
    listed,
    ERROR_CODES.map((code) => [code, EXIT[code]]),
  );
  assert.equal([...ERROR_CODES], [...ERROR_CODES].sort());
});

test('says for each what happened and what to do', () => {
  for (const [code, , what = '', remedy = ''] of rows('Codes'))
    assert.ok(what.length > 15 && remedy.length > 5, `${code} is not explained`);
});

test('each way in which a key file fails has an exit code of its own', () => {
  const ways = ['key-exposed', 'key-damaged', 'passphrase-wrong', 'key-version'] as const;
  assert.is(new Set(ways.map((code) => EXIT[code])).size, ways.length);
});

test('lists the status codes', () => {
  const listed = rows('Status codes').map(([name, code]) => [name, Number(code)]);
  assert.equal(Object.fromEntries(listed), { ...STATUS });
});

test('lists the drop reasons', () => {
  assert.equal(
    rows('Why a relay drops').map(([reason]) => reason),
    [...DROP_REASONS],
  );
});

test.run();
