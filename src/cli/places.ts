// Where things are: XDG directories, the keys, the data.

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { FleximError } from '../lib/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

export function dataHome(env: Env): string {
  return home(env.XDG_DATA_HOME, '.local', 'share');
}

/** The settings file of a program when none is named. */
export function configFile(env: Env, name: string): string {
  return join(home(env.XDG_CONFIG_HOME, '.config'), 'flexim', name);
}

/** A relative XDG path counts as not set, as its specification says. */
function home(set: string | undefined, ...otherwise: string[]): string {
  if (set && isAbsolute(set)) return set;
  const base = homedir();
  if (!base) throw new FleximError('config-invalid', 'there is no home directory; set HOME');
  return join(base, ...otherwise);
}
