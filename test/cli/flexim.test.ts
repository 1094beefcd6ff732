// The command line of flexim: arguments that are needed, many or nested, and how it complains. Nothing is
// opened here: what is wrong is said before.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Argv } from 'yargs';
import { type Command, entry, group, shielded } from '../../src/cli/entry.ts';
import { main } from '../../src/cli/flexim.ts';
import type { Options } from '../../src/cli/options.ts';
import { parser } from '../../src/cli/parser.ts';
import { isFleximError } from '../../src/lib/errors.ts';

const test = suite('cli: the command line');

async function complaint(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isFleximError(error, 'usage')) throw error ?? new Error('nothing was wrong');
  return error.message;
}

test('help lists each command once', async () => {
  const help: string[] = [];
  const { log } = console;
  console.log = (text: string) => help.push(text);
  try {
    await main(['--help']);
  } finally {
    console.log = log;
  }
  const names = [...help.join('\n').matchAll(/^ {2}flexim (\w+)/gm)].map(([, name]) => name);
  assert.ok(names.includes('chat') && names.length > 15, `${names}`);
  assert.equal(names, [...new Set(names)]);
});

test('what is missing, too much or unknown is said, with the help to look at', async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['send', /something is missing: flexim send <who> \[text\.\.\]\. See flexim send --help/],
    ['verify', /something is missing: flexim verify <who>/],
    ['contacts add', /something is missing: flexim contacts add <who> \[name\]/],
    ['contacts rename bob', /something is missing: flexim contacts rename <who> <name>/],
    ['contacts frob', /there is no such command\. See flexim contacts --help/],
    ['frob', /there is no such command\. See flexim --help/],
    ['verify bob secret', /there is one argument too many\. See flexim verify --help/],
    ['send bob --nope', /there is no option --nope\. See flexim send --help/],
    ['send bob hi --lines=secret', /--lines takes no value/],
    ['contacts frob secret', /See flexim contacts --help/],
  ];
  for (const [line, words] of cases) {
    const said = await complaint(main(line.split(' ')));
    assert.match(said, words, line);
    assert.not.match(said, /secret/);
  }
});

type Given = Readonly<Record<string, string | undefined>>;

/** What commands that only note their arguments are given. */
async function parsed(args: readonly string[]): Promise<Given> {
  let given: Given | null = null;
  const load = async () => async (context: { readonly args: Given }) => {
    given = context.args;
  };
  const say = { about: '', load };
  const lines = {
    lines: { type: 'boolean', about: '', flagOnly: true },
  } as const satisfies Options;
  const commands: readonly Command[] = [
    entry({ ...say, usage: 'send <who> [text..]', options: lines }),
    group('people', '', [
      entry({ ...say, usage: 'list', options: {} }, true),
      entry({ ...say, usage: 'add <who> [name]', options: {} }),
    ]),
  ];
  const shown = shielded(args);
  const argv: Argv = parser('flexim', shown);
  for (const command of commands) command.add(argv, { path: ['flexim'], args: shown, all: {} });
  await argv.parseAsync();
  return given ?? {};
}

test('texts arrive as they were typed', async () => {
  const text = async (...args: string[]) => (await parsed(['send', 'bob', ...args])).text;
  assert.is(await text('hello', 'bob'), 'hello bob');
  assert.is(await text('two  spaces', '007', '1e3'), 'two  spaces 007 1e3');
  assert.is(await text(), '');
  assert.is(await text('-'), '-');
  assert.is(await text('--', '--lines', '-5', '007'), '--lines -5 007');
  assert.is(await text('a', '--lines', 'b', '--', '-', 'c'), 'a b - c');
  assert.is((await parsed(['send', '007', 'x'])).who, '007');
});

test('commands within commands, and the one that needs no word', async () => {
  assert.equal(await parsed(['people']), {});
  assert.equal(await parsed(['people', 'list']), {});
  assert.equal(await parsed(['people', 'add', 'bob']), { who: 'bob', name: undefined });
  assert.equal(await parsed(['people', 'add', 'bob', 'b']), { who: 'bob', name: 'b' });
});

test.run();
