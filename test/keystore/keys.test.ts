// Keys in a directory: made once, never overwritten, never read when exposed.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { identityFromSeed } from '../../src/crypto/identity.ts';
import { Keys, newContent } from '../../src/keystore/keys.ts';
import { toHex } from '../../src/lib/bytes.ts';
import {
  content,
  fails,
  failure,
  isRoot,
  modeOf,
  STRANGER,
  startChild,
  withFolder,
} from './tools.ts';

const nobody = () => Promise.resolve(null);
const log2N = 15;

function systemError(code: string): never {
  throw Object.assign(new Error(code), { code });
}

const making = suite('keys: create');

making(
  'a key comes back, from a file that is 0600 and alone in the directory',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const path = await keys.create('alice', content(), null);
    assert.is(path, join(folder, 'alice.fxk'));
    assert.is(modeOf(path), '600');
    assert.is(lstatSync(path).nlink, 1);
    assert.equal(readdirSync(folder), ['alice.fxk']);
    const { content: got, ...about } = await keys.load(
      'alice',
      async () => assert.unreachable('asked') ?? null,
    );
    assert.equal(about, { name: 'alice', path, locked: false });
    assert.is(toHex(got.seed) + toHex(got.storeKey), 'a1'.repeat(32) + '5c'.repeat(32));
    assert.is(got.created, 1_700_000_000);
    assert.is(got.label, 'alice');
  }),
);

making(
  'a locked key asks once, by name, and says what is wrong with which file',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const path = await keys.create('alice', content(), 'open sesame', { log2N });
    const asked: string[] = [];
    const loaded = await keys.load('alice', async (name) => {
      asked.push(name);
      return 'open sesame';
    });
    assert.is(toHex(loaded.content.seed), 'a1'.repeat(32));
    assert.ok(loaded.locked);
    assert.equal(asked, ['alice']);
    await fails(() => keys.load('alice', nobody), 'passphrase-needed', path);
    const wrong = await failure(() => keys.load('alice', async () => 'open barley'));
    assert.is(wrong.code, 'passphrase-wrong');
    assert.ok(wrong.message.includes(path));
    assert.not.match(wrong.message, /sesame|barley/);
  }),
);

making(
  'an existing key is never overwritten, nor one that looks the same',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const path = await keys.create('Zoé', content(), null);
    const before = readFileSync(path).toString('hex');
    for (const name of ['Zoé', 'Zoe\u0301', 'ZOÉ', 'zoé', 'Ｚoé'])
      await fails(() => keys.create(name, content('x', 0xee), null), 'key-exists', path);
    assert.equal(readdirSync(folder), ['Zoé.fxk']);
    assert.is(readFileSync(path).toString('hex'), before);
  }),
);

making(
  'nor is anything that appears between the look and the link',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const path = join(folder, 'alice.fxk');
    const link: typeof linkSync = (from, to) => {
      writeFileSync(path, 'in between');
      linkSync(from, to);
    };
    await fails(() => keys.create('alice', content(), null, { link }), 'key-exists', path);
    assert.equal(readdirSync(folder), ['alice.fxk']);
    assert.is(readFileSync(path, 'utf8'), 'in between');
    symlinkSync('nowhere', join(folder, 'bob.fxk'));
    await fails(() => keys.create('bob', content(), null), 'key-exists', 'bob.fxk');
    assert.not.ok(readdirSync(folder).includes('nowhere'));
  }),
);

making(
  'without links the final name is made exclusively',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    for (const [at, code] of ['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'].entries()) {
      const link = () => systemError(code);
      const path = await keys.create(`key${at}`, content(), null, { link });
      assert.is(modeOf(path), '600');
      assert.is((await keys.load(`key${at}`, nobody)).content.label, 'alice');
      const late = () => {
        writeFileSync(join(folder, `late${at}.fxk`), 'in between');
        systemError(code);
      };
      const create = () => keys.create(`late${at}`, content(), null, { link: late });
      await fails(create, 'key-exists', `late${at}.fxk`);
      assert.is(readFileSync(join(folder, `late${at}.fxk`), 'utf8'), 'in between');
    }
    assert.is(readdirSync(folder).length, 8, 'no temporary file is left');
  }),
);

