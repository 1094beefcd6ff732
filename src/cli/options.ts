// Options of the programs: flag, then FLEXIM_… in the environment, then the TOML file, then default.
// One table declares them; an unknown key anywhere but in the environment is an error.

import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import type { Argv } from 'yargs';
import { FleximError, systemCode } from '../lib/errors.ts';
import { printable } from '../lib/text.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

export interface Option {
  /** A size is a number of bytes, a duration one of milliseconds: cli/units.ts. */
  readonly type: 'string' | 'number' | 'boolean' | 'size' | 'duration';
  readonly about: string;
  readonly default?: string | number | boolean;
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number; // of a number; of the characters of a text
  /** Heading in the help. */
  readonly group?: string;
  /** On the command line only. */
  readonly flagOnly?: true;
}

export type Options = Readonly<Record<string, Option>>;

type Value<O extends Option> = O['type'] extends 'string'
  ? string
  : O['type'] extends 'boolean'
    ? boolean
    : number;
export type Settings<T extends Options> = {
  readonly [K in keyof T]: T[K] extends { readonly default: string | number | boolean }
    ? Value<T[K]>
    : Value<T[K]> | null;
};

export const CONFIG: Option = { type: 'string', about: 'read settings from this TOML file' };

export interface Parsing {
  /** The program, and the command if it is the parser of one. */
  readonly name: string;
  readonly args: readonly string[];
  readonly hasCommands?: boolean;
  /** Its arguments, as its help shows them. */
  readonly wants?: string;
}

/** How a parser complains. */
export function failing(parsing: Parsing) {
  return (message: string, error: Error | undefined): never => {
    if (error && error.name !== 'YError') throw error; // not what yargs has to complain about
    throw new FleximError('usage', `${complaint(message, parsing)}. See ${parsing.name} --help.`);
  };
}

/** What yargs says, without what may be a secret typed in the wrong place: names of options only. */
function complaint(message: string, { name, args, hasCommands, wants = '' }: Parsing): string {
  if (message.startsWith('Not enough non-option')) return `something is missing: ${name} ${wants}`;
  const unknown = /^Unknown arguments?: (.*)$/s.exec(message)?.[1];
  if (unknown === undefined) return message;
  const options = args.filter((arg) => /^--?[A-Za-z]/.test(arg)).map((arg) => arg.split('=')[0]);
  const named = options.filter((option) =>
    unknown.split(', ').includes((option as string).replace(/^--?/, '')),
  );
  if (named.length > 0) return `there is no option ${[...new Set(named)].join(', ')}`;
  const [word = ''] = name.split(' ').slice(-1);
  return hasCommands && unknown === args[args.indexOf(word) + 1]
    ? 'there is no such command'
    : 'there is one argument too many';
}

/**
 * Refuses what yargs would read its own way: a value for a switch (`--passphrase=secret` would switch
 * it off), and numbers that are none. The value is not repeated.
 */
