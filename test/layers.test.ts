// The architecture as a test: who may import whom, and why. docs/ARCHITECTURE.md shows the picture.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const root = resolve(import.meta.dirname, '../src');

/** Folder (or file) → what its files may import of ours, and why no more. The longest match counts. */
const MAY_IMPORT: Readonly<
  Record<string, { readonly from: readonly string[]; readonly why: string }>
> = {
  lib: { from: [], why: 'everything stands on lib/, so lib/ stands on nothing' },
  wire: {
    from: ['lib'],
    why: 'bytes to values is pure: no socket, no key, no store can hide in it',
  },
  crypto: { from: ['lib'], why: 'what is to be reviewed must be readable without the rest' },
  relay: {
    from: ['lib'],
    why: 'routing must not know wires or keys: by construction it cannot read',
  },
  store: { from: ['lib'], why: 'the store keeps values; who seals them hands the functions in' },
  fe1: { from: ['lib', 'crypto', 'wire'], why: 'end-to-end encryption is pure: state and bytes' },
  net: { from: ['lib', 'wire'], why: 'a connection carries frames and knows no protocol' },
  'protocols/protocol.ts': {
    from: ['lib', 'net', 'relay', 'store', 'crypto'],
    why: 'the seam is types only, those of what a protocol may use',
  },
  'protocols/index.ts': { from: ['protocols'], why: 'the registry is a list' },
  'protocols/*': {
    from: ['lib', 'wire', 'net', 'relay', 'store', 'crypto', 'protocols/protocol.ts'],
    why: 'a protocol can be added or removed as one folder: protocols meet at the seam only',
  },
  client: {
    from: ['lib', 'wire', 'crypto', 'fe1', 'store', 'protocols/protocol.ts', 'protocols/index.ts'],
    why: 'the messenger works over any Link, so it may not know one protocol from another',
  },
  keystore: { from: ['lib', 'crypto'], why: 'key files concern keys and disks' },
  'index.ts': {
    from: ['lib', 'client', 'keystore', 'protocols/index.ts'],
    why: 'the library exports what is meant for users and nothing deeper',
  },
  cli: { from: ['*'], why: 'the programs join everything' },
};

/** Package → the only place that may import it, and why. */
const PACKAGES: Readonly<
  Record<string, { readonly in: string | readonly string[]; readonly why: string }>
> = {
  'libsodium-wrappers': {
    in: 'crypto/sodium.ts',
    why: 'it takes strings for keys; one door checks',
  },
  lmdb: { in: 'store/', why: 'the store can be exchanged only if nobody else knows it' },
  'node:module': { in: 'store/environment.ts', why: 'to load lmdb in its form of one file' },
  'node:zlib': {
    in: 'store/',
    why: 'for its checksum; what is compressed tells its content by its size',
  },
  'node:child_process': {
    in: ['store/check.ts', 'cli/porter/door.ts', 'cli/workers/crew.ts'],
    why: 'a program starts others to read a store that may kill its reader, to stand at the door, and to encrypt',
  },
  'node:events': {
    in: 'store/check.ts',
    why: 'to wait for that child; others have their own events',
  },
  'node:url': {
    in: ['store/check.ts', 'cli/porter/door.ts', 'cli/workers/crew.ts'],
    why: 'to find the programs of these children',
  },
  '@msgpack/msgpack': { in: 'wire/msgpack.ts', why: 'its limits are not ours; one door checks' },
  pino: { in: 'cli/', why: 'a library must not decide how its user logs' },
  yargs: { in: 'cli/', why: 'options are for programs' },
  'get-east-asian-width': { in: 'cli/', why: 'columns of a terminal concern programs alone' },
  'smol-toml': { in: 'cli/', why: 'settings files are for programs' },
  'node:net': { in: 'net/', why: 'sockets are opened in one folder, behind Channel' },
  'node:v8': { in: 'cli/young.ts', why: 'the heap is of the whole process, and the program’s' },
  'node:tty': { in: 'cli/', why: 'terminals belong to the programs' },
  'node:dns/promises': { in: 'cli/doctor/', why: 'who connects leaves names to the system' },
  'node:readline': { in: 'cli/', why: 'lines of stdin are for programs' },
  'node:readline/promises': { in: 'cli/', why: 'terminals belong to the programs' },
};

/** Programs outside cli/, which speak and end by themselves, and why. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'store/walk.ts':
    'the child that checks a store: it reports to its parent and may die of what it reads',
};

const ANYWHERE = /^node:(buffer|crypto|fs|os|path|util|timers\/promises)$/;

interface Import {
  readonly file: string; // relative to src
  readonly target: string; // relative to src, or the package
  readonly own: boolean;
  readonly typeOnly: boolean;
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .sort();

function code(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** The source without comments and texts, so that only code is looked at. */
function bare(file: string): string {
  return code(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:'"`])\/\/.*$/gm, '$1')
    .replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''");
}

function importsOf(file: string): Import[] {
  const source = code(file);
  const statements = [
    ...source.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm),
    ...source.matchAll(/()\bimport\(\s*'([^']+)'\s*\)/g),
  ];
  return statements.map(([, type, specifier = '']) => {
    const own = specifier.startsWith('.');
    const target = own ? relative(root, resolve(root, dirname(file), specifier)) : specifier;
    return { file, target, own, typeOnly: Boolean(type) };
  });
}

const imports = files.flatMap(importsOf);

