// The number of the format a store is written in, and where it stands: it can be read in all of them.

import { FleximError } from '../lib/errors.ts';

export const META = 'meta';
export const OWNER_KEY = 'owner';
export const FORMAT_KEY = 'format';
export const FORMAT = 1;

/** A new store has no number yet. */
export function versionProblem(path: string, format: unknown): FleximError | null {
  if (format === undefined || format === FORMAT) return null;
  return new FleximError(
    'store-version',
    `the store ${path} has format ${JSON.stringify(format)}, and this flexim knows format ${FORMAT} only. ` +
      'Use the version that wrote it; its db export gives a file that db import of this one reads',
  );
}
