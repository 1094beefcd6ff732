// The bundles of dist/programs/, which bin/ starts: what went into each is seen by the comment above its code.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('programs');
const place = join(import.meta.dirname, '../dist/programs');
if (!existsSync(place))
  throw new Error('these tests look at what npm run build makes: run that first');

/** All that a program loads, now or later, as one text. */
function textOf(program: string): string {
  const seen = new Map<string, string>();
  const walk = (file: string) => {
    if (seen.has(file)) return;
    const text = readFileSync(join(place, file), 'utf8');
    seen.set(file, text);
    for (const [, , other] of text.matchAll(/(from |import |import\()"\.\/([^"]+)"/g))
      walk(other as string);
  };
  walk(program);
  return [...seen.values()].join('\n');
}

const modulesIn = (program: string) =>
  new Set(
    [...textOf(program).matchAll(/^ *\/\/ dist\/(\S+)$/gm)].map(([, file]) => file as string),
  );

test('the relay has no code in it that could open an envelope, nor porter and workers a store', () => {
  const relay = modulesIn('relay.js');
  assert.ok(relay.has('relay/router.js') && relay.has('cli/db.js'), 'the walk did not get far');
  assert.equal(
    [...relay].filter((file) => /^(fe1|client)\//.test(file)),
    [],
  );
  for (const [program, part] of [
    ['porter.js', 'relay/doors.js'],
    ['worker.js', 'net/branches.js'],
  ] as const) {
    const modules = modulesIn(program);
    assert.ok(modules.has(part));
    assert.equal(
      [...modules].filter((file) => /^(keystore|store|fe1|client)\//.test(file)),
      [],
    );
  }
});

test('a program has each module once, and finds its children beside it', () => {
  for (const program of ['flexim.js', 'relay.js']) {
    const text = textOf(program);
    for (const once of ['var FleximError = class', 'async function checkStore('])
      assert.is(text.split(once).length, 2, `${program}: ${once}`);
    assert.match(text, /new URL\(`\.\/walk\$\{/);
  }
  for (const child of ['porter', 'worker'])
    assert.match(textOf('relay.js'), new RegExp(`new URL\\(\`\\./${child}\\$\\{`));
  for (const child of ['walk.js', 'porter.js', 'worker.js'])
    assert.ok(existsSync(join(place, child)));
});

test('what is not plain JavaScript stays outside; whose code is inside is named', () => {
  const text = textOf('flexim.js');
  for (const name of ['libsodium-wrappers', 'yargs']) assert.match(text, new RegExp(`"${name}"`));
  assert.match(text, /\("lmdb"\)/);
  const named = readFileSync(join(place, 'LICENSES.txt'), 'utf8');
  const inside = [
    ...`${text}${textOf('relay.js')}`.matchAll(/^ *\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm),
  ];
  assert.ok(inside.length > 5);
  for (const [, name] of inside) assert.ok(named.includes(`${name} `), name);
});

test.run();
