// Plain command lines, read without yargs, whose loading would take a third of the chat's start: one command, its arguments,
// options as `--name value` or `--switch`, each once. Everything else is for yargs: help, groups, `--name=value`,
// what stands behind --, and all that is wrong, so that complaints come from one place.

import { CONFIG, type Option, type Options } from './options.ts';

/** A command as far as its line is concerned. */
export interface Form {
  readonly word: string;
  /** Names of its arguments in their order; the last `optional` ones may be missing. */
  readonly names: readonly string[];
  readonly optional: number;
  readonly options: Options;
}

export interface PlainLine<F extends Form> {
  readonly form: F;
  /** As yargs would give them. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** Null when it is for yargs. */
export function plainLine<F extends Form>(
  args: readonly string[],
  { forms, common }: { readonly forms: readonly F[]; readonly common: Options },
): PlainLine<F> | null {
  const flags: Record<string, unknown> = {};
  const words: string[] = [];
  let form: F | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (!arg.startsWith('-')) {
      words.push(arg);
      form ??= forms.find(({ word }) => word === arg);
      if (!form) return null;
      continue;
    }
    const name = /^--([a-z][a-z-]*)$/.exec(arg)?.[1] ?? '';
    const option = optionOf(name, { ...common, config: CONFIG, ...form?.options });
    if (!option || Object.hasOwn(flags, name)) return null;
    if (option.type === 'boolean') {
      if (/^(true|false)$/.test(args[i + 1] ?? '')) return null;
      flags[name] = true;
      continue;
    }
    const value = taken(option, args[++i]);
    if (value === null) return null;
    flags[name] = value;
  }
  if (!form) return null;
  const [word, ...given] = words;
  const { names, optional } = form;
  if (given.length > names.length || given.length < names.length - optional) return null;
  if (given.some((_, i) => Object.hasOwn(flags, names[i] as string))) return null;
  return { form, flags: { ...argumentsOf(names, given), ...flags, _: [word] } };
}

function argumentsOf(names: readonly string[], given: readonly string[]) {
  return Object.fromEntries(given.map((text, i) => [names[i] as string, text]));
}

function optionOf(name: string, options: Options): Option | null {
  return Object.hasOwn(options, name) ? (options[name] as Option) : null;
}

function taken(option: Option, text: string | undefined): string | number | null {
  if (text === undefined || text === '' || text.startsWith('-')) return null;
  if (option.choices && !option.choices.includes(text)) return null;
  if (option.type !== 'number') return text;
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
