// LMDB must not meet a full disk: when it cannot write a page, version 3.5.6 runs over a buffer of its own,
// and after a few such failures the process dies. So whoever writes asks for room first, and what fills a
// disk is refused while there is still some.

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { FleximError } from '../lib/errors.ts';

const MIB = 2 ** 20;
const RESERVE = 64 * MIB; // stays free when something is added
const LAST = 16 * MIB; // stays free even when something is removed, which takes pages, too
const SMALL_DISK = 1 / 16; // but of a small disk no more than this
const PAGES_PER_BYTE = 2; // pages are never full

export interface Space {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
}

const UNKNOWN: Space = { bsize: 0, blocks: 0, bavail: 0 }; // as some file systems answer

/** How many bytes more must be free before `adds` bytes can be added, or (0) some removed. */
export function missing({ bsize, blocks, bavail }: Space, adds: number): number {
  if (blocks === 0) return 0;
  const most = bsize * blocks * SMALL_DISK;
  const stays = adds > 0 ? Math.min(RESERVE, most) : Math.min(LAST, most / 4);
  return Math.max(0, Math.ceil(stays + adds * PAGES_PER_BYTE - bsize * bavail));
}

/** Before `adds` bytes are added to the store, or (0) some are removed. Throws `store-full`. */
export function checkRoom(path: string, adds: number): void {
  const lacks = missing(spaceAt(dirname(path)), adds);
  if (lacks > 0)
    throw new FleximError(
      'store-full',
      `the disk of the store ${path} is full: ${Math.ceil(lacks / MIB)} MiB more must be free; what was kept stays kept`,
    );
}

function spaceAt(directory: string): Space {
  try {
    return statfsSync(directory);
  } catch {
    return UNKNOWN; // whatever is wrong there, opening or writing says it better
  }
}
