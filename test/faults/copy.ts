// A copy of a part of this checkout in which a text stands for another: code broken on purpose, to see
// that a test goes red.

import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

export interface Patch {
  /** The folder of src/ or dist/ in whose files the text stands, exactly once. */
  readonly folder: string;
  readonly from: string;
  readonly to: string;
}

export interface Copy {
  readonly path: string;
  remove(): void;
}

/** Copies `parts` (src, or dist and bin). Of dist/ the modules alone, which the launcher starts then. */
export function copyOf(parts: readonly string[], patch: Patch): Copy {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'flexim-copy-')));
  const filter = (from: string) => from !== join(ROOT, 'dist', 'programs');
  for (const part of ['package.json', ...parts])
    cpSync(join(ROOT, part), join(path, part), { recursive: true, filter });
  symlinkSync(realpathSync(join(ROOT, 'node_modules')), join(path, 'node_modules'));
  apply(join(path, patch.folder), patch);
  return { path, remove: () => rmSync(path, { recursive: true }) };
}

function apply(folder: string, { from, to }: Patch): void {
  const files = readdirSync(folder)
    .filter((name) => /\.(ts|js)$/.test(name) && !name.endsWith('.d.ts'))
    .map((name) => join(folder, name));
  const found = files.flatMap((file) => {
    const source = readFileSync(file, 'utf8');
    return source.split(from).length === 2 ? [{ file, source }] : [];
  });
  const [only] = found;
  if (found.length !== 1 || !only)
    throw new Error(`'${from}' stands in ${found.length} files of ${folder}: mend this patch`);
  writeFileSync(only.file, only.source.replace(from, to));
}
