// Small private files: made whole or not at all, never over another one; read only after the opened
// file itself, not its name, was found to be ours.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { randomBytes } from '../crypto/sodium.ts';
import { toHex } from '../lib/bytes.ts';
import { type ErrorCode, FleximError, systemCode } from '../lib/errors.ts';
import { octal, ourUid, shellWord } from './owner.ts';

export const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0; // Windows has neither
const O_NONBLOCK = constants.O_NONBLOCK ?? 0; // a FIFO in the place of a file must not hang us
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * Makes a file of mode 0600. `key-exists` when the name is taken. The name appears by link(), which
 * cannot replace anything and shows the file only when it is whole and on disk.
 */
export function createFile(path: string, bytes: Uint8Array, link = linkSync): void {
  const directory = dirname(path);
  const temp = join(directory, `.${basename(path)}.${toHex(randomBytes(8))}.tmp`);
  try {
    try {
      writeExclusive(temp, bytes);
      placeFile(temp, path, { bytes, link });
    } finally {
      rmSync(temp, { force: true });
    }
    syncDirectory(directory);
  } catch (error) {
    if (systemCode(error) === 'EEXIST')
      throw new FleximError(
        'key-exists',
        `${path} is there already and was not touched. Choose another name`,
        error,
      );
    throw unwritable(path, error);
  }
}

/** FAT and some network file systems have no links: there a crash may leave a damaged file. */
function placeFile(
  temp: string,
  path: string,
  { bytes, link }: { bytes: Uint8Array; link: typeof linkSync },
): void {
  try {
    link(temp, path);
  } catch (error) {
    if (!NO_LINKS.includes(systemCode(error) ?? '')) throw error;
    writeExclusive(path, bytes);
  }
}

/** Writes a file that is not there yet, to the disk; what could not be written whole is removed. */
export function writeExclusive(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Makes names that were added to a directory survive a loss of power. */
export function syncDirectory(path: string): void {
  if (ourUid() === null) return; // Windows opens no directories
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } catch (error) {
    if (systemCode(error) !== 'EINVAL') throw error; // file systems that cannot, and need not
  } finally {
    closeSync(fd);
  }
}

export interface Trust {
  readonly max: number; // bytes
  readonly forbidden: number; // permission bits of others that may not be set
  readonly unfit: ErrorCode; // for what is no regular file, or too large
}

/** Opens a file for reading if it is a regular file of ours that others cannot misuse; null if absent. */
export function openTrusted(path: string, { max, forbidden, unfit }: Trust): number | null {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    if (systemCode(error) === 'ELOOP')
      throw new FleximError(unfit, `${path} is a symbolic link; put the file itself there`, error);
    throw unreadable(path, error);
  }
  try {
    const stat = fstatSync(fd);
    const uid = ourUid();
    if (!stat.isFile()) throw new FleximError(unfit, `${path} is not a regular file; move it away`);
    if (uid !== null && stat.uid !== uid)
      throw new FleximError(
        'key-exposed',
        `${path} belongs to user ${stat.uid}, not to you (user ${uid}), and is not trusted. ` +
          `If it is yours, run: sudo chown ${uid} ${shellWord(path)}`,
      );
    if (uid !== null && (stat.mode & forbidden) !== 0)
      throw new FleximError(
        'key-exposed',
        `other users can get at ${path} (mode ${octal(stat.mode)}). ` +
          `If you trust them so far, run: chmod 600 ${shellWord(path)}`,
      );
    if (stat.size > max)
      throw new FleximError(
        unfit,
        `${path} has ${stat.size} bytes, more than ${max}; move it away`,
      );
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The whole of a trusted file, or null when it is absent. */
export function readTrusted(path: string, trust: Trust): Uint8Array | null {
  const fd = openTrusted(path, trust);
  if (fd === null) return null;
  try {
    return readAll(fd, trust.max);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    closeSync(fd);
  }
}

/** What is left of an open file, but not more than `max` bytes. */
export function readAll(fd: number, max: number): Uint8Array {
  const bytes = new Uint8Array(max);
  let length = 0;
  for (let got = -1; got !== 0 && length < max; length += got)
    got = readSync(fd, bytes, length, max - length, null);
  return bytes.subarray(0, length);
}

export function unreadable(path: string, error: unknown): FleximError {
  return new FleximError(
    'keys-directory',
    `cannot read ${path}: ${systemCode(error) ?? 'unknown error'}. ` +
      'See that it, and the directories above it, are yours and readable',
    error,
  );
}

export function unwritable(path: string, error: unknown): FleximError {
  return new FleximError(
    'keys-directory',
    `cannot write ${path}: ${systemCode(error) ?? 'unknown error'}. ` +
      'See that there is room and that its directory is yours and writable',
    error,
  );
}
