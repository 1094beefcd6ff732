// flexim keygen, restore, paper, whoami, keys, relays as child processes: results alone on stdout,
// nothing overwritten, secrets nowhere but where they were asked for.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ended, type Home, withHome } from './program.ts';

const HEX = /^[0-9a-f]{64}$/;
const PAPER = /^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/;
const SECRET = 'correct horse battery';

const making = suite('cli: making keys');

making(
  'keygen: the key alone on stdout; file and directory are private; the place is told',
  withHome(async (home) => {
    const { code, stdout, stderr } = await home.run(['keygen', 'alice']);
    assert.is(code, 0);
    assert.match(stdout.trimEnd(), HEX);
    const path = join(home.keys, 'alice.fxk');
    assert.is(statSync(path).mode & 0o777, 0o600);
    assert.is(statSync(home.keys).mode & 0o777, 0o700);
    assert.ok(stderr.includes(path));
    assert.match(stderr, /To lock it, use --passphrase/);
    assert.match(stderr, /flexim paper/);
    assert.is(
      await home.ok(['whoami', '--json']).then((text) => JSON.parse(text).key),
      stdout.trim(),
    );
    noSecret(home, stdout + stderr);
  }),
);

making(
  'keygen --json: one object a line; --paper adds the backup, and only then',
  withHome(async (home) => {
    const [line = '', ...more] = lines(await home.ok(['keygen', 'bob', '--json']));
    assert.equal(more, []);
    const { key, ...rest } = JSON.parse(line);
    assert.match(key, HEX);
    assert.equal(rest, { name: 'bob', path: join(home.keys, 'bob.fxk'), locked: false });
    const both = lines(await home.ok(['keygen', 'carol', '--json', '--paper']));
    assert.is(both.length, 2);
    assert.match(JSON.parse(both[1] ?? '').paper, PAPER);
  }),
);

making(
  'a key that exists, or one that looks the same, is never overwritten',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    const before = readFileSync(join(home.keys, 'alice.fxk'));
    const paper = await home.ok(['paper']);
    const tries = [
      home.fails(['keygen', 'Alice'], [73, 'key-exists']),
      home.fails(['restore', 'alice'], [73, 'key-exists'], { input: paper }),
    ];
    for (const said of await Promise.all(tries)) assert.match(said, /was not touched/);
    assert.equal(readdirSync(home.keys), ['alice.fxk']);
    assert.ok(readFileSync(join(home.keys, 'alice.fxk')).equals(before));
  }),
);

making(
  'paper and restore: the same key again, under another name, in another home',
  withHome(async (home) => {
    const key = await home.ok(['keygen', 'alice']);
    const { stdout, stderr } = await home.run(['paper']);
    assert.match(stdout.trimEnd(), PAPER);
    assert.not.match(stderr, /([0-9A-Z]{4}-){3}/, 'the backup is on stdout alone');
    assert.is(JSON.parse(await home.ok(['paper', '--json'])).paper, stdout.trimEnd());
    const typed = `  ${stdout.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o')}\n\n`;
    assert.is(await home.ok(['restore', 'again'], { input: typed }), key);
  }),
);

making(
  'restore: what is no backup is refused without repeating it',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    const paper = (await home.ok(['paper'])).trimEnd();
    const last = paper.at(-1) === '0' ? '1' : '0';
    const wrong = [`${paper.slice(0, -1)}${last}`, paper.slice(0, -5), '', paper.repeat(20)];
    const tries = wrong.map((input) =>
      home.fails(['restore', 'x'], [65, 'paper-invalid'], { input }),
    );
    for (const said of await Promise.all(tries)) assert.not.match(said, /([0-9A-Z]{4}-){2}/);
    assert.equal(readdirSync(home.keys), ['alice.fxk']);
  }),
);

making(
  'names: 007 stays 007; paths, options and the name of the relay are refused',
  withHome(async (home) => {
    const wrong = ['../x', 'relay', 'x\x1b[2J'].map((name) =>
      home.fails(['keygen', name], [65, 'alias-invalid']),
    );
    const right = ['007', '1e3'].map((name) => home.ok(['keygen', name]));
    await Promise.all([...right, ...wrong, home.fails(['keygen'], [64, 'usage'])]);
    assert.equal(readdirSync(home.keys).sort(), ['007.fxk', '1e3.fxk']);
  }),
);

making(
  'a passphrase by descriptor: locked, opened again, wrong one refused, shown nowhere',
  withHome(async (home) => {
    const by = ['--passphrase-fd', '3'];
    const made = await home.run(['keygen', 'alice', ...by], { secret: `${SECRET}\n` });
    assert.is(made.code, 0, made.stderr);
    assert.match(made.stderr, /locked with your passphrase/);
    const shown = await home.run(['whoami', '--json', ...by], { secret: SECRET });
    assert.is(JSON.parse(shown.stdout).key, made.stdout.trimEnd());
    assert.is(JSON.parse(shown.stdout).locked, true);
    const wrong = await home.fails(['whoami', ...by], [66, 'passphrase-wrong'], {
      secret: `${SECRET} `,
    });
    const none = await home.fails(['whoami'], [78, 'passphrase-needed']);
    assert.match(none, /no terminal.*--passphrase-fd/);
    assert.match(await home.ok(['keys']), /alice {2}\(locked with a passphrase\)/);
    noSecret(home, made.stdout + made.stderr + shown.stdout + shown.stderr + wrong + none);
  }),
);

making(
  'a passphrase in the environment is not taken, and not repeated',
  withHome(async (home) => {
    const env = { FLEXIM_PASSPHRASE: SECRET };
    const said = await home.fails(['keygen', 'alice'], [78, 'config-invalid'], { env });
    assert.match(said, /FLEXIM_PASSPHRASE: want true or false/);
    assert.not.match(said, /horse/);
  }),
);

