// What can go wrong with a store, in words. LMDB numbers its errors: those of the system are positive,
// its own are negative.

import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { FleximError, isFleximError, systemCode } from '../lib/errors.ts';

/** What LMDB says when pages are not what they should be (lmdb.h, from MDB_PAGE_NOTFOUND on). */
const DAMAGE = new Set([-30_797, -30_796, -30_793, -30_788, -30_786, -30_781]);
const DAMAGE_WORDS = /MDB_(PAGE_NOTFOUND|CORRUPTED|INVALID|CURSOR_FULL|BAD_|VERSION_MISMATCH)/;

/** A name like ENOSPC for an error of the system, whoever reports it; else null. */
export function causeOf(error: unknown): string | null {
  const name = systemCode(error);
  if (name) return name;
  const text = error instanceof Error ? error.message : '';
  if (/No space left|Disk quota/.test(text)) return 'ENOSPC';
  if (/Input\/output error/.test(text)) return 'EIO';
  const number = numberOf(error);
  return number !== null && number > 0 ? getSystemErrorName(-number) : null;
}

/** Whether LMDB complains about its pages. */
export function isDamage(error: unknown): boolean {
  const number = numberOf(error);
  if (number !== null && DAMAGE.has(number)) return true;
  return error instanceof Error && DAMAGE_WORDS.test(error.message);
}

function numberOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'number' ? error.code : null;
}

/** `remedy` is the command that saves what can be read, for those who know one. */
export function damaged(path: string, what: string, remedy: string, cause?: unknown): FleximError {
  const help = remedy === '' ? '' : `. To save what can be read: ${remedy}`;
  return new FleximError('store-damaged', `the store ${path} is damaged: ${what}${help}`, cause);
}

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** `poisoned`: LMDB did not survive it, so a full disk is no mere delay. */
export function writeFailure(path: string, error: unknown, poisoned = false): FleximError {
  const cause = causeOf(error);
  if (!poisoned && FULL.includes(cause ?? ''))
    return new FleximError(
      'store-full',
      `the disk of the store ${path} is full (${cause}): make room; what was kept stays kept`,
      error,
    );
  return new FleximError(
    'store-failed',
    `writing the store ${path} failed (${cause ?? wordsOf(error)}): look after that disk`,
    error,
  );
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'that file system is read-only',
  ENOTDIR: 'a part of that path is no directory',
  EEXIST: 'a part of that path is no directory',
  EISDIR: 'it is a directory',
  ENOENT: 'that directory cannot be made',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk space of this user is used up',
  EIO: 'the disk gives errors',
  EMFILE: 'this process has too many files open',
};

export function unusable(path: string, error: unknown): FleximError {
  if (error instanceof FleximError) return error;
  const why = REASONS[causeOf(error) ?? ''] ?? wordsOf(error);
  return new FleximError(
    'store-unusable',
    `cannot open the store ${path}: ${why}. Choose another directory with --data, or mend this one.`,
    error,
  );
}

/** A system's or LMDB's error at opening, in our words; our own mistakes stay what they are. */
export function openFailure(path: string, error: unknown, remedy = ''): unknown {
  if (isFleximError(error) || !(error instanceof Error)) return error;
  if (isDamage(error)) return damaged(path, error.message, remedy, error);
  return causeOf(error) ? unusable(path, error) : error;
}

export function busy(path: string, pid: number): FleximError {
  return new FleximError(
    'store-busy',
    `${path} is in use by process ${pid}; stop that one first, or give this one another --data`,
  );
}

export function absent(path: string): FleximError {
  return new FleximError('store-unusable', `there is no store at ${path}; is --data right?`);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const REASON_MS = 1_000;

/** LMDB hands the reason of a failed commit over later, as a promise that somebody has to take. */
export async function reasonOf(error: unknown): Promise<unknown> {
  const promised = error instanceof Error && 'commitError' in error ? error.commitError : null;
  if (!(promised instanceof Promise)) return error;
  const late = sleep(REASON_MS, error, { ref: false });
  return Promise.race([promised.then(() => error), late]).catch((reason: unknown) => reason);
}
