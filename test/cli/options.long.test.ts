// Settings and help of the programs: what wins over what, what is refused, what --help loads.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ended, type RunOptions, withHome } from './program.ts';

const COMMANDS = ['keygen', 'restore', 'paper', 'whoami', 'keys', 'ping', 'relays'];

const help = suite('cli: help');

help(
  'the list of commands, and a page for each, on stdout with exit 0',
  withHome(async (home) => {
    const [all, ...pages] = await Promise.all([
      home.ok(['--help']),
      ...COMMANDS.map((command) => home.ok([command, '--help'])),
    ]);
    for (const command of COMMANDS)
      assert.match(all ?? '', new RegExp(`^  flexim ${command}\\b`, 'm'));
    assert.match(all ?? '', /Start with: flexim keygen NAME/);
    pages.forEach((page, i) => {
      assert.ok(page.startsWith(`flexim ${COMMANDS[i]}`));
      assert.match(page, /--config/);
      assert.not.match(page, /undefined/);
    });
    // Two of its options are of all commands and of its own, too: each choice is there once.
    const squeezed = (await home.ok(['chat', '--help'])).replace(/\s+/g, ' ');
    assert.match(squeezed, /\[flexim \| commstream \| enclave \| auto\]/);
    assert.equal(readdirSync(home.path), [], 'a help page made files');
  }),
);

help(
  'the version is that of the package; the relay has help and version too',
  withHome(async (home) => {
    const { version } = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
    );
    const [flexim, relay, about] = await Promise.all([
      home.ok(['--version']),
      ended(home.start('flexim-relay', ['--version'])),
      ended(home.start('flexim-relay', ['--help'])),
    ]);
    assert.is(flexim.trimEnd(), version);
    assert.equal([relay.code, relay.stdout.trimEnd()], [0, version]);
    assert.is(about.code, 0);
    assert.match(about.stdout, /SIGTERM stops it gently/);
    assert.match(about.stdout, /^Limits \(0 is no limit\):\n +--connections +connections in all/m);
    for (const line of about.stdout.split('\n')) assert.ok(line.length <= 100, line);
  }),
);

/** Loaded in front of a program: writes down what every import of it leads to. */
const TRACE = `
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`
    import { appendFileSync } from 'node:fs';
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      appendFileSync(process.env.TRACE, found.url + '\\\\n');
      return found;
    }
  \`));
`;

help(
  '--help loads neither libsodium nor the store, so that it is quick',
  withHome(async (home) => {
    const trace = home.file('trace');
    const hook = home.file('hook.mjs');
    writeFileSync(hook, TRACE);
    const options: RunOptions = { node: ['--import', hook], env: { TRACE: trace } };
    const heavy = /node_modules\/(libsodium|lmdb|pino)/;
    for (const args of [['--help'], ['ping', '--help']]) {
      writeFileSync(trace, '');
      await home.ok(args, options);
      const loaded = readFileSync(trace, 'utf8').split('\n');
      assert.ok(loaded.some((url) => url.endsWith('/dist/programs/flexim.js')));
      assert.equal(
        loaded.filter((url) => heavy.test(url)),
        [],
      );
    }
    await home.ok(['keys'], options); // the trace does see it where it is needed
    assert.match(readFileSync(trace, 'utf8'), heavy);
  }),
);

help.run();

const wrong = suite('cli: wrong usage');

