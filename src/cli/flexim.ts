// flexim: the table of commands. Each is loaded when it is used, so that --help is quick.

import { COMMON, KEYGEN, PING, RESTORE } from './command.ts';
import { type Command, entry, shielded } from './entry.ts';
import { checkValues, declare, type Options, parser } from './options.ts';

const COMMANDS: readonly Command[] = [
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
];

/** Every setting of any command: what a configuration file may hold. */
const ALL_OPTIONS: Options = Object.assign({}, COMMON, ...COMMANDS.map((each) => each.options));

export async function main(given: readonly string[]): Promise<void> {
  const args = shielded(given);
  checkValues(args, ALL_OPTIONS);
  const argv = declare(parser('flexim', args), COMMON)
    .usage('$0 <command> [options]\n\nA messenger whose server cannot read it.')
    .epilogue(
      'Settings come from flags, then FLEXIM_… variables, then config.toml, then the defaults.\n' +
        'Start with: flexim keygen NAME',
    );
  for (const command of COMMANDS) command.add(argv, { path: ['flexim'], args, all: ALL_OPTIONS });
  await argv.demandCommand(1, 'which command? A start: flexim keygen NAME').parseAsync();
}