making(
  'any other failure leaves nothing behind',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const link = () => systemError('EIO');
    await fails(() => keys.create('alice', content(), null, { link }), 'keys-directory', 'EIO');
    assert.equal(readdirSync(folder), []);
    const gone = new Keys(join(folder, 'gone'));
    await fails(() => gone.create('alice', content(), null), 'keys-directory', 'gone', 'ENOENT');
  }),
);

making(
  'names that are none are refused before anything happens',
  withFolder(async (folder) => {
    const inside = join(folder, 'inside');
    mkdirSync(inside, { mode: 0o700 });
    const keys = new Keys(inside);
    const names = ['', '.', '..', '../alice', 'a/b', '.hidden', '-flag', 'a b', 'a\0', 'a\n'];
    names.push('x'.repeat(33), 'аlice', 'relay', 'Relay', 'ｒelay', 'a:b', 'a\\b');
    for (const name of names)
      for (const call of [
        () => keys.create(name, content(), null),
        () => keys.load(name, nobody),
        () => keys.choose({ as: name || '/' }),
      ])
        await fails(call, 'alias-invalid');
    assert.equal(readdirSync(folder), ['inside']);
    assert.equal(readdirSync(inside), []);
    for (const name of ['a', 'x'.repeat(32), '名前', 'a.b-c_1'])
      await keys.create(name, content(), null);
  }),
);

making.run();

const reading = suite('keys: load');

reading(
  'a file that others can read, write or run is refused, with the command that helps',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const path = await keys.create('alice', content(), null);
    for (const bit of [0o001, 0o002, 0o004, 0o010, 0o020, 0o040]) {
      chmodSync(path, 0o600 | bit);
      await fails(() => keys.load('alice', nobody), 'key-exposed', path, `chmod 600 ${path}`);
    }
    for (const mode of [0o600, 0o400, 0o700]) {
      chmodSync(path, mode);
      await keys.load('alice', nobody);
    }
  }),
);

reading(
  'a file of somebody else is refused',
  withFolder(async (folder) => {
    if (!isRoot) return;
    const path = await new Keys(folder).create('alice', content(), null);
    chownSync(path, STRANGER, STRANGER);
    await fails(() => new Keys(folder).load('alice', nobody), 'key-exposed', path, 'user 1234');

    // and root's is refused to anybody else, whose own process cannot even open it
    chownSync(path, 0, 0);
    chmodSync(folder, 0o755);
    const child = startChild(['load', folder, 'alice'], { uid: STRANGER });
    assert.match(await child.line(), /^keys-directory cannot read .*alice\.fxk: EACCES/);
    await child.ended;
  }),
);

reading(
  'what is no regular file is refused at once: links, directories, pipes',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    await keys.create('real', content(), null);
    symlinkSync('real.fxk', join(folder, 'link.fxk'));
    mkdirSync(join(folder, 'dir.fxk'));
    execFileSync('mkfifo', ['-m', '600', join(folder, 'fifo.fxk')]);
    await fails(() => keys.load('link', nobody), 'key-damaged', 'link.fxk', 'symbolic link');
    await fails(() => keys.load('dir', nobody), 'key-damaged', 'dir.fxk', 'regular');
    await fails(() => keys.load('fifo', nobody), 'key-damaged', 'fifo.fxk', 'regular');
  }),
);

reading(
  'a large file is refused by its size',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const path = await keys.create('alice', content(), null);
    truncateSync(path, 4096);
    await fails(() => keys.load('alice', nobody), 'key-damaged', path, 'no key file has 4096');
    truncateSync(path, 4097);
    await fails(() => keys.load('alice', nobody), 'key-damaged', path, '4097', 'more than 4096');
  }),
);

reading(
  'a missing key names those that are there',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    await fails(() => keys.load('alice', nobody), 'key-missing', 'flexim keygen alice', folder);
    await keys.create('bob', content(), null);
    await fails(() => keys.load('alice', nobody), 'key-missing', 'There are: bob.');
  }),
);

reading.run();

const choosing = suite('keys: list and choose');

