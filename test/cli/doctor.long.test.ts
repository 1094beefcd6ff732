// flexim doctor names what is at fault, whatever it is, and changes nothing; --recover mends a store.

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newIdentity } from '../../src/crypto/identity.ts';
import { startRelay } from '../relay.ts';
import { withHome } from './program.ts';
import { objects, type Person, withTwo } from './two.ts';

const CHECKS = [
  ...['key', 'relay address', 'dns', 'port', 'relay key', 'login', 'prekeys', 'store', 'clock'],
];
const doctor = suite('cli: doctor');

/** The state of each check, with the code of a fault in its place; and the exit code. */
async function examined(person: Person, line = 'doctor', env: Record<string, string> = {}) {
  const { code, stdout } = await person.run(`${line} --json`, { env });
  const found = objects(stdout);
  assert.equal(
    found.map(({ check }) => check),
    CHECKS,
  );
  for (const each of found) assert.equal(Object.keys(each), ['check', 'state', 'code', 'what']);
  return { exit: code, found: found.map(({ state, code: fault }) => fault ?? state) };
}

const ok = (count: number) => new Array<string>(count).fill('ok');
const skipped = (count: number) => new Array<string>(count).fill('skipped');

/** Everything below a directory but times of reading. */
function snapshot(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(directory, name)).isFile());
  const rest = names.filter((name) => !files.includes(name)).map((name) => [name, 'directory']);
  // LMDB's lock file notes who reads.
  const kept = files.filter((name) => !name.endsWith('-lock'));
  const read = kept.map((name) => [name, readFileSync(join(directory, name)).toString('hex')]);
  return Object.fromEntries([...rest, ...read]);
}

doctor(
  'all well, and nothing changed',
  withTwo(async ({ alice, bob }) => {
    await alice.ok('send bob hi');
    const before = snapshot(alice.home.path);
    assert.equal(await examined(alice), { exit: 0, found: ok(9) });
    assert.match(await alice.ok('doctor'), /^ok {13}store .*messages: 1$/m);
    assert.equal(snapshot(alice.home.path), before);
    assert.match(await bob.ok('receive'), /: hi\n$/, 'what waited was not taken');
  }),
);

doctor(
  'no key at all, before anything was made',
  withHome(async (home) => {
    const { code, stdout } = await home.run(['doctor', '--relay', '127.0.0.1:1']);
    assert.is(code, 78);
    assert.match(stdout, /^fault {10}key .*flexim keygen NAME \[key-missing\]$/m);
    assert.match(stdout, /^fault {10}port .*\[relay-unreachable\]$/m);
    assert.match(stdout, /^not looked at {2}store /m);
    assert.equal(readdirSync(home.path), []);
  }),
);

doctor(
  'a passphrase that is wrong, an address that is none, a name that nobody knows, a closed port',
  withTwo(async ({ alice, relay }) => {
    const { code, stdout } = await alice.run('doctor --relay x:y');
    assert.is(code, 64);
    assert.match(stdout, /^fault {10}relay address .*\[bad-address\]$/m);
    assert.equal(await examined(alice, 'doctor --relay nowhere.invalid'), {
      exit: 69,
      found: [...ok(2), 'relay-unreachable', ...skipped(4), 'ok', 'skipped'],
    });
    await relay.stop();
    assert.equal(await examined(alice), {
      exit: 69,
      found: [...ok(3), 'relay-unreachable', ...skipped(3), 'ok', 'skipped'],
    });
    await alice.home.ok(['keygen', 'locked', '--passphrase-fd', '3'], { secret: 'right' });
    const wrong = await alice.run('doctor --as locked --passphrase-fd 3', { secret: 'wrong' });
    assert.is(wrong.code, 66);
    assert.match(wrong.stdout, /^fault {10}key .*\[passphrase-wrong\]$/m);
  }),
);

doctor(
  'a relay with another key; prekeys of another store, and none',
  withTwo(async ({ alice, bob, relay }) => {
    assert.equal((await examined(alice)).found[6], 'no-bundle');
    const mine = bob.profile;
    rmSync(mine, { recursive: true });
    await bob.fails('receive', [77, 'identity-elsewhere']);
    assert.equal(await examined(bob), {
      exit: 77,
      found: [...ok(6), 'identity-elsewhere', ...ok(2)],
    });
    await relay.stop();
    const other = await startRelay({ port: relay.port, identity: newIdentity() });
    try {
      assert.equal(await examined(bob), {
        exit: 77,
        found: [...ok(4), 'relay-key-changed', ...skipped(2), 'ok', 'skipped'],
      });
    } finally {
      await other.stop();
    }
  }),
);

doctor(
  'a clock that is far off, and what other commands say of it',
  withTwo(async ({ alice, bob }) => {
    await alice.ok('receive');
    const clock = alice.home.file('clock.mjs');
    const shift = -40 * 86_400_000;
    writeFileSync(clock, `const now = Date.now; Date.now = () => now() + ${shift};`);
    const env = { NODE_OPTIONS: `--import ${clock}` };
    const { exit, found } = await examined(alice, 'doctor', env);
    assert.equal([exit, found.at(-1)], [78, 'clock-off']);
    const { stderr } = await alice.run('send bob hi', { env });
    assert.match(stderr, /clock of this computer is 40 days behind the relay's\. Set it/);
    assert.is(bob.port, alice.port);
  }),
);

doctor(
  'a damaged store: every command says what helps, and --recover does, keeping the old file',
  withTwo(async ({ alice, bob }) => {
    await alice.ok('send bob --lines', { input: 'one\ntwo\nthree\n' });
    const path = join(alice.profile, 'client.lmdb');
    const sound = readFileSync(path);
    const damaged = Buffer.from(sound);
    for (let at = 3 * 4_096; at < damaged.length; at += 4_096)
      damaged.writeUInt8(damaged.readUInt8(at + 3_000) ^ 0xff, at + 3_000);
    writeFileSync(path, damaged);
    writeFileSync(`${path}.open`, '{}\n');
    const said = await alice.fails('history bob', [74, 'store-damaged']);
    assert.match(said, /flexim doctor --recover/);
    const { exit, found } = await examined(alice);
    assert.equal([exit, found[7]], [74, 'store-damaged']);
    assert.equal(readFileSync(path), damaged, 'nothing was changed');
    const text = await alice.ok('doctor --recover');
    assert.match(text, /the damaged file is kept as .*client\.lmdb\.damaged-/);
    const kept = readdirSync(alice.profile).find((name) => name.includes('.damaged-'));
    assert.equal(readFileSync(join(alice.profile, kept as string)), damaged);
    assert.equal((await examined(alice)).found[7], 'ok');
    await alice.ok('send bob four');
    const [again] = await alice.json('doctor --recover');
    assert.equal([again?.damage, again?.kept, again?.state], [null, null, 'ok']);
    assert.match(await bob.ok('receive'), /: four\n$/);
  }),
);

doctor(
  'a key that was restored from paper, beside the old store: said, not touched',
  withTwo(async ({ alice }) => {
    await alice.ok('contacts add bob');
    const paper = (await alice.ok('paper')).trimEnd();
    rmSync(join(alice.home.keys, 'alice.fxk'));
    await alice.ok('restore alice', { input: paper });
    const said = await alice.fails('contacts', [74, 'store-damaged']);
    assert.match(said, /does not open/);
    const { exit, found } = await examined(alice);
    assert.equal([exit, found[7]], [74, 'store-damaged']);
    const { code, stdout } = await alice.run('doctor --recover');
    assert.is(code, 74);
    assert.match(stdout, /nothing was changed\n.*move the file away/);
  }),
);

doctor.run();
