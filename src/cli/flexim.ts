// flexim: the table of commands. Each is loaded when it is used, so that --help is quick.

import type { Argv } from 'yargs';
import { CHAT, COMMON, type Common, type Context, KEYGEN, PING, RESTORE } from './command.ts';
import { checkValues, declare, type Options, parser, type Settings, settle } from './options.ts';
import { configFile } from './places.ts';

/** A command: its own options, and the loader of what it does. */
interface Entry<O extends Options> {
  readonly usage: string;
  readonly about: string;
  readonly options: O;
  readonly load: () => Promise<(context: Context<O>) => Promise<void>>;
}

const COMMANDS = [
  entry({
    usage: 'keygen [name]',
    about: 'make a new identity',
    options: KEYGEN,
    load: async () => (await import('./commands/keygen.ts')).keygen,
  }),
  entry({
    usage: 'restore [name]',
    about: 'make an identity from its paper backup, typed or on stdin',
    options: RESTORE,
    load: async () => (await import('./commands/keygen.ts')).restore,
  }),
  entry({
    usage: 'paper',
    about: 'print the paper backup of an identity',
    options: {},
    load: async () => (await import('./commands/keygen.ts')).paper,
  }),
  entry({
    usage: 'whoami',
    about: 'show the public key, the address and the safety fingerprint',
    options: {},
    load: async () => (await import('./commands/keys.ts')).whoami,
  }),
  entry({
    usage: 'keys',
    about: 'list the identities',
    options: {},
    load: async () => (await import('./commands/keys.ts')).keys,
  }),
  entry({
    usage: 'chat [who]',
    about: 'talk: a screen for conversations, encrypted end to end',
    options: CHAT,
    load: async () => (await import('./commands/chat.ts')).chat,
  }),
  entry({
    usage: 'ping [relay]',
    about: 'log in to a relay and measure the round trip',
    options: PING,
    load: async () => (await import('./commands/ping.ts')).ping,
  }),
  entry({
    usage: 'relays [action] [address]',
    about: 'list the known relays; `trust ADDRESS` or `forget ADDRESS` changes one',
    options: {},
    load: async () => (await import('./commands/relays.ts')).relays,
  }),
] as const;

/** Every setting of any command: what a configuration file may hold. */
const ALL_OPTIONS: Options = Object.assign({}, COMMON, ...COMMANDS.map((each) => each.options));

export async function main(args: readonly string[]): Promise<void> {
  checkValues(args, ALL_OPTIONS);
  const argv = declare(parser('flexim', args), COMMON)
    .usage('$0 <command> [options]\n\nA messenger whose server cannot read it.')
    .epilogue(
      'Settings come from flags, then FLEXIM_… variables, then config.toml, then the defaults.\n' +
        'Start with: flexim keygen NAME',
    );
  for (const { usage, about, options, names, run } of COMMANDS)
    argv.command(
      usage,
      about,
      (sub: Argv) => declare(withArguments(sub, names), options),
      (flags) => run(flags),
    );
  await argv.demandCommand(1, 'which command? A start: flexim keygen NAME').parseAsync();
}

function entry<const O extends Options>({ usage, about, options, load }: Entry<O>) {
  const names = [...usage.matchAll(/\[(\w+)\]/g)].map((match) => match[1] as string);
  const run = async (flags: Readonly<Record<string, unknown>>): Promise<void> => {
    const settings = settle(
      { ...COMMON, ...options },
      {
        flags: names.includes('relay') ? { ...flags, relay: undefined } : flags,
        env: process.env,
        file: configFile(process.env, 'config.toml'),
        alsoKnown: ALL_OPTIONS,
      },
    );
    const given = names.map((name) => [name, flags[name]]);
    const work = await load();
    await work({ settings: settings as Common & Settings<O>, args: Object.fromEntries(given) });
  };
  return { usage, about, options: options as Options, names, run };
}

const ARGUMENTS: Readonly<Record<string, string>> = {
  name: 'name of the key',
  who: 'a name, an alias, a key or a flexim:// address',
  relay: 'HOST, HOST:PORT or a flexim:// address; else the one of --relay',
  action: 'list, trust or forget; list if there is none',
  address: 'HOST, HOST:PORT or, to trust a key, flexim://HOST:PORT?relay=KEY',
};

/** As texts: a key may be called 007. */
function withArguments(argv: Argv, names: readonly string[]): Argv {
  const describe = (name: string) => ARGUMENTS[name] ?? '';
  return names.reduce(
    (sub, name) => sub.positional(name, { type: 'string', describe: describe(name) }),
    argv,
  );
}