wrong(
  'commands, arguments and options that are none: 64, named, with the way to the help',
  withHome(async (home) => {
    const usage = [64, 'usage'] as const;
    const tries: readonly [string[], RegExp][] = [
      [[], /which command\? .*flexim keygen NAME/],
      [['frob'], /there is no such command\. See flexim --help/],
      [['keygen', 'a', 'b', 'c'], /one argument too many\. See/],
      [['keys', '--nope'], /no option --nope\. See/],
      [['ping', '--count'], /count/],
      [['ping', '--count', 'x'], /--count: want a whole number from 1 to 1000/],
      [['keys', '--as', 'a', '--as', 'b'], /--as: given more than once/],
    ];
    await Promise.all(
      tries.map(async ([args, words]) => {
        // Not in the language of the machine, which would be the only such line.
        const env = { LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8' };
        assert.match(await home.fails(args, usage, { env }), words);
      }),
    );
  }),
);

wrong(
  'the relay: the same, with its own words',
  withHome(async (home) => {
    const tries: readonly [string[], RegExp][] = [
      [['--port', '70000'], /--port: want a whole number from 0 to 65535/],
      [['--port', '1.5'], /--port: want a whole number/],
      [['--memory', '64 MB'], /--memory: want a size from 0 to 1024G, such as 64M or 256KiB/],
      [['--hello-timeout', '10'], /--hello-timeout: want a time from 0 to 1h, such as 500ms/],
      [['--connections=many'], /--connections: want a whole number from 0 to 1000000/],
      [['--roster', 'all'], /--roster: want one of listed, none \[usage\]/],
      [['--frob'], /frob/],
      [['extra'], /extra|options only/],
      [['--data', ''], /--data: want something/],
    ];
    await Promise.all(
      tries.map(async ([args, words]) => {
        const result = await ended(home.start('flexim-relay', args));
        assert.is(result.code, 64, `${args}: ${result.stderr}`);
        assert.match(result.stderr, words);
        assert.not.match(result.stderr, /^\s+at /m);
        assert.is(result.stdout, '');
      }),
    );
  }),
);

wrong.run();

const settings = suite('cli: settings');

settings(
  'flag over variable over file over default',
  withHome(async (home) => {
    await home.ok(['keygen', 'alice']);
    const place = async (args: string[], env = {}) => {
      const { address } = JSON.parse(await home.ok(['whoami', '--json', ...args], { env }));
      return /^flexim:\/\/([^?#]*)/.exec(address)?.[1];
    };
    const variable = { FLEXIM_RELAY: 'variable:2' };
    const flag = ['--relay', 'flag:3'];
    assert.is(await place([]), '127.0.0.1:4321');
    home.configure('config.toml', 'relay = "file:1"\ncount = 5\nas = "alice"\n');
    const other = home.file('other.toml');
    writeFileSync(other, 'relay = "other:4"\n');
    const all = [
      place([]),
      place([], variable),
      place(flag, variable),
      place(flag),
      place(['--config', other]),
      place([], { FLEXIM_CONFIG: other }),
    ];
    assert.equal(await Promise.all(all), [
      'file:1',
      'variable:2',
      'flag:3',
      'flag:3',
      'other:4',
      'other:4',
    ]);
  }),
);

settings(
  'a file with an unknown key, a wrong value or no TOML is refused by name',
  withHome(async (home) => {
    const tries: readonly [string, RegExp][] = [
      ['relay = "x"\nrelais = "y"\n', /there is no setting 'relais'/],
      ['json = true\n', /there is no setting 'json'/],
      ['relay = 5\n', /relay: want a string/],
      ['relay = ""\n', /relay: want something/],
      ['relay = \n', /is not TOML/],
      ['[relay]\n', /relay: want a string/],
    ];
    await Promise.all(
      tries.map(async ([text, words], i) => {
        const path = home.file(`${i}.toml`);
        writeFileSync(path, text);
        const said = await home.fails(['keys', '--config', path], [78, 'config-invalid']);
        assert.match(said, words);
        assert.ok(said.includes(path));
      }),
    );
    await home.fails(['keys', '--config', home.file('none')], [78, 'config-invalid']);
    await home.fails(['ping', '--relay', 'x'], [78, 'config-invalid'], {
      env: { FLEXIM_COUNT: 'many' },
    });
  }),
);

settings(
  'the keys directory: flag, variable, checkout, data directory; the one used is told',
  withHome(async (home) => {
    const told = async (args: string[], options: RunOptions = {}) =>
      /^keys in (.*)$/m.exec((await home.run(['keys', ...args], options)).stderr)?.[1];
    const [a, b] = [home.file('a'), home.file('b')];
    assert.equal(
      await Promise.all([
        told([]),
        told(['--keys', a]),
        told([], { env: { FLEXIM_KEYS: b } }),
        told(['--keys', a], { env: { FLEXIM_KEYS: b } }),
      ]),
      [`${home.keys} (data directory)`, `${a} (as set)`, `${b} (as set)`, `${a} (as set)`],
    );
  }),
);

settings(
  'the wrong place for a key, or for the rest, is one line that says what to do',
  withHome(async (home) => {
    writeFileSync(home.file('file'), '');
    const keys = await home.fails(['keys', '--keys', home.file('file')], [78, 'keys-directory']);
    assert.match(keys, /it is no directory.*--keys/);
    await home.fails(['relays', '--data', home.file('file', 'x')], [78, 'keys-directory']);
  }),
);

settings.run();
