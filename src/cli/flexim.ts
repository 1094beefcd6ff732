// flexim: the table of commands. Each is loaded when it is used, so that --help is quick.

import {
  ADD,
  CHAT,
  COMMON,
  COMMSTREAM,
  DOCTOR,
  ENCLAVE,
  HISTORY,
  KEYGEN,
  OFF,
  ONLINE,
  PING,
  RECEIVE,
  RESTORE,
  SEND,
  TRUST,
  VERIFY,
} from './command.ts';
import { type Command, entry, group, shielded } from './entry.ts';
import { checkValues, declare, type Options } from './options.ts';
import { plainLine } from './plain.ts';

export { run } from './exit.ts';

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
    usage: 'chat [who]',
    about: 'talk: a screen for conversations, encrypted end to end',
    options: CHAT,
    examples: [
      ['flexim chat bob', 'talk with bob; /help says the rest'],
      ['flexim chat --plain', 'in words alone, for screen readers and pipes'],
    ],
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
  entry({
    usage: 'send <who> [text..]',
    about: 'send a message; it ends well only when the relay has it safely, or he has it',
    options: SEND,
    examples: [
      ['send bob hello', 'words are joined; others on this machine can see them'],
      ['send bob < report.txt', 'what stdin says, up to 61,340 bytes'],
      ['send bob --lines --wait delivered', 'each line of stdin, until bob has all of them'],
    ],
    load: async () => (await import('./commands/send.ts')).send,
  }),
  entry({
    usage: 'receive',
    about: 'print what came, and count it as read',
    options: RECEIVE,
    examples: [
      ['receive', 'what is here and at the relay'],
      ['receive --follow --json', 'one JSON object a line, for ever'],
      ['receive --follow --json --ack-stdin', 'for a bot that answers with ids'],
    ],
    load: async () => (await import('./commands/receive.ts')).receive,
  }),
  entry({
    usage: 'history <who>',
    about: 'print what was said with somebody; needs no connection',
    options: HISTORY,
    examples: [['history bob --search "the key"', 'only messages with these words']],
    load: async () => (await import('./commands/history.ts')).history,
  }),
  group('contacts', 'people: list, add, rename, remove, block, unblock', [
    entry(
      {
        usage: 'list',
        about: 'list them; needs no connection',
        options: {},
        load: async () => (await import('./commands/contacts.ts')).list,
      },
      true,
    ),
    entry({
      usage: 'add <who> [name]',
      about: 'add somebody by alias, key or flexim:// address, under a name of your choice',
      options: ADD,
      examples: [
        ['contacts add bob', 'whom the relay knows as bob'],
        ['contacts add bob --at 192.168.1.7:7776', 'where --transport auto meets him'],
      ],
      load: async () => (await import('./commands/contacts.ts')).add,
    }),
    entry({
      usage: 'rename <who> <name>',
      about: 'give somebody another name; he is not told',
      options: {},
      load: async () => (await import('./commands/contacts.ts')).rename,
    }),
    entry({
      usage: 'remove <who>',
      about: 'forget somebody; what was said stays in the history',
      options: {},
      load: async () => (await import('./commands/contacts.ts')).remove,
    }),
    entry({
      usage: 'block <who>',
      about: 'take nothing from somebody and send him nothing; he is not told',
      options: {},
      load: async () => (await import('./commands/contacts.ts')).block,
    }),
    entry({
      usage: 'unblock <who>',
      about: 'take that back',
      options: {},
      load: async () => (await import('./commands/contacts.ts')).unblock,
    }),
  ]),
  group('enclave', 'a node of your own, without a relay: run it; friends, add, remove, block', [
    entry(
      {
        usage: 'run',
        about: 'be there for your friends until you leave; /help says the rest',
        options: ENCLAVE,
        examples: [['enclave --listen 0.0.0.0:7776', 'for friends on other machines, too']],
        load: async () => (await import('./commands/enclave.ts')).run,
      },
      true,
    ),
    entry({
      usage: 'friends',
      about: 'list the address book; needs no connection',
      options: {},
      load: async () => (await import('./commands/book.ts')).friends,
    }),
    entry({
      usage: 'add <name> <place> [key]',
      about: 'put a friend into the address book',
      options: {},
      examples: [['enclave add bob 192.168.1.7:7776', 'his key is kept when he shows it first']],
      load: async () => (await import('./commands/book.ts')).add,
    }),
    entry({
      usage: 'remove <name>',
      about: 'take a friend out of it',
      options: {},
      load: async () => (await import('./commands/book.ts')).remove,
    }),
    entry({
      usage: 'block <name>',
      about: 'refuse him without a word; --off takes that back',
      options: OFF,
      load: async () => (await import('./commands/book.ts')).block,
    }),
    entry({
      usage: 'plain <name>',
      about: 'allow what is NOT encrypted to a friend whose node has no key; --off takes that back',
      options: OFF,
      load: async () => (await import('./commands/book.ts')).plain,
    }),
  ]),
  entry({
    usage: 'verify <who>',
    about:
      'show the safety number to compare with somebody, and a code to scan; needs no connection',
    options: VERIFY,
    examples: [
      ['verify bob', 'the number, and a QR code on a terminal'],
      ['verify bob --yes', 'note that both of you see the same number'],
    ],
    load: async () => (await import('./commands/verify.ts')).verify,
  }),
  entry({
    usage: 'trust <who>',
    about: 'accept the new key of somebody whose key has changed',
    options: TRUST,
    examples: [['trust bob --compared', 'after comparing, needed when he was verified']],
    load: async () => (await import('./commands/verify.ts')).trust,
  }),
  entry({
    usage: 'register <alias>',
    about: 'claim a name at the relay by which others find you',
    options: ONLINE,
    load: async () => (await import('./commands/directory.ts')).register,
  }),
  entry({
    usage: 'unregister <alias>',
    about: 'give such a name back',
    options: ONLINE,
    load: async () => (await import('./commands/directory.ts')).unregister,
  }),
  entry({
    usage: 'roster [prefix]',
    about: 'list who has a name at the relay, or whose name begins so',
    options: ONLINE,
    load: async () => (await import('./commands/directory.ts')).roster,
  }),
  entry({
    usage: 'status',
    about: 'show where you stand with the relay, and what waits',
    options: ONLINE,
    load: async () => (await import('./commands/status.ts')).status,
  }),
  entry({
    usage: 'commstream [server]',
    about: 'talk line by line over an encrypted connection, without relay and identity',
    options: COMMSTREAM,
    examples: [
      ['commstream --listen 4400', 'wait for somebody; the address to give him is printed'],
      ['commstream HOST:4400', 'be that somebody; with the whole address the key is checked'],
    ],
    load: async () => (await import('./commands/commstream.ts')).commstream,
  }),
  entry({
    usage: 'doctor',
    about: 'find out what keeps you from talking, and what to do about it; changes nothing',
    options: DOCTOR,
    examples: [
      ['doctor', 'key, relay, name, port, login, prekeys, store, clock'],
      ['doctor --recover', 'save what can be read of a damaged store'],
    ],
    load: async () => (await import('./commands/doctor.ts')).doctor,
  }),
];

/** Every setting of any command: what a configuration file may hold. */
const ALL_OPTIONS: Options = Object.assign({}, COMMON, ...COMMANDS.map((each) => each.options));

export async function main(given: readonly string[]): Promise<void> {
  const args = shielded(given);
  checkValues(args, ALL_OPTIONS);
  const forms = COMMANDS.flatMap(({ plain }) => plain ?? []);
  const line = plainLine(args, { forms, common: COMMON });
  if (line) return line.form.run(line.flags, ALL_OPTIONS);
  const { parser } = await import('./parser.ts');
  const argv = declare(parser('flexim', args), COMMON)
    .usage('$0 <command> [options]\n\nA messenger whose server cannot read it.')
    .epilogue(
      'Settings come from flags, then FLEXIM_… variables, then config.toml, then the defaults.\n' +
        'Start with: flexim keygen NAME',
    );
  for (const command of COMMANDS) command.add(argv, { path: ['flexim'], args, all: ALL_OPTIONS });
  await argv.demandCommand(1, 'which command? A start: flexim keygen NAME').parseAsync();
}