making.run();

const showing = suite('cli: showing keys');

showing(
  'whoami: four lines, or one object; the address has the relay key once it is pinned',
  withHome(async (home) => {
    const key = (await home.ok(['keygen', 'alice'])).trimEnd();
    const text = lines(await home.ok(['whoami', '--relay', 'example.org']));
    assert.equal(text.slice(0, 3), [
      'name         alice',
      `key          ${key}`,
      `address      flexim://example.org:4321#${key}`,
    ]);
    assert.match(text[3] ?? '', /^fingerprint {2}(\d{5} ){5}\d{5}$/);
    const relay = 'ab'.repeat(32);
    await home.ok(['relays', 'trust', `flexim://example.org?relay=${relay}`]);
    const { address, fingerprint, ...rest } = JSON.parse(
      await home.ok(['whoami', '--json', '--relay', 'example.org']),
    );
    assert.is(address, `flexim://example.org:4321?relay=${relay}#${key}`);
    assert.match(fingerprint, /^\d{30}$/);
    const path = join(home.keys, 'alice.fxk');
    assert.equal(rest, { name: 'alice', key, path, locked: false });
  }),
);

showing(
  'keys: none, several, a damaged one among them; --json too',
  withHome(async (home) => {
    assert.is(await home.ok(['keys']), '');
    await home.fails(['whoami'], [78, 'key-missing']);
    const bob = (await home.ok(['keygen', 'bob'])).trimEnd();
    const alice = (await home.ok(['keygen', 'alice'])).trimEnd();
    writeFileSync(join(home.keys, 'bad.fxk'), 'x\x1b[2J', { mode: 0o600 });
    const rows = lines(await home.ok(['keys']));
    assert.match(rows[0] ?? '', new RegExp(`^alice {2}${alice} {2}\\d{4}-\\d\\d-\\d\\d$`));
    assert.match(rows[1] ?? '', /^bad {4}unusable: /);
    assert.match(rows[2] ?? '', new RegExp(`^bob {4}${bob} `));
    const objects = lines(await home.ok(['keys', '--json'])).map((line) => JSON.parse(line));
    assert.equal(
      objects.map(({ name, key, problem }) => [name, key, problem]),
      [
        ['alice', alice, null],
        ['bad', null, 'key-damaged'],
        ['bob', bob, null],
      ],
    );
    const said = await home.fails(['whoami'], [78, 'key-ambiguous']);
    assert.match(said, /alice, bad, bob.*--as NAME/);
    assert.is(JSON.parse(await home.ok(['whoami', '--json', '--as', 'bob'])).key, bob);
    const missing = await home.fails(['whoami', '--as', 'eve'], [78, 'key-missing']);
    assert.match(missing, /flexim keygen eve/);
  }),
);

showing(
  'relays: list, trust, forget',
  withHome(async (home) => {
    assert.is(await home.ok(['relays']), '');
    const [a, b] = ['aa'.repeat(32), 'bb'.repeat(32)];
    await home.ok(['relays', 'trust', `flexim://one.example?relay=${a}`]);
    await home.ok(['relays', 'trust', `flexim://[::1]:5000?relay=${b.toUpperCase()}`]);
    assert.equal(lines(await home.ok(['relays'])), [`one.example:4321  ${a}`, `[::1]:5000  ${b}`]);
    await home.ok(['relays', 'trust', `one.example?relay=${b}`]);
    const objects = lines(await home.ok(['relays', 'list', '--json'])).map((l) => JSON.parse(l));
    assert.equal(
      objects.sort((x, y) => (x.place < y.place ? 1 : -1)),
      [
        { place: 'one.example:4321', key: b },
        { place: '[::1]:5000', key: b },
      ],
    );
    assert.is(await home.ok(['relays', 'forget', 'one.example']), '');
    await home.fails(['relays', 'forget', 'one.example'], [64, 'bad-address']);
    assert.equal(lines(await home.ok(['relays'])), [`[::1]:5000  ${b}`]);
    await Promise.all([
      home.fails(['relays', 'trust', 'one.example'], [64, 'usage']),
      home.fails(['relays', 'forget'], [64, 'usage']),
      home.fails(['relays', 'frob', 'x'], [64, 'usage']),
      home.fails(['relays', 'trust', 'flexim://x?relay=12'], [64, 'bad-address']),
    ]);
    assert.is(statSync(home.pins).mode & 0o777, 0o600);
  }),
);

showing(
  'a reader who has had enough is no error',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    for (const stream of ['stdout', 'stderr'] as const) {
      const child = home.start('flexim', ['keys']);
      child[stream]?.destroy();
      const { code, stderr } = await ended(child);
      assert.is(code, 0);
      assert.not.match(stderr, /EPIPE|Error/);
    }
  }),
);

showing.run();

function lines(text: string): string[] {
  return text === '' ? [] : text.trimEnd().split('\n');
}

/** Neither passphrase nor seed nor store key of any key file there is, in any usual form. */
function noSecret(home: Home, text: string): void {
  assert.not.match(text, /horse/);
  for (const file of readdirSync(home.keys)) {
    const bytes = readFileSync(join(home.keys, file));
    if (bytes[6] !== 0) continue; // locked: the file itself does not tell
    for (const secret of [bytes.subarray(72, 104), bytes.subarray(104, 136)])
      for (const form of ['hex', 'base64', 'base64url'] as const)
        assert.not.ok(text.includes(secret.toString(form).slice(0, 20)));
  }
}
