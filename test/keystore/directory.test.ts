// Which directory holds the keys, and which is refused.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findKeysDirectory, MARKER, privateDirectory } from '../../src/keystore/directory.ts';
import { fails, isRoot, modeOf, STRANGER, startChild, withFolder } from './tools.ts';

/** A working directory with a marked ./keys in it. */
function checkout(folder: string): string {
  const keys = join(folder, 'keys');
  mkdirSync(keys, { mode: 0o755 });
  writeFileSync(join(keys, MARKER), 'marker\n');
  return keys;
}

const order = suite('keys directory: order');

order(
  '--keys, then FLEXIM_KEYS, then marked ./keys, then the data directory',
  withFolder((cwd) => {
    const dataHome = join(cwd, 'data');
    const keys = checkout(cwd);
    const [a, b] = [join(cwd, 'a'), join(cwd, 'b')];
    const find = (flag?: string | null, env?: string | null) =>
      findKeysDirectory({ flag, env, cwd, dataHome });
    assert.equal(find(a, b), { path: a, why: '--keys' });
    assert.equal(find('a', b), { path: a, why: '--keys' });
    assert.equal(find(null, b), { path: b, why: 'FLEXIM_KEYS' });
    assert.equal(find(undefined, 'b'), { path: b, why: 'FLEXIM_KEYS' });
    assert.equal(find(null, ''), { path: keys, why: './keys' });
    renameSync(join(keys, MARKER), join(keys, 'other'));
    const path = join(dataHome, 'flexim', 'keys');
    assert.equal(find(), { path, why: 'data directory' });
    for (const made of [a, b, dataHome, join(dataHome, 'flexim'), path])
      assert.is(modeOf(made), '700', made);
  }),
);

order(
  'the marked ./keys and the data directory are tightened, a named one is left as it is',
  withFolder((cwd) => {
    const keys = checkout(cwd);
    chmodSync(keys, 0o775);
    findKeysDirectory({ cwd, dataHome: cwd });
    assert.is(modeOf(keys), '700');

    const path = join(cwd, 'flexim', 'keys');
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o777);
    findKeysDirectory({ cwd: '/', dataHome: cwd });
    assert.is(modeOf(path), '700');

    const named = join(cwd, 'named');
    mkdirSync(named);
    chmodSync(named, 0o755);
    findKeysDirectory({ flag: named, cwd, dataHome: cwd });
    assert.is(modeOf(named), '755');
  }),
);

order(
  './keys is passed over when it is a link, a file, not marked, or of somebody else',
  withFolder((cwd) => {
    const dataHome = join(cwd, 'data');
    const why = () => findKeysDirectory({ cwd, dataHome }).why;
    const keys = join(cwd, 'keys');
    assert.is(why(), 'data directory', 'absent');
    writeFileSync(keys, 'a file');
    assert.is(why(), 'data directory', 'a file');
    renameSync(keys, join(cwd, 'file'));

    checkout(cwd);
    assert.is(why(), './keys');
    renameSync(keys, join(cwd, 'elsewhere'));
    symlinkSync('elsewhere', keys);
    assert.is(why(), 'data directory', 'a link');
    renameSync(keys, join(cwd, 'link'));
    renameSync(join(cwd, 'elsewhere'), keys);

    renameSync(join(keys, MARKER), join(cwd, 'marker'));
    symlinkSync('../marker', join(keys, MARKER));
    assert.is(why(), 'data directory', 'the marker is a link');
    renameSync(join(cwd, 'marker'), join(keys, MARKER));
    assert.is(why(), './keys');

    if (!isRoot) return;
    chmodSync(keys, 0o755);
    chownSync(keys, STRANGER, STRANGER);
    assert.is(why(), 'data directory', 'of somebody else');
    assert.is(modeOf(keys), '755', 'and not touched');
  }),
);

order('the checkout ships the marker, and git ignores everything else there', () => {
  const shipped = (name: string) =>
    readFileSync(new URL(`../../keys/${name}`, import.meta.url), 'utf8');
  assert.match(shipped(MARKER), /^.+\n$/);
  assert.ok(shipped('README.md').includes(MARKER));
  const kept = ['*', '!.gitignore', `!${MARKER}`, '!README.md', ''];
  assert.equal(shipped('.gitignore').split('\n'), kept);
});

order.run();

const refused = suite('keys directory: refused');

refused(
  'a named directory that others can write to, unless it is sticky',
  withFolder(async (cwd) => {
    const path = join(cwd, "it's");
    mkdirSync(path);
    for (const mode of [0o720, 0o702, 0o777, 0o2775]) {
      chmodSync(path, mode);
      for (const how of [{ flag: path }, { env: path }])
        await fails(
          () => findKeysDirectory({ ...how, cwd, dataHome: cwd }),
          'key-exposed',
          path,
          `chmod go-w '${cwd}/it'\\''s'`,
        );
      assert.is(modeOf(path), mode.toString(8), 'and not touched');
    }
    for (const mode of [0o755, 0o700, 0o1777, 0o500]) {
      chmodSync(path, mode);
      assert.is(findKeysDirectory({ flag: path, cwd, dataHome: cwd }).path, path);
    }
  }),
);

refused(
  'a directory of somebody else',
  withFolder(async (cwd) => {
    if (!isRoot) return;
    const path = join(cwd, 'flexim', 'keys');
    mkdirSync(path, { recursive: true });
    chownSync(path, STRANGER, STRANGER);
    const words = [path, `user ${STRANGER}`, '--keys'];
    await fails(
      () => findKeysDirectory({ flag: path, cwd, dataHome: cwd }),
      'key-exposed',
      ...words,
    );
    await fails(() => findKeysDirectory({ cwd, dataHome: cwd }), 'key-exposed', ...words);
    await fails(() => privateDirectory(path), 'key-exposed', ...words);
  }),
);

refused(
  'what is no directory, cannot be made, or is not named',
  withFolder(async (cwd) => {
    const file = join(cwd, 'file');
    writeFileSync(file, '');
    const dangling = join(cwd, 'dangling');
    symlinkSync('nowhere', dangling);
    for (const flag of [file, join(file, 'below'), dangling])
      await fails(
        () => findKeysDirectory({ flag, cwd, dataHome: cwd }),
        'keys-directory',
        flag,
        '--keys',
      );
    await fails(
      () => findKeysDirectory({ flag: '', cwd, dataHome: cwd }),
      'keys-directory',
      '--keys',
    );
    await fails(
      () => findKeysDirectory({ cwd, dataHome: 'relative' }),
      'keys-directory',
      'absolute',
      'XDG_DATA_HOME',
    );
  }),
);

refused(
  'one that this user may not read; one of root is fine',
  withFolder(async (folder) => {
    if (!isRoot) return;
    chmodSync(folder, 0o755);
    const path = join(folder, 'named');
    mkdirSync(path, { mode: 0o755 });
    const open = startChild(['named', path], { uid: STRANGER });
    assert.is(await open.line(), '--keys');
    await open.ended;
    for (const mode of [0o711, 0o744]) {
      chmodSync(path, mode);
      const shut = startChild(['named', path], { uid: STRANGER });
      assert.match(await shut.line(), /^keys-directory .*named.*may not read it \(EACCES\)/);
      await shut.ended;
    }
  }),
);

refused('who we are is known even without a line in /etc/passwd', async () => {
  if (!isRoot) return;
  const child = startChild(['uid'], { uid: 54_321 });
  assert.is(await child.line(), '54321');
  await child.ended;
});

refused.run();
