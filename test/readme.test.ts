// What the README promises to a user of the library, run as it stands there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryDirectory, withRelay } from './relay.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

const test = suite('README.md');

test('its library example runs against a relay and prints what it sent', () =>
  withRelay(async ({ port }) => {
    const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? '';
    assert.ok(example.includes("from 'flexim'"), 'there is an example');
    const here = example.replaceAll('4321', String(port));
    assert.is.not(here, example);
    // As a module of the package itself, so that 'flexim' is what is published. It is TypeScript
    // that happens to need no compiler once its annotations are gone.
    const data = temporaryDirectory();
    const script = here
      .replaceAll(/: string\b|: Uint8Array\b|<string, string>/g, '')
      .replace('data/', `${data}/`);
    const args = ['--input-type=module', '--eval', script];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes) => {
        output += bytes;
      });
    const [code] = await once(child, 'close');
    assert.is(output, 'hello bob\n');
    assert.is(code, 0);
    rmSync(data, { recursive: true });
  }));

test('every file it links to is there', () => {
  for (const [, path = ''] of readme.matchAll(/\]\((?!http)([^)#]+)\)/g))
    if (!path.endsWith('/')) assert.ok(readFileSync(join(root, path)).length > 0, path);
});

test.run();
