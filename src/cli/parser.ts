// The parser of command lines: yargs. In a file of its own, since loading it takes a sixth of the chat's start.

import yargs, { type Argv } from 'yargs';
import { failing } from './options.ts';

/** A yargs parser that knows the options, complains like the rest of us, and never exits. */
export function parser(name: string, args: readonly string[]): Argv {
  return yargs([...args])
    .scriptName(name)
    .parserConfiguration({
      'camel-case-expansion': false,
      'duplicate-arguments-array': true,
      'parse-positional-numbers': false,
    })
    .strict()
    .locale('en') // the rest of what is said is English too
    .exitProcess(false)
    .help('help', 'show this help')
    .describe('version', 'show the version')
    .alias('help', 'h')
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .fail(failing({ name, args, hasCommands: true }));
}
