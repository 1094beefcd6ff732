// Who we are to the file system, and how a command for the shell shows a path.

import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { FleximError } from '../lib/errors.ts';

/** Our user id; null where files have none (Windows), and then nobody can check owners or modes. */
export function ourUid(): number | null {
  try {
    const { uid } = userInfo();
    return uid < 0 ? null : uid;
  } catch {
    return uidWithoutName();
  }
}

/** Containers run under ids that have no line in /etc/passwd; without one, userInfo() throws. */
function uidWithoutName(): number {
  try {
    return statSync('/proc/self').uid;
  } catch (error) {
    throw new FleximError(
      'keys-directory',
      'cannot find out which user this is, so no key file can be trusted: give the user id a name',
      error,
    );
  }
}

/** Permission bits as chmod takes them. */
export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

/** A path as one word of a shell command. */
export function shellWord(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
