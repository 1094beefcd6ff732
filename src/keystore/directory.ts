// Which directory holds the keys, and whether it is fit to. Who can write to it can replace keys, so
// a directory of ours is tightened to 0700, and one that the user named is refused when it is open.

import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
} from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { FleximError, systemCode } from '../lib/errors.ts';
import { makeDirectory } from '../lib/files.ts';
import { O_NOFOLLOW } from './files.ts';
import { octal, ourUid, shellWord } from './owner.ts';

export const MARKER = '.flexim-keys';
const STICKY = 0o1000; // there, nobody can rename or remove another user's files
const O_DIRECTORY = constants.O_DIRECTORY ?? 0;

export interface Places {
  readonly flag?: string | null | undefined; // --keys
  readonly env?: string | null | undefined; // FLEXIM_KEYS
  readonly cwd: string;
  readonly dataHome: string; // XDG_DATA_HOME or what stands for it
}

export interface KeysDirectory {
  readonly path: string;
  readonly why: '--keys' | 'FLEXIM_KEYS' | './keys' | 'data directory';
}

/** Finds the directory and makes it when absent. Throws `keys-directory` or `key-exposed`. */
export function findKeysDirectory({ flag, env, cwd, dataHome }: Places): KeysDirectory {
  if (flag !== undefined && flag !== null)
    return { path: namedDirectory(flag, '--keys', cwd), why: '--keys' };
  if (env) return { path: namedDirectory(env, 'FLEXIM_KEYS', cwd), why: 'FLEXIM_KEYS' };
  const checkout = resolve(cwd, 'keys');
  if (tightenMarked(checkout)) return { path: checkout, why: './keys' };
  if (!isAbsolute(dataHome))
    throw unusable(
      dataHome,
      'the data directory must be an absolute path; set XDG_DATA_HOME to one',
    );
  return { path: privateDirectory(join(dataHome, 'flexim', 'keys')), why: 'data directory' };
}

/** A directory of our own: made when absent, ours, and for nobody else. */
export function privateDirectory(path: string): string {
  make(path);
  withDirectory(path, (fd) => {
    const { uid } = fstatSync(fd);
    if (!isOurs(uid)) throw foreign(path, uid);
    tighten(fd, path);
  });
  return path;
}

/** A directory that the user named is his to arrange, but others must not be able to replace keys. */
export function namedDirectory(name: string, option: string, cwd: string): string {
  if (name === '') throw unusable(name, `${option} is empty; give a directory, or leave it out`);
  const path = resolve(cwd, name);
  make(path);
  withDirectory(path, (fd) => {
    const { uid, mode } = fstatSync(fd);
    if (!isOurs(uid) && uid !== 0) throw foreign(path, uid);
    if (ourUid() !== null && (mode & 0o022) !== 0 && (mode & STICKY) === 0)
      throw new FleximError(
        'key-exposed',
        `others can write to ${path} (mode ${octal(mode)}), so they could replace keys in it. ` +
          `Run: chmod go-w ${shellWord(path)}`,
      );
  });
  return path;
}

/**
 * Whether ./keys is the directory that a checkout of flexim ships. Anything that somebody else may
 * have left in the working directory is passed over: a link, another's directory, one without marker.
 */
function tightenMarked(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch {
    return false;
  }
  try {
    if (!isOurs(fstatSync(fd).uid)) return false;
    if (!lstatSync(join(path, MARKER), { throwIfNoEntry: false })?.isFile()) return false;
    tighten(fd, path);
    return true;
  } finally {
    closeSync(fd);
  }
}

function tighten(fd: number, path: string): void {
  if (ourUid() === null || (fstatSync(fd).mode & 0o077) === 0) return;
  try {
    fchmodSync(fd, 0o700);
  } catch (error) {
    throw unusable(path, 'others can look into it and its mode cannot be changed', error);
  }
}

function make(path: string): void {
  try {
    makeDirectory(path, 0o700);
  } catch (error) {
    const why = systemCode(error) === 'EEXIST' ? 'it is no directory' : 'it cannot be made';
    throw unusable(path, why, error);
  }
}

function withDirectory(path: string, use: (fd: number) => void): void {
  let fd: number;
  try {
    accessSync(path, constants.R_OK | constants.X_OK);
    fd = openSync(path, constants.O_RDONLY | O_DIRECTORY);
  } catch (error) {
    throw unusable(path, 'it is no directory, or you may not read it', error);
  }
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function isOurs(uid: number): boolean {
  const ours = ourUid();
  return ours === null || uid === ours;
}

function foreign(path: string, uid: number): FleximError {
  return new FleximError(
    'key-exposed',
    `${path} belongs to user ${uid}, who could replace what is in it. ` +
      'Use a directory of your own (for keys: --keys DIR)',
  );
}

function unusable(path: string, why: string, error?: unknown): FleximError {
  const code = systemCode(error);
  return new FleximError(
    'keys-directory',
    `cannot use the directory ${path || "''"}: ${why}${code ? ` (${code})` : ''}. ` +
      'Put that right, or use another one (for keys: --keys DIR)',
    error,
  );
}