function ruleOf(file: string) {
  const folder =
    file.startsWith('protocols/') && !MAY_IMPORT[file] ? 'protocols/*' : file.split('/')[0];
  const rule = MAY_IMPORT[file] ?? MAY_IMPORT[folder as string];
  assert.ok(rule, `${file}: no rule for this place; add one to MAY_IMPORT with its reason`);
  return rule as { from: readonly string[]; why: string };
}

const test = suite('layers');

test('every import of our own is allowed', () => {
  for (const { file, target, own } of imports) {
    if (!own) continue;
    assert.ok(existsSync(join(root, target)), `${file} imports ${target}, which is not there`);
    const { from, why } = ruleOf(file);
    const home = dirname(file);
    const sameFolder = home !== '.' && (dirname(target) === home || target.startsWith(`${home}/`));
    const sameCli = file.startsWith('cli/') && target.startsWith('cli/');
    const allowed = from.some(
      (each) => each === '*' || target === each || target.startsWith(`${each}/`),
    );
    const ok = sameFolder || sameCli || allowed;
    assert.ok(ok, `${file} must not import ${target}: ${why}`);
  }
});

test('one protocol does not import another', () => {
  for (const { file, target, own } of imports) {
    const from = /^protocols\/(\w+)\//.exec(file)?.[1];
    const to = own ? /^protocols\/(\w+)\//.exec(target)?.[1] : undefined;
    assert.ok(!from || !to || from === to, `${file} imports ${target}: protocols meet at the seam`);
  }
});

test('nobody imports cli/ or index.ts', () => {
  for (const { file, target, own } of imports)
    assert.ok(
      !own || file.startsWith('cli/') || (!target.startsWith('cli/') && target !== 'index.ts'),
      `${file} must not import ${target}: programs and the public face stand on top`,
    );
});

test('packages are imported at their one door', () => {
  for (const { file, target, own } of imports) {
    if (own || ANYWHERE.test(target)) continue;
    const rule = PACKAGES[target];
    assert.ok(rule, `${file} imports ${target}: new here; add it to PACKAGES with its reason`);
    const places = [rule?.in ?? []].flat();
    const fits = places.some((place) => file.startsWith(place));
    assert.ok(fits, `${file} must not import ${target}: ${rule?.why}`);
  }
});

test('process and console are for cli/ alone', () => {
  for (const file of files) {
    if (file.startsWith('cli/') || PROGRAMS[file]) continue;
    const found = /\b(process|console)\s*[.[?]/.exec(bare(file));
    assert.ok(!found, `${file} uses ${found?.[1]}: a library must not speak or end by itself`);
  }
});

test('programs outside cli/ are imported by nobody', () => {
  for (const { file, target } of imports)
    assert.ok(!PROGRAMS[target], `${file} must not import ${target}: it is a program of its own`);
});

test('the seam is types only', () => {
  for (const each of imports)
    if (each.file === 'protocols/protocol.ts')
      assert.ok(each.typeOnly, `protocol.ts imports code from ${each.target}`);
});

/** Everything a file loads, static and dynamic; types are gone at run time. */
function reachable(entry: string): Set<string> {
  const seen = new Set<string>();
  const walk = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { target, own, typeOnly } of importsOf(file)) if (own && !typeOnly) walk(target);
  };
  walk(entry);
  return seen;
}

test('the relay cannot read: neither fe1/ nor client/ is reachable from its entry', () => {
  const loaded = [...reachable('cli/relay.ts')];
  assert.ok(loaded.includes('relay/router.ts'), 'the walk did not get far');
  const found = loaded.filter((file) => /^(fe1|client)\//.test(file));
  assert.equal(found, [], 'a server that loads this code could open an envelope');
});

test('the porter knows no store and no identity: what strangers can reach first has little to give', () => {
  const loaded = [...reachable('cli/porter/porter.ts')];
  assert.ok(loaded.includes('relay/doors.ts'), 'the walk did not get far');
  const found = loaded.filter((file) => /^(keystore|store|fe1|client)\//.test(file));
  assert.equal(found, []);
  const served = loaded.filter((file) => /^protocols\/flexim\/(server|visitor|member)/.test(file));
  assert.equal(served, [], "members are the relay's");
});

test('a worker knows no store, no key file and no logins: it has streams, and passes on what is in them', () => {
  const loaded = [...reachable('cli/workers/worker.ts')];
  assert.ok(loaded.includes('protocols/commstream/server.ts'), 'the walk did not get far');
  assert.equal(
    loaded.filter((file) => /^(keystore|store|fe1|client)\//.test(file)),
    [],
  );
  const served = loaded.filter((file) => /^protocols\/flexim\/(server|visitor|lobby)/.test(file));
  assert.equal(served, [], "members are the relay's");
});

test('servers and the routing core stay away from end-to-end code', () => {
  for (const { file, target, own } of imports) {
    const server = /^(relay|net)\//.test(file) || file.endsWith('/server.ts');
    assert.ok(!own || !server || !target.startsWith('fe1/'), `${file} must not import ${target}`);
  }
});

test('there is no cycle', () => {
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file);
    assert.ok(at < 0, `a cycle: ${[...path.slice(at), file].join(' → ')}`);
    if (done.has(file)) return;
    for (const { target, own } of importsOf(file)) if (own) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) walk(file, []);
});

test('bin/ is launchers over dist/', () => {
  const bin = join(root, '../bin');
  for (const name of readdirSync(bin)) {
    const lines = readFileSync(join(bin, name), 'utf8').split('\n').length;
    assert.ok(lines < 30, `bin/${name} has ${lines} lines; logic belongs into src/cli`);
  }
});

test.run();