choosing(
  'list tells what there is, and one bad file hides no other',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    assert.equal(await keys.list(), []);
    await keys.create('bob', content('bob', 0xb2), null);
    await keys.create('alice', content(), 'open sesame', { log2N });
    await keys.relayKey();
    const damaged = await keys.create('damaged', content(), null);
    writeFileSync(damaged, 'FXKEYS and more');
    chmodSync(await keys.create('exposed', content(), null), 0o644);
    mkdirSync(join(folder, 'folder.fxk'));
    writeFileSync(join(folder, 'bad name\u202e.fxk'), '');
    writeFileSync(join(folder, '.alice.fxk.0123456789abcdef.tmp'), 'stale');
    writeFileSync(join(folder, '.hidden.fxk'), '');
    writeFileSync(join(folder, 'notes.txt'), '');

    const list = await keys.list();
    assert.equal(
      list.map(({ name, locked, problem }) => `${name} ${locked} ${problem?.code}`),
      [
        'alice true undefined',
        'bad name\u202e false alias-invalid',
        'bob false undefined',
        'damaged false key-damaged',
        'exposed false key-exposed',
        'folder false key-damaged',
      ],
    );
    for (const { name, path, problem } of list) {
      assert.is(path, join(folder, `${name}.fxk`));
      if (problem) assert.not.match(problem.message, /\u202e/);
    }
    const { created, hex } = list[2] ?? {};
    assert.is(created, 1_700_000_000);
    assert.is(hex, identityFromSeed(content('bob', 0xb2).seed).hex);
    assert.not.ok('hex' in (list[0] ?? {}), 'a locked key shows nothing');
  }),
);

choosing(
  'list fails only when the directory cannot be read',
  withFolder(async (folder) => {
    const gone = join(folder, 'gone');
    await fails(() => new Keys(gone).list(), 'keys-directory', gone);
  }),
);

choosing(
  'the name that was given, else the only key there is',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    await fails(() => keys.choose({}), 'key-missing', 'flexim keygen NAME', folder);
    await keys.relayKey();
    await fails(() => keys.choose({}), 'key-missing', 'flexim keygen NAME');
    await keys.create('bob', content(), null);
    assert.is(keys.choose({}), 'bob');
    assert.is(keys.choose({ as: null, env: '', config: undefined }), 'bob');
    await keys.create('alice', content(), null);
    await fails(() => keys.choose({}), 'key-ambiguous', 'alice, bob', '--as');
    assert.is(keys.choose({ as: 'alice', env: 'bob', config: 'bob' }), 'alice');
    assert.is(keys.choose({ env: 'bob', config: 'alice' }), 'bob');
    assert.is(keys.choose({ config: 'alice' }), 'alice');
    await fails(() => keys.choose({ as: 'carol' }), 'key-missing', 'carol', 'alice, bob');
  }),
);

choosing(
  'a damaged key is still a key: it is not passed over for another',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    writeFileSync(await keys.create('alice', content(), null), '');
    await keys.create('bob', content(), null);
    await fails(() => keys.choose({}), 'key-ambiguous', 'alice, bob');
  }),
);

choosing(
  'the relay key is made once, unlocked, and then loaded',
  withFolder(async (folder) => {
    const keys = new Keys(folder);
    const clock = { now: () => 0, wall: () => 1_800_000_000 };
    const made = await keys.relayKey(clock);
    assert.equal([made.made, made.name, made.locked], [true, 'relay', false]);
    assert.equal([made.content.label, made.content.created], ['relay', 1_800_000_000]);
    assert.is(modeOf(join(folder, 'relay.fxk')), '600');
    const again = await keys.relayKey();
    assert.not(again.made);
    assert.is(toHex(again.content.seed), toHex(made.content.seed));

    await keys.create('temp', content(), 'open sesame', { log2N });
    rmSync(join(folder, 'relay.fxk'));
    renameSync(join(folder, 'temp.fxk'), join(folder, 'relay.fxk'));
    await fails(() => keys.relayKey(), 'passphrase-needed', 'relay.fxk');
    writeFileSync(join(folder, 'relay.fxk'), 'damaged');
    await fails(() => keys.relayKey(), 'key-damaged', 'relay.fxk');
    assert.is(readFileSync(join(folder, 'relay.fxk'), 'utf8'), 'damaged', 'and not replaced');
  }),
);

choosing('new keys have secrets of their own', () => {
  const [a, b] = [newContent('a'), newContent('b')];
  const secrets = [a.seed, a.storeKey, b.seed, b.storeKey].map(toHex);
  assert.is(new Set(secrets).size, 4);
  assert.ok(secrets.every((secret) => secret.length === 64));
  assert.ok(Math.abs(a.created - Date.now() / 1000) < 60);
});

choosing.run();
