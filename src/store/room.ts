// LMDB must not meet a full disk: when it cannot write a page, version 3.5.6 runs over a buffer of its own,
// and after a few such failures the process dies. So whoever writes asks for room first, and what fills a
// disk is refused while there is still some.

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { FleximError } from '../lib/errors.ts';

const MIB = 2 ** 20;
const RESERVE = 64 * MIB; // stays free, on the disk and inside the file, when something is added
const LAST = 16 * MIB; // stays free on the disk, whatever is done: removing takes pages, too
const SMALL_DISK = 1 / 16; // but of a small disk no more than this
const PAGES_PER_BYTE = 2; // pages are never full

export interface Space {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
}

const UNKNOWN: Space = { bsize: 0, blocks: 0, bavail: 0 }; // as some file systems answer

/**
 * How many bytes more must be free before `adds` bytes can be added, or (0) some removed. What is free
 * inside the file counts, but LMDB need not find its way there, so the disk alone must bear the batch.
 */
export function missing(space: Space, adds: number, freeInside: () => number): number {
  const { bsize, blocks, bavail } = space;
  if (blocks === 0) return 0;
  const most = bsize * blocks * SMALL_DISK;
  const grows = adds * PAGES_PER_BYTE;
  const free = bsize * bavail;
  const lacks = Math.min(LAST, most / 4) + grows - free;
  const lacksReserve = adds > 0 ? Math.min(RESERVE, most) + grows - free : 0;
  if (lacksReserve <= 0) return Math.max(0, lacks);
  return Math.max(0, lacks, lacksReserve - freeInside());
}

/** Before `adds` bytes are added to the store, or (0) some are removed. Throws `store-full`. */
export function checkRoom(path: string, adds = 0, freeInside = () => 0): void {
  const lacks = missing(spaceAt(dirname(path)), adds, freeInside);
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
