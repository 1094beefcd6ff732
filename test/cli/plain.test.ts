// Plain command lines: what is read without yargs is what yargs would have read, and the rest is left to it.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CHAT, COMMON, HISTORY, PING, SEND } from '../../src/cli/command.ts';
import { entry } from '../../src/cli/entry.ts';
import { declare, type Options } from '../../src/cli/options.ts';
import { parser } from '../../src/cli/parser.ts';
import { plainLine } from '../../src/cli/plain.ts';
import { isFleximError } from '../../src/lib/errors.ts';
import { count } from '../count.ts';

interface Seen {
  readonly settings: object;
  readonly args: object;
}

let seen: Seen | null = null;
const load = async () => async (context: Seen) => {
  seen = { settings: { ...context.settings }, args: { ...context.args } };
};
const commands = [
  entry({ usage: 'chat [who]', about: 'x', options: CHAT, load }),
  entry({ usage: 'history <who>', about: 'x', options: HISTORY, load }),
  entry({ usage: 'ping [relay]', about: 'x', options: PING, load }),
  entry({ usage: 'rename <who> <name>', about: 'x', options: {}, load }),
  entry({ usage: 'send <who> [text..]', about: 'x', options: SEND, load }),
  entry({ usage: 'keys', about: 'x', options: {}, load }),
];
const all: Options = Object.assign({}, COMMON, ...commands.map(({ options }) => options));
const forms = commands.flatMap(({ plain }) => plain ?? []);

async function byYargs(args: readonly string[]): Promise<Seen | 'refused' | null> {
  seen = null;
  const argv = declare(parser('flexim', args), COMMON);
  for (const command of commands) command.add(argv, { path: ['flexim'], args, all });
  try {
    await argv.parseAsync();
  } catch (error) {
    if (!isFleximError(error)) throw error;
    return 'refused';
  }
  return seen;
}

async function plainly(args: readonly string[]): Promise<Seen | 'refused' | null> {
  seen = null;
  const line = plainLine(args, { forms, common: COMMON });
  try {
    await line?.form.run(line.flags, all);
  } catch (error) {
    if (!isFleximError(error)) throw error;
    return 'refused';
  }
  return seen;
}

const test = suite('cli: plain lines');

test('what people type is plain', async () => {
  for (const line of [
    'chat',
    'chat bob',
    'chat bob --inline --presence',
    '--as alice chat bob',
    'chat --relay 127.0.0.1:4321 bob --config /nowhere/x.toml',
    'history bob --limit 5 --json',
    'rename bob robert',
    'keys',
    'ping --relay 127.0.0.1:1',
  ]) {
    const args = line.split(' ');
    const got = await plainly(args);
    assert.ok(got, line);
    assert.equal(got, await byYargs(args), line);
  }
});

test('everything else is for yargs', () => {
  for (const line of [
    '',
    'frob',
    'chat --help',
    'chat -h',
    '--version',
    'chat bob carol',
    'rename bob',
    'chat --inline --inline',
    'chat --inline=true',
    'chat --no-inline',
    'chat --inline true',
    'chat --as',
    'chat --as --inline',
    'chat -- bob',
    'history bob --limit five',
    'history bob --limit -5',
    'send bob hello',
    'ping --relay a b',
    'chat --limit 5',
    '--inline chat',
  ])
    assert.is(plainLine(line.split(' '), { forms, common: COMMON }), null, line);
});

const WORDS = [
  ...['chat', 'history', 'ping', 'rename', 'keys', 'bob', 'true', '007', '5', '-', '--', ''],
  ...['--as', '--inline', '--limit', '--json', '--relay', '--search', '--count', '--config'],
  ...['--no-alias', '--alias', '--help', '--frob', '--as=x', '--passphrase-fd', '-x', '1e3'],
];

test('whatever is read here is read by yargs to the same end', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...WORDS), { maxLength: 7 }), async (args) => {
      if (!plainLine(args, { forms, common: COMMON })) return;
      assert.equal(await plainly(args), await byYargs(args), args.join(' '));
    }),
    { numRuns: count(200, 20_000), seed: 20261127 },
  ));

test.run();
