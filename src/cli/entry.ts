// How a command of flexim is declared: one entry, from which its parser, its help and its settings
// follow. A group is a command with commands of its own; the first of them is done when none is named.

import type { Argv } from 'yargs';
import { COMMON, type Common, type Context } from './command.ts';
import { declare, failing, type Options, type Settings, settle } from './options.ts';
import { configFile } from './places.ts';
import type { Form } from './plain.ts';

export interface Entry<O extends Options> {
  /** Its name and its arguments: <needed> [optional] [many..]; many are joined by spaces. */
  readonly usage: string;
  readonly about: string;
  readonly options: O;
  /** Command line, and what it does. */
  readonly examples?: readonly (readonly [string, string])[];
  readonly load: () => Promise<(context: Context<O>) => Promise<void>>;
}

export interface Command {
  readonly options: Options;
  /** How it is read and done without yargs; null where that cannot be. */
  readonly plain: PlainCommand | null;
  add(argv: Argv, line: Line): void;
}

export interface PlainCommand extends Form {
  run(flags: Flags, all: Options): Promise<void>;
}

/** What is being parsed. */
export interface Line {
  /** Words up to here: the program, and the group. */
  readonly path: readonly string[];
  readonly args: readonly string[]; // all of them
  /** Settings that any command knows. */
  readonly all: Options;
}

const ARGUMENTS: Readonly<Record<string, string>> = {
  name: 'a name that you choose',
  place: 'HOST, HOST:PORT; HOST:0 for one who dials',
  key: 'his flexim key, 64 hex digits',
  relay: 'HOST, HOST:PORT or a flexim:// address; else the one of --relay',
  action: 'list, trust or forget; list if there is none',
  address: 'HOST, HOST:PORT or, to trust a key, flexim://HOST:PORT?relay=KEY',
  server: 'HOST:PORT, or the address that a listening one printed',
  who: 'somebody: name, alias, key or flexim:// address',
  text: 'what to say; - or nothing takes it from stdin',
  alias: 'a name for others to find you by: letters, digits and . _ -',
  prefix: 'beginning of an alias, 2 characters or more',
};
const STREAM = '\0'; // yargs loses a lone -, and no argument can be this

/** Arguments as the parser needs them. */
export function shielded(args: readonly string[]): string[] {
  return args.map((arg) => (arg === '-' ? STREAM : arg));
}

export function entry<const O extends Options>(of: Entry<O>, isFirst = false): Command {
  const { usage, about, options, examples = [] } = of;
  const [word = ''] = usage.split(' ');
  return {
    options,
    plain: usage.includes('..') ? null : plainOf(of),
    add(argv, { path, args, all }) {
      const isUnnamed = isFirst && !args.includes(word);
      const parsing = {
        name: (isUnnamed ? path : [...path, word]).join(' '),
        hasCommands: isUnnamed,
        args,
        wants: usage.slice(word.length + 1),
      };
      argv.command(
        isFirst ? [usage, '$0'] : usage,
        about,
        (sub: Argv) => {
          const declared = declare(withArguments(sub, argumentsIn(usage)), options);
          for (const [line, does] of examples) declared.example(`$0 ${line}`, does);
          return declared.fail(failing(parsing));
        },
        (flags) => run(of, flags, { all, words: path.length }),
      );
    },
  };
}

export function group(word: string, about: string, commands: readonly Command[]): Command {
  return {
    options: Object.assign({}, ...commands.map(({ options }) => options)),
    plain: null,
    add(argv, { path, args, all }) {
      const line = { path: [...path, word], args, all };
      argv.command(word, about, (sub: Argv) => {
        for (const command of commands) command.add(sub, line);
        return sub.fail(failing({ name: line.path.join(' '), args, hasCommands: true }));
      });
    },
  };
}

type Flags = Readonly<Record<string, unknown>>;

function plainOf<O extends Options>(of: Entry<O>): PlainCommand {
  const { usage, options } = of;
  return {
    word: usage.split(' ')[0] as string,
    names: argumentsIn(usage),
    optional: usage.split('[').length - 1,
    options,
    run: (flags, all) => run(of, flags, { all, words: 1 }),
  };
}

async function run<O extends Options>(
  { usage, options, load }: Entry<O>,
  flags: Flags,
  { all, words }: { readonly all: Options; readonly words: number },
): Promise<void> {
  const names = argumentsIn(usage);
  const settings = settle(
    { ...COMMON, ...options },
    {
      flags: names.includes('relay') ? { ...flags, relay: undefined } : flags,
      env: process.env,
      file: configFile(process.env, 'config.toml'),
      alsoKnown: all,
    },
  );
  const behind = (flags._ as readonly string[]).slice(words); // what stood behind --
  const given = names.map((name) => [name, argument(flags[name], behind)]);
  const work = await load();
  await work({ settings: settings as Common & Settings<O>, args: Object.fromEntries(given) });
}

function argument(given: unknown, behind: readonly string[]): string | undefined {
  const text = Array.isArray(given) ? [...given, ...behind].join(' ') : given;
  return typeof text === 'string' ? text.replaceAll(STREAM, '-') : undefined;
}

function argumentsIn(usage: string): string[] {
  return [...usage.matchAll(/[[<](\w+)/g)].map((match) => match[1] as string);
}

/** As texts: a key may be called 007. */
function withArguments(argv: Argv, names: readonly string[]): Argv {
  const describe = (name: string) => ARGUMENTS[name] ?? '';
  return names.reduce(
    (sub, name) => sub.positional(name, { type: 'string', describe: describe(name) }),
    argv,
  );
}