export function checkValues(args: readonly string[], options: Options): void {
  const end = args.indexOf('--'); // behind it everything is an argument
  args.slice(0, end < 0 ? args.length : end).forEach((arg, i) => {
    const [, name = '', given] = /^--(?:no-)?([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    const value = option?.type === 'number' ? (given ?? args[i + 1]) : given;
    if (!option || value === undefined) return;
    if (option.type === 'boolean' && !/^(true|false)$/.test(value))
      throw new FleximError('usage', `--${name} takes no value`);
    if (option.type === 'number' && !/^-?\d+$/.test(value))
      throw new FleximError('usage', `--${name}: ${wantNumber(option)}`);
  });
}

export function declare(argv: Argv, options: Options): Argv {
  for (const [name, option] of Object.entries<Option>({ ...options, config: CONFIG })) {
    const shown = option.default === undefined ? {} : { defaultDescription: shownDefault(option) };
    // Not told to yargs, which adds those of a command to those of all commands; settle looks at them.
    const choices = option.choices ? ` [${option.choices.join(' | ')}]` : '';
    argv.option(name, {
      type: option.type === 'number' || option.type === 'boolean' ? option.type : 'string',
      describe: `${option.about}${choices}`,
      requiresArg: option.type !== 'boolean',
      ...shown,
      group: option.group ?? 'Options:',
    });
  }
  return argv;
}

export interface Sources {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Read when it exists and no other is named. */
  readonly file: string;
  /** Names the file may hold besides these options: those of sister commands. */
  readonly alsoKnown?: Options;
}

/** Settles every option by the order of precedence. Throws `usage` or `config-invalid`. */
export function settle<const T extends Options>(options: T, sources: Sources): Settings<T> {
  const { flags, env } = sources;
  const file = readConfig(sources, options);
  const settings: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    const variable = `FLEXIM_${name.toUpperCase().replaceAll('-', '_')}`;
    const set = option.flagOnly ? undefined : env[variable];
    if (flags[name] !== undefined) settings[name] = fromFlag(name, option, flags[name]);
    else if (set !== undefined && set !== '')
      settings[name] = fromText(option, set, invalid(`in the environment, ${variable}`));
    else if (file && Object.hasOwn(file.values, name))
      settings[name] = checked(option, file.values[name], invalid(`in ${file.path}, ${name}`));
    else settings[name] = option.default ?? null;
  }
  return settings as Settings<T>;
}

function readConfig({ flags, env, file, alsoKnown }: Sources, options: Options) {
  const named = flags.config ?? env.FLEXIM_CONFIG;
  const path = typeof named === 'string' && named !== '' ? named : file;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && path === file) return null;
    const code = systemCode(error);
    throw invalid(`${path} cannot be read`)(code === 'ENOENT' ? 'it is not there' : `${code}`);
  }
  const values = parseToml(text, path);
  const unknown = Object.keys(values).find(
    (key) => !Object.hasOwn({ ...alsoKnown, ...options }, key) || options[key]?.flagOnly,
  );
  if (unknown !== undefined)
    throw invalid(`in ${path}`)(`there is no setting '${unknown}'; --help lists them`);
  return { path, values };
}

function parseToml(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text);
  } catch (error) {
    const first = error instanceof Error ? error.message.split('\n')[0] : 'no TOML';
    const where = error instanceof TomlError ? `, line ${error.line}, column ${error.column}` : '';
    throw invalid(`${path}${where} is not TOML`)(first ?? '');
  }
}

type Complain = (what: string) => FleximError;

function invalid(where: string): Complain {
  return (what) => new FleximError('config-invalid', `${where}: ${what}`);
}

function fromFlag(name: string, option: Option, value: unknown): unknown {
  const complain = (what: string) => new FleximError('usage', `--${name}: ${what}`);
  if (Array.isArray(value)) throw complain('given more than once');
  return checked(option, value, complain);
}

function fromText(option: Option, text: string, complain: Complain): unknown {
  if (option.type === 'number')
    return checked(option, /^-?\d+$/.test(text) ? Number(text) : Number.NaN, complain);
  if (option.type !== 'boolean') return checked(option, text, complain);
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw complain('want true or false');
}

const MEASURES = {
  size: { what: 'a size', parse: parseSize, format: formatSize, example: '64M or 256KiB' },
  duration: {
    what: 'a time',
    parse: parseDuration,
    format: formatDuration,
    example: '500ms or 30d',
  },
} as const;

/** The default as help shows it. */
export function shownDefault(option: Option): string {
  const { type, default: value } = option;
  const measure = type === 'size' || type === 'duration' ? MEASURES[type] : null;
  return measure && typeof value === 'number' ? measure.format(value) : `${value}`;
}

function checkedMeasure(option: Option, value: unknown, complain: Complain): number {
  const { what, parse, format, example } = MEASURES[option.type as keyof typeof MEASURES];
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  const number = typeof value === 'string' || typeof value === 'number' ? parse(`${value}`) : null;
  if (number === null || number < min || number > max)
    throw complain(`want ${what} from ${format(min)} to ${format(max)}, such as ${example}`);
  return number;
}

function checked(option: Option, value: unknown, complain: Complain): unknown {
  if (option.type === 'size' || option.type === 'duration')
    return checkedMeasure(option, value, complain);
  if (option.type === 'number') {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
      throw complain(wantNumber(option));
    return value;
  }
  if (typeof value !== option.type) throw complain(`want a ${option.type}`);
  if (value === '') throw complain('want something that is not empty');
  if (option.type === 'string' && option.max !== undefined)
    if (value !== printable(value as string, option.max))
      throw complain(`want at most ${option.max} characters, none of them invisible`);
  if (option.choices && !option.choices.includes(value as string))
    throw complain(`want one of ${option.choices.join(', ')}`);
  return value;
}

function wantNumber({ min = 0, max = Number.MAX_SAFE_INTEGER }: Option): string {
  return `want a whole number from ${min} to ${max}`;
}
